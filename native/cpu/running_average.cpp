// A running average after a batch, or the batch where there is none yet. Bound by memory, 12 bytes an element.
#include <cstring>

#include "core/arguments.hpp"
#include "cpu/kernels.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

using namespace vq4j;

int32_t vq4j_cpu_running_average(float momentum, const float* batch, const int32_t* started, const float* running,
    int64_t count, float* out) {
    return guarded([&] {
        check_sizes({{"count", count}});
        check_present({batch, started, running, out});
        const Kernels& table = kernels();
        const bool has_started = *started != 0;
        parallel_ranges(count, 1, [&](int64_t begin, int64_t end) {
            if (has_started) {
                table.weighted_sum(momentum, batch + begin, 1.0f - momentum, running + begin, end - begin, out + begin);
            } else {
                // Not a copy: out may be batch.
                std::memmove(out + begin, batch + begin, static_cast<size_t>(end - begin) * sizeof(float));
            }
        });
    });
}
