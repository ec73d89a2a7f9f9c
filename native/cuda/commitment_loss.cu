// Squared distance of every row to its code, and its means over each sample and over all: a thread a row, then the chunks
// of 256 rows in fp64. Bound by memory, 4 N D bytes read.
#include "core/arguments.hpp"
#include "cuda/chunks.cuh"
#include "vq4j/cuda.h"

namespace vq4j::commitment_loss {

struct Distance {
    const float* rows;
    Layout layout;
    const float* codebook;
    const int32_t* codes;
    float* distances;

    __device__ void operator()(int64_t n) const {
        distances[n] = squared_distance(rows + layout.offset(n), layout.stride(), codebook + codes[n] * layout.features,
            layout.features);
    }
};

struct Mean {
    const double* sums;
    int64_t chunks;
    int64_t elements;
    double* means;

    __device__ void operator()(int64_t segment) const {
        double sum = 0.0;
        for (int64_t chunk = 0; chunk < chunks; ++chunk) {
            sum = sum + sums[segment * chunks + chunk];
        }
        means[segment] = sum / static_cast<double>(elements);
    }
};

void segment_means(const float* distances, Segments segments, int64_t features, double* means, cudaStream_t stream) {
    const DeviceScratch<double> sums(segments.count * segments.chunks(), stream);
    for_each(segments.count * segments.chunks(), stream, SumOneChunk{distances, segments, sums.get()});
    for_each(segments.count, stream, Mean{sums.get(), segments.chunks(), segments.rows * features, means});
}

}  // namespace vq4j::commitment_loss

using namespace vq4j;

int32_t vq4j_cuda_commitment_loss(void* stream, const float* rows, int64_t outer, int64_t inner, int64_t features,
    const float* codebook, const int32_t* codes, int64_t samples, float* distances, double* sample_means, double* mean) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        const int64_t rows_count = layout.rows();
        check_divides("samples", samples, "the number of rows", rows_count);
        check_present({rows, codebook, codes, distances, sample_means, mean});
        const auto s = static_cast<cudaStream_t>(stream);
        for_each(rows_count, s, commitment_loss::Distance{rows, layout, codebook, codes, distances});
        commitment_loss::segment_means(distances, {samples, rows_count / samples}, features, sample_means, s);
        commitment_loss::segment_means(distances, {1, rows_count}, features, mean, s);
    });
}
