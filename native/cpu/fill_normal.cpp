// Standard normal numbers, each from its own counter. Bound by the arithmetic of Philox.
#include "core/failure.hpp"
#include "core/random.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

using namespace vq4j;

int32_t vq4j_cpu_fill_normal(uint64_t seed, uint64_t purpose, int64_t count, float* out) {
    return guarded([&] {
        check_sizes({{"count", count}});
        check_present({out});
        parallel_ranges(count, draw_cost, [=](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) {
                out[i] = normal(seed, static_cast<uint64_t>(i), purpose);
            }
        });
    });
}
