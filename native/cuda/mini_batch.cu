// Mini-batch k-means: drawing a batch, a thread an element, and its move of the codebook, a thread a code. The draw is bound by
// Philox, which every element calls for its row; the move by memory, at codebook size by the launch.
#include "core/arguments.hpp"
#include "core/clustering.hpp"
#include "cuda/launch.cuh"
#include "vq4j/cuda.h"

namespace vq4j::mini_batch {

struct Sample {
    const float* rows;
    Layout layout;
    uint64_t seed;
    uint64_t batch;
    float* out;

    __device__ void operator()(int64_t element) const {
        const int64_t i = element / layout.features;
        const int64_t d = element % layout.features;
        out[element] = rows[layout.offset(sampled_row(i, seed, batch, layout.rows())) + d * layout.stride()];
    }
};

struct Update {
    const float* sums;
    const int64_t* counts;
    int64_t features;
    int64_t* totals;
    float* codebook;

    __device__ void operator()(int64_t k) const {
        totals[k] += counts[k];
        for (int64_t d = 0; counts[k] > 0 && d < features; ++d) {
            float& element = codebook[k * features + d];
            element = mini_batch_element(element, sums[k * features + d], counts[k], totals[k]);
        }
    }
};

}  // namespace vq4j::mini_batch

using namespace vq4j;

int32_t vq4j_cuda_sample_rows(void* stream, const float* rows, int64_t outer, int64_t inner, int64_t features,
    int64_t count, uint64_t seed, uint64_t batch, float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_sizes({{"count", count}, {"features", features}});
        check_present({rows, out});
        for_each(count * features, static_cast<cudaStream_t>(stream), mini_batch::Sample{rows, layout, seed, batch, out});
    });
}

int32_t vq4j_cuda_mini_batch_update(void* stream, const float* sums, const int64_t* counts, int64_t codes_count,
    int64_t features, int64_t* totals, float* codebook) {
    return guarded([&] {
        check_codebook(codes_count, features);
        check_present({sums, counts, totals, codebook});
        for_each(codes_count, static_cast<cudaStream_t>(stream),
            mini_batch::Update{sums, counts, features, totals, codebook});
    });
}
