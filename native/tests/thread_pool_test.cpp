// The thread pool: every task runs once, from one caller or many, nested or failing, while the number of threads changes.
// Compiled together with the pool, and once more with ThreadSanitizer.
#include "cpu/thread_pool.hpp"

#include <sched.h>

#include <atomic>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "vq4j/cpu.h"

namespace {

using vq4j::parallel_for;
using vq4j::parallel_ranges;

int failures = 0;

#define CHECK(condition) check((condition), #condition, __LINE__)

void check(bool holds, const char* what, int line) {
    if (!holds) {
        std::printf("FAILED: line %d: %s\n", line, what);
        ++failures;
    }
}

// How often each of the tasks of one parallel_for ran.
class Runs {
public:
    explicit Runs(int64_t count) : runs_(static_cast<size_t>(count)) {}

    // Plain memory for each task: a task that two threads run is a race.
    void run(int64_t i) { ++runs_[static_cast<size_t>(i)]; }

    bool each_once() const {
        for (const int runs : runs_) {
            if (runs != 1) {
                return false;
            }
        }
        return true;
    }

private:
    std::vector<int> runs_;
};

void every_task_runs_once_at_any_number_of_threads() {
    for (const int32_t threads : {1, 2, 3, 8}) {
        vq4j::set_pool_threads(threads);
        for (const int64_t count : {0, 1, 2, 7, 1000}) {
            Runs runs(count);
            parallel_for(count, [&](int64_t i) { runs.run(i); });
            CHECK(runs.each_once());
        }
    }
}

void ranges_cover_all_items() {
    vq4j::set_pool_threads(3);
    for (const int64_t elements : {int64_t{1}, int64_t{5000}, vq4j::task_elements + 1}) {
        Runs runs(100);
        parallel_ranges(100, elements, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) {
                runs.run(i);
            }
        });
        CHECK(runs.each_once());
    }
}

void callers_do_not_disturb_each_other() {
    vq4j::set_pool_threads(3);
    std::atomic<int> wrong{0};
    std::vector<std::thread> callers;
    for (int caller = 0; caller < 6; ++caller) {
        callers.emplace_back([&wrong, caller] {
            for (int call = 0; call < 1000; ++call) {
                Runs runs(1 + (caller + call) % 20);
                parallel_for(1 + (caller + call) % 20, [&](int64_t i) { runs.run(i); });
                wrong += runs.each_once() ? 0 : 1;
            }
        });
    }
    for (std::thread& caller : callers) {
        caller.join();
    }
    CHECK(wrong == 0);
}

void tasks_may_call_the_pool() {
    vq4j::set_pool_threads(3);
    for (int call = 0; call < 50; ++call) {
        std::vector<Runs> runs(10, Runs(10));
        parallel_for(10, [&](int64_t i) {
            parallel_for(10, [&](int64_t j) { runs[static_cast<size_t>(i)].run(j); });
        });
        for (const Runs& inner : runs) {
            CHECK(inner.each_once());
        }
    }
}

// Two tasks at the same time, one on the caller's thread: body(i, whether this is the caller).
template <typename Body>
void run_two_at_once(Body body) {
    const std::thread::id caller = std::this_thread::get_id();
    std::atomic<int> begun{0};
    parallel_for(2, [&](int64_t i) {
        ++begun;
        while (begun < 2) {
            std::this_thread::yield();
        }
        body(i, std::this_thread::get_id() == caller);
    });
}

void a_thread_has_the_same_tasks_in_every_call() {
    vq4j::set_pool_threads(2);
    for (int call = 0; call < 50; ++call) {
        bool callers[2] = {};
        run_two_at_once([&](int64_t i, bool caller) { callers[i] = caller; });
        CHECK(!callers[0] && callers[1]);
    }
}

void the_core_of_the_caller_is_left_to_it() {
    cpu_set_t usable;
    CPU_ZERO(&usable);
    if (sched_getaffinity(0, sizeof usable, &usable) != 0 || CPU_COUNT(&usable) < 2) {
        std::printf("one core: there is none to leave to the caller\n");
        return;
    }
    vq4j::set_pool_threads(2);
    for (int core = 0, tried = 0; core < CPU_SETSIZE && tried < 4; ++core) {
        if (!CPU_ISSET(core, &usable)) {
            continue;
        }
        ++tried;
        // The caller moves to this core; then the others are allowed again.
        cpu_set_t only;
        CPU_ZERO(&only);
        CPU_SET(core, &only);
        sched_setaffinity(0, sizeof only, &only);
        sched_setaffinity(0, sizeof usable, &usable);
        const int before = sched_getcpu();
        cpu_set_t of_worker = usable;
        run_two_at_once([&](int64_t, bool caller) {
            if (!caller) {
                sched_getaffinity(0, sizeof of_worker, &of_worker);
            }
        });
        // A caller that the system moved in between proves nothing.
        CHECK(sched_getcpu() != before || !CPU_ISSET(before, &of_worker));
        CHECK(CPU_COUNT(&of_worker) == CPU_COUNT(&usable) - 1);
    }
}

void a_failure_reaches_the_caller_and_the_pool_goes_on() {
    for (const int32_t threads : {1, 3}) {
        vq4j::set_pool_threads(threads);
        for (int call = 0; call < 50; ++call) {
            std::string message;
            try {
                parallel_for(20, [&](int64_t i) {
                    if (i == 13) {
                        throw std::runtime_error("task 13");
                    }
                });
            } catch (const std::runtime_error& failure) {
                message = failure.what();
            }
            CHECK(message == "task 13");
        }
        Runs runs(20);
        parallel_for(20, [&](int64_t i) { runs.run(i); });
        CHECK(runs.each_once());
    }
}

void the_number_of_threads_may_change_during_calls() {
    std::atomic<bool> done{false};
    std::atomic<int> wrong{0};
    std::vector<std::thread> callers;
    for (int caller = 0; caller < 2; ++caller) {
        callers.emplace_back([&] {
            while (!done) {
                Runs runs(12);
                parallel_for(12, [&](int64_t i) { runs.run(i); });
                wrong += runs.each_once() ? 0 : 1;
            }
        });
    }
    for (int change = 0; change < 300; ++change) {
        const int32_t threads = 1 + change % 5;
        CHECK(vq4j_cpu_set_threads(threads) == VQ4J_OK);
        CHECK(vq4j_cpu_threads() == threads);
    }
    done = true;
    for (std::thread& caller : callers) {
        caller.join();
    }
    CHECK(wrong == 0);
    CHECK(vq4j_cpu_set_threads(0) == VQ4J_INVALID_ARGUMENT);
    CHECK(vq4j_cpu_set_threads(1025) == VQ4J_INVALID_ARGUMENT);
}

}  // namespace

int main() {
    every_task_runs_once_at_any_number_of_threads();
    ranges_cover_all_items();
    callers_do_not_disturb_each_other();
    tasks_may_call_the_pool();
    a_thread_has_the_same_tasks_in_every_call();
    the_core_of_the_caller_is_left_to_it();
    a_failure_reaches_the_caller_and_the_pool_goes_on();
    the_number_of_threads_may_change_during_calls();
    std::printf("thread pool: %d failures\n", failures);
    return failures == 0 ? 0 : 1;
}
