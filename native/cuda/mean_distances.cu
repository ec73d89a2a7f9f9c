// Means of squared errors that some of the rows have, over each sample and over all: a thread a chunk of 256 distances in
// fp64, then a thread a sample, which adds its chunks in order. One read of the distances.
#include "core/samples.hpp"
#include "core/stage_arguments.hpp"
#include "cuda/launch.cuh"
#include "vq4j/cuda.h"

namespace vq4j::mean_distances {

struct Means {
    const float* distances;
    ChosenRows rows;
    int64_t distances_of_row;
    int64_t features;
    int64_t chunks;  // of a sample with all its rows
    double* sums;    // samples x chunks
    double* means;

    __device__ int64_t begin(int64_t sample) const { return rows.begin_of(sample) * distances_of_row; }
};

struct SumOneChunk {
    Means means;

    __device__ void operator()(int64_t i) const {
        const int64_t sample = i / means.chunks;
        const int64_t last = means.begin(sample + 1);
        const int64_t begin = means.begin(sample) + i % means.chunks * chunk_rows;
        const int64_t end = begin + chunk_rows < last ? begin + chunk_rows : last;
        double sum = 0.0;
        for (int64_t n = begin; n < end; ++n) {
            sum = sum + static_cast<double>(means.distances[n]);
        }
        means.sums[i] = sum;
    }
};

struct Divide {
    Means means;

    __device__ void operator()(int64_t sample) const {
        const int64_t count = means.begin(sample + 1) - means.begin(sample);
        double sum = 0.0;
        for (int64_t chunk = 0; chunk < chunks_of(count); ++chunk) {
            sum = sum + means.sums[sample * means.chunks + chunk];
        }
        const int64_t elements = count / means.distances_of_row * means.features;
        means.means[sample] = count == 0 ? 0.0 : sum / static_cast<double>(elements);
    }
};

void means(const float* distances, ChosenRows rows, int64_t samples, int64_t distances_of_row, int64_t features,
    double* out, cudaStream_t stream) {
    const int64_t chunks = chunks_of(rows.rows_of_sample * distances_of_row);
    const DeviceScratch<double> sums(samples * chunks, stream);
    const Means means = {distances, rows, distances_of_row, features, chunks, sums.get(), out};
    for_each(samples * chunks, stream, SumOneChunk{means});
    for_each(samples, stream, Divide{means});
}

}  // namespace vq4j::mean_distances

using namespace vq4j;

int32_t vq4j_cuda_mean_distances(void* stream, const float* distances, const int64_t* order, int64_t count,
    int64_t distances_of_row, int64_t rows_count, int64_t samples, int64_t features, double* sample_means, double* mean) {
    return guarded([&] {
        check_sizes({{"rows_count", rows_count}, {"distances_of_row", distances_of_row}});
        check_sizes({{"rows_count", rows_count}, {"features", features}});
        check_divides("samples", samples, "the number of rows", rows_count);
        check_chosen(order, count, rows_count);
        check_present({distances, sample_means, mean});
        const auto s = static_cast<cudaStream_t>(stream);
        mean_distances::means(distances, {order, count, rows_count / samples}, samples, distances_of_row, features,
            sample_means, s);
        mean_distances::means(distances, {nullptr, count, count}, 1, distances_of_row, features, mean, s);
    });
}
