// Squared distance of every row to its code, its means over each sample and over all, and the codes themselves and what they
// leave of the rows where these are wanted: all that follows an assignment in one kernel.
//
// A block takes a chunk of 256 rows (chunk_distances.cuh). Then thread 0 adds the chunk's distances in fp64, and the block
// that finishes last the chunks. One read of the rows; bound by memory, 4 N D bytes read and as many written for the codes and
// for what they leave.
#include "core/arguments.hpp"
#include "cuda/chunk_distances.cuh"
#include "cuda/chunks.cuh"
#include "cuda/last_block.cuh"
#include "vq4j/cuda.h"

namespace vq4j::commitment_loss {

constexpr int threads = ChunkDistances::threads;

struct Measure {
    ChunkDistances rows;
    const float* codebook;
    const int32_t* codes;
    Segments samples;
    float* distances;
    double* chunk_sums;
    double* sample_means;
    double* mean;
    float* out;   // null: the codes are not wanted
    float* left;  // null: nor is what they leave
    FinishedBlocks finished;

    // Samples that chunks consist of, samples that consist of chunks: their means fall off.
    __host__ __device__ bool chunks_have_samples() const { return samples.rows < chunk_rows && chunk_rows % samples.rows == 0; }
    __host__ __device__ bool samples_have_chunks() const { return samples.count == 1 || samples.rows % chunk_rows == 0; }

    __device__ double mean_of(double sum, int64_t rows_count) const {
        return sum / static_cast<double>(rows_count * rows.layout.features);
    }
};

__global__ void __launch_bounds__(threads) measure_kernel(Measure measure) {
    __shared__ float distances[chunk_rows];
    __shared__ double room[threads];
    __shared__ bool is_last;
    const int t = static_cast<int>(threadIdx.x);
    const int64_t first = static_cast<int64_t>(blockIdx.x) * chunk_rows;
    const Layout layout = measure.rows.layout;
    const int64_t left = layout.rows() - first;
    const int count = static_cast<int>(left < chunk_rows ? left : chunk_rows);
    measure.rows.measure(
        first, count, [&](int64_t n) { return measure.codebook + measure.codes[n] * layout.features; },
        [&](int64_t, int64_t at, float z, float e) {
            if (measure.out != nullptr) {
                measure.out[at] = e;
            }
            if (measure.left != nullptr) {
                measure.left[at] = z - e;
            }
        },
        distances);
    __syncthreads();
    if (t < count) {
        measure.distances[first + t] = distances[t];
    }
    const Segments samples = measure.samples;
    if (measure.chunks_have_samples() && t * samples.rows < count) {
        measure.sample_means[first / samples.rows + t] =
            measure.mean_of(sum_of_distances(distances, t * samples.rows, (t + 1) * samples.rows), samples.rows);
    }
    if (t == 0) {
        measure.chunk_sums[blockIdx.x] = sum_of_distances(distances, 0, count);
    }

    if (!measure.finished.this_is_last(is_last)) {
        return;
    }
    const double sum = sum_in_order(measure.chunk_sums, chunks_of(layout.rows()), room);
    if (t == 0) {
        *measure.mean = measure.mean_of(sum, layout.rows());
    }
    for (int64_t sample = t; measure.samples_have_chunks() && sample < samples.count; sample += threads) {
        double of_sample = samples.count == 1 ? sum : 0.0;
        for (int64_t chunk = 0; samples.count > 1 && chunk < samples.chunks(); ++chunk) {
            of_sample = of_sample + measure.chunk_sums[sample * samples.chunks() + chunk];
        }
        measure.sample_means[sample] = measure.mean_of(of_sample, samples.rows);
    }
}

// The means of samples that have nothing to do with the chunks of all rows.
struct Mean {
    const double* sums;
    int64_t chunks;
    int64_t elements;
    double* means;

    __device__ void operator()(int64_t sample) const {
        double sum = 0.0;
        for (int64_t chunk = 0; chunk < chunks; ++chunk) {
            sum = sum + sums[sample * chunks + chunk];
        }
        means[sample] = sum / static_cast<double>(elements);
    }
};

void means_of_samples(const float* distances, Segments samples, int64_t features, double* means, cudaStream_t stream) {
    const DeviceScratch<double> sums(samples.count * samples.chunks(), stream);
    for_each(samples.count * samples.chunks(), stream, SumOneChunk{distances, samples, sums.get()});
    for_each(samples.count, stream, Mean{sums.get(), samples.chunks(), samples.rows * features, means});
}

}  // namespace vq4j::commitment_loss

using namespace vq4j;

int32_t vq4j_cuda_commitment_loss(void* stream, const float* rows, int64_t outer, int64_t inner, int64_t features,
    const float* codebook, const int32_t* codes, int64_t samples, float* distances, double* sample_means, double* mean,
    float* out, float* left) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        const int64_t rows_count = layout.rows();
        check_divides("samples", samples, "the number of rows", rows_count);
        check_present({rows, codebook, codes, distances, sample_means, mean});
        const auto s = static_cast<cudaStream_t>(stream);
        const Segments of_samples{samples, rows_count / samples};
        const DeviceScratch<double> chunk_sums(chunks_of(rows_count), s);
        const DeviceFinishedBlocks finished(s);
        const commitment_loss::Measure measure{{rows, layout}, codebook, codes, of_samples, distances, chunk_sums.get(),
            sample_means, mean, out, left, finished.get()};
        launch(commitment_loss::measure_kernel, blocks_for(rows_count, chunk_rows), commitment_loss::threads, 0, s, measure);
        if (!measure.chunks_have_samples() && !measure.samples_have_chunks()) {
            commitment_loss::means_of_samples(distances, of_samples, features, sample_means, s);
        }
    });
}
