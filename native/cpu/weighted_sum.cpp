// a x + b y, element by element. Bound by memory, 12 bytes an element.
#include "core/arguments.hpp"
#include "cpu/kernels.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

using namespace vq4j;

int32_t vq4j_cpu_weighted_sum(float a, const float* x, float b, const float* y, int64_t count, float* out) {
    return guarded([&] {
        check_sizes({{"count", count}});
        check_present({x, y, out});
        const Kernels& table = kernels();
        parallel_ranges(count, 1, [&](int64_t begin, int64_t end) {
            table.weighted_sum(a, x + begin, b, y + begin, end - begin, out + begin);
        });
    });
}
