// Codebooks that follow moving averages of their rows: the step, new starts, and what expires. Bound by memory, 20 K D
// bytes a step; the sum of the sizes runs over chunks of 256 codes, combined in fp64.
#include "core/moving_averages.hpp"

#include <algorithm>

#include "core/arguments.hpp"
#include "cpu/chunks.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/kernels.hpp"
#include "cpu/scratch.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

using namespace vq4j;

int32_t vq4j_cpu_moving_averages(const int64_t* counts, const float* sums, int64_t codes_count, int64_t features,
    float momentum, double epsilon, const float* sizes, const float* averages, float* next_sizes, float* next_averages,
    float* codebook) {
    return guarded([&] {
        check_codebook(codes_count, features);
        check_present({counts, sums, sizes, averages, next_sizes, next_averages, codebook});
        const Kernels& table = kernels();
        const Scratch<float> uses(codes_count);
        std::transform(counts, counts + codes_count, uses.get(), [](int64_t n) { return static_cast<float>(n); });
        table.weighted_sum(momentum, uses.get(), 1.0f - momentum, sizes, codes_count, next_sizes);
        const double total = sum_of_chunks(next_sizes, codes_count);
        FirstBad bad;
        parallel_ranges(codes_count, features, [&](int64_t begin, int64_t end) {
            const int64_t first = begin * features;
            table.weighted_sum(momentum, sums + first, 1.0f - momentum, averages + first, (end - begin) * features,
                next_averages + first);
            for (int64_t k = begin; k < end; ++k) {
                const float size = smoothed_size(next_sizes[k], total, codes_count, epsilon);
                bool finite = true;
                for (int64_t at = k * features; at < (k + 1) * features; ++at) {
                    codebook[at] = next_averages[at] / size;
                    finite &= is_finite(codebook[at]);
                }
                if (!finite) {
                    bad.note(k);
                }
            }
        });
        bad.require_finite("moving average of the codebook");
    });
}

int32_t vq4j_cpu_restart_averages(const float* codebook, const int32_t* mask, const int64_t* counts,
    int64_t codes_count, int64_t features, float size, float* sizes, float* averages) {
    return guarded([&] {
        check_codebook(codes_count, features);
        check_present({codebook, sizes, averages});
        for (int64_t k = 0; k < codes_count; ++k) {
            if (mask == nullptr || mask[k] != 0) {
                sizes[k] = restarted_size(size, counts == nullptr ? 0 : counts[k]);
                for (int64_t at = k * features; at < (k + 1) * features; ++at) {
                    averages[at] = sizes[k] * codebook[at];
                }
            }
        }
    });
}

int32_t vq4j_cpu_expire_codes(const float* sizes, int64_t codes_count, float threshold, int32_t lifetime,
    int32_t* counters, int32_t* mask, int64_t* marked) {
    return guarded([&] {
        check_sizes({{"codes_count", codes_count}});
        check_present({sizes, mask, marked});
        *marked = 0;
        for (int64_t k = 0; k < codes_count; ++k) {
            mask[k] = mask[k] != 0 || sizes[k] < threshold ? 1 : 0;
            *marked += mask[k];
            if (mask[k] != 0 && counters != nullptr) {
                counters[k] = lifetime;
            }
        }
    });
}
