// Distances of every row to its k codes: a thread a distance. Bound by memory and the codes' reads from the caches.
#include "core/arguments.hpp"
#include "core/lengths.hpp"
#include "cuda/launch.cuh"
#include "vq4j/cuda.h"

namespace vq4j::code_distances {

struct Distance {
    const float* rows;
    Layout layout;
    const float* codebook;
    const int32_t* codes;
    int64_t k;
    int32_t kind;
    float* distances;

    __device__ void operator()(int64_t i) const {
        const float* const row = rows + layout.offset(i / k);
        const double length = kind == VQ4J_COSINE ? length_in_fp64(row, layout.stride(), layout.features) : 0.0;
        distances[i] = code_distance(kind, row, layout.stride(), length, codebook + codes[i] * layout.features,
            layout.features);
    }
};

}  // namespace vq4j::code_distances

using namespace vq4j;

int32_t vq4j_cuda_code_distances(void* stream, const float* rows, int64_t outer, int64_t inner, int64_t features,
    const float* codebook, const int32_t* codes, int64_t k, int32_t kind, float* distances) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_sizes({{"outer", outer}, {"inner", inner}, {"k", k}});
        check_distance(kind);
        check_present({rows, codebook, codes, distances});
        for_each(layout.rows() * k, static_cast<cudaStream_t>(stream),
            code_distances::Distance{rows, layout, codebook, codes, k, kind, distances});
    });
}
