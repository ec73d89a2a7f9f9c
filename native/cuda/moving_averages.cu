// Codebooks that follow moving averages of their rows: the step, new starts, and what expires. A thread a code, then a
// thread an element; bound by memory, 20 K D bytes a step. The sum of the sizes runs over chunks of 256 codes, combined
// in fp64.
#include "core/moving_averages.hpp"

#include "core/arguments.hpp"
#include "core/elements.hpp"
#include "cuda/chunks.cuh"
#include "cuda/first_bad.cuh"
#include "vq4j/cuda.h"

namespace vq4j::moving_averages {

struct AverageUses {
    const int64_t* counts;
    const float* sizes;
    float momentum;
    float* next_sizes;

    __device__ void operator()(int64_t k) const {
        next_sizes[k] = weighted_sum_element(momentum, static_cast<float>(counts[k]), 1.0f - momentum, sizes[k]);
    }
};

// One thread: the sum of the chunks' sums takes the place of the first.
struct AddChunks {
    int64_t chunks;
    double* sums;

    __device__ void operator()(int64_t) const {
        double total = 0.0;
        for (int64_t chunk = 0; chunk < chunks; ++chunk) {
            total = total + sums[chunk];
        }
        sums[0] = total;
    }
};

struct AverageRows {
    const float* sums;
    const float* averages;
    const float* next_sizes;
    const double* total;
    int64_t codes_count;
    int64_t features;
    float momentum;
    double epsilon;
    float* next_averages;
    float* codebook;
    BadRows bad;

    __device__ void operator()(int64_t at) const {
        const int64_t k = at / features;
        const float average = weighted_sum_element(momentum, sums[at], 1.0f - momentum, averages[at]);
        next_averages[at] = average;
        const float code = average / smoothed_size(next_sizes[k], *total, codes_count, epsilon);
        codebook[at] = code;
        bad.note_unless_finite(code, k);
    }
};

struct Restart {
    const float* codebook;
    const int32_t* mask;
    const int64_t* counts;
    int64_t features;
    float size;
    float* sizes;
    float* averages;

    __device__ void operator()(int64_t k) const {
        if (mask == nullptr || mask[k] != 0) {
            sizes[k] = restarted_size(size, counts == nullptr ? 0 : counts[k]);
            for (int64_t at = k * features; at < (k + 1) * features; ++at) {
                averages[at] = sizes[k] * codebook[at];
            }
        }
    }
};

struct Expire {
    const float* sizes;
    float threshold;
    int32_t lifetime;
    int32_t* counters;
    int32_t* mask;
    unsigned long long* marked;

    __device__ void operator()(int64_t k) const {
        mask[k] = mask[k] != 0 || sizes[k] < threshold ? 1 : 0;
        if (mask[k] != 0) {
            atomicAdd(marked, 1ull);
            if (counters != nullptr) {
                counters[k] = lifetime;
            }
        }
    }
};

}  // namespace vq4j::moving_averages

using namespace vq4j;

int32_t vq4j_cuda_moving_averages(void* stream, const int64_t* counts, const float* sums, int64_t codes_count,
    int64_t features, float momentum, double epsilon, const float* sizes, const float* averages, float* next_sizes,
    float* next_averages, float* codebook) {
    return guarded([&] {
        check_codebook(codes_count, features);
        check_present({counts, sums, sizes, averages, next_sizes, next_averages, codebook});
        const auto s = static_cast<cudaStream_t>(stream);
        for_each(codes_count, s, moving_averages::AverageUses{counts, sizes, momentum, next_sizes});
        const Segments all{1, codes_count};
        const DeviceScratch<double> total(all.chunks(), s);
        for_each(all.chunks(), s, SumOneChunk{next_sizes, all, total.get()});
        for_each(1, s, moving_averages::AddChunks{all.chunks(), total.get()});
        const DeviceFirstBad bad(s);
        for_each(codes_count * features, s,
            moving_averages::AverageRows{sums, averages, next_sizes, total.get(), codes_count, features, momentum,
                epsilon, next_averages, codebook, bad.rows()});
        bad.require_finite("moving average of the codebook");
    });
}

int32_t vq4j_cuda_restart_averages(void* stream, const float* codebook, const int32_t* mask, const int64_t* counts,
    int64_t codes_count, int64_t features, float size, float* sizes, float* averages) {
    return guarded([&] {
        check_codebook(codes_count, features);
        check_present({codebook, sizes, averages});
        for_each(codes_count, static_cast<cudaStream_t>(stream),
            moving_averages::Restart{codebook, mask, counts, features, size, sizes, averages});
    });
}

int32_t vq4j_cuda_expire_codes(void* stream, const float* sizes, int64_t codes_count, float threshold,
    int32_t lifetime, int32_t* counters, int32_t* mask, int64_t* marked) {
    return guarded([&] {
        check_sizes({{"codes_count", codes_count}});
        check_present({sizes, mask, marked});
        const auto s = static_cast<cudaStream_t>(stream);
        fill(marked, 0, sizeof *marked, s);
        for_each(codes_count, s,
            moving_averages::Expire{
                sizes, threshold, lifetime, counters, mask, reinterpret_cast<unsigned long long*>(marked)});
    });
}
