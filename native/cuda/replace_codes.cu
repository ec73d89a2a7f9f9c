// Replacement of codes that nobody uses: the countdown, a thread a code, and the new codes, a thread each, which draws the
// noise of its D numbers one after the other: bound by that.
#include "core/arguments.hpp"
#include "core/replacement.hpp"
#include "cuda/launch.cuh"
#include "vq4j/cuda.h"

namespace vq4j::replacement {

struct CountDown {
    const int64_t* counts;
    int32_t lifetime;
    int32_t* counters;
    int32_t* mask;
    unsigned long long* replaced;

    __device__ void operator()(int64_t k) const {
        const int32_t left = counts[k] > 0 ? lifetime : counters[k] - 1;
        const bool dead = left <= 0;
        counters[k] = dead ? lifetime : left;
        mask[k] = dead ? 1 : 0;
        if (dead) {
            atomicAdd(replaced, 1ull);
        }
    }
};

struct Replace {
    const float* rows;
    Layout layout;
    const int32_t* mask;
    float noise;
    uint64_t seed;
    uint64_t step;
    CodePlaces places;

    __device__ void operator()(int64_t k) const {
        if (mask[k] != 0) {
            replace_code(rows, layout, k, noise, seed, step, places);
        }
    }
};

}  // namespace vq4j::replacement

using namespace vq4j;

int32_t vq4j_cuda_count_down(void* stream, const int64_t* counts, int64_t codes_count, int32_t lifetime,
    int32_t* counters, int32_t* mask, int64_t* replaced) {
    return guarded([&] {
        check_sizes({{"codes_count", codes_count}});
        check_sizes({{"lifetime", lifetime}});
        check_present({counts, counters, mask, replaced});
        const auto s = static_cast<cudaStream_t>(stream);
        fill(replaced, 0, sizeof *replaced, s);
        for_each(codes_count, s,
            replacement::CountDown{counts, lifetime, counters, mask, reinterpret_cast<unsigned long long*>(replaced)});
    });
}

int32_t vq4j_cuda_replace_codes(void* stream, const float* rows, int64_t outer, int64_t inner, int64_t features,
    const int32_t* mask, int64_t codes_count, const float* scale, const float* shift, int64_t groups, float noise,
    uint64_t seed, uint64_t step, float* codebook) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_codebook(codes_count, features);
        check_divides("groups", groups, "codes_count", codes_count);
        check_present({rows, mask, codebook});
        check_both_or_neither(scale, shift);
        const CodePlaces places{scale, shift, codes_count / groups, features, codebook};
        for_each(codes_count, static_cast<cudaStream_t>(stream),
            replacement::Replace{rows, layout, mask, noise, seed, step, places});
    });
}
