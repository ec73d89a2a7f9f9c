// The library's own threads: started at first use, kept for the life of the process, the caller always takes part. Work
// is cut into tasks by its shape, never by the number of threads, and no result depends on who runs which task.
#ifndef VQ4J_CPU_THREAD_POOL_HPP
#define VQ4J_CPU_THREAD_POOL_HPP

#include <algorithm>
#include <cstdint>

namespace vq4j {

// Runs task(context, i) for 0 <= i < count on the pool's threads and the caller's. Returns when all are done, and throws
// what the first failing task threw. While another caller has the pool, the calling thread runs all of them itself.
void run_tasks(int64_t count, void (*task)(void* context, int64_t i), void* context);

void set_pool_threads(int32_t threads);

int32_t pool_threads();

// body(i) for 0 <= i < count, in parallel.
template <typename Body>
void parallel_for(int64_t count, Body body) {
    if (count == 1) {
        body(int64_t{0});
        return;
    }
    run_tasks(count, [](void* context, int64_t i) { (*static_cast<Body*>(context))(i); }, &body);
}

// Elements that a task gets at least: some ten microseconds of streaming, several times what waking a thread costs.
constexpr int64_t task_elements = int64_t{1} << 15;

// As many elements take the time of a number drawn by Philox.
constexpr int64_t draw_cost = 32;

// body(begin, end) over pieces of 0 ... count, in parallel; an item touches `elements` elements.
template <typename Body>
void parallel_ranges(int64_t count, int64_t elements, Body body) {
    const int64_t items = std::max<int64_t>(1, task_elements / elements);
    parallel_for((count + items - 1) / items,
        [=](int64_t i) { body(i * items, std::min(count, (i + 1) * items)); });
}

}  // namespace vq4j

#endif
