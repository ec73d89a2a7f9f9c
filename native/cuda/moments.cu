// Mean and variance of groups of features, per sample: a thread sums a chunk of 256 rows of one feature about the chunk's
// first value, then a thread a group combines the chunks by Chan's formula in fp64; of a whole batch in the block that
// finishes last, of its samples in a kernel of its own. One read of the rows; bound by memory.
#include "core/arguments.hpp"
#include "cuda/chunks.cuh"
#include "cuda/first_bad.cuh"
#include "cuda/last_block.cuh"
#include "vq4j/cuda.h"

namespace vq4j::moments {

struct SumChunk {
    const float* rows;
    Layout layout;
    Segments samples;
    Moments* partial;  // [samples][chunks][D]
    BadRows bad;

    __device__ void operator()(int64_t i) const {
        const int64_t d = i % layout.features;
        const Chunk chunk = samples.chunk(i / layout.features);
        const float shift = rows[layout.offset(chunk.begin) + d * layout.stride()];
        float sum = 0.0f;
        float sum_of_squares = 0.0f;
        load_ahead(
            chunk.begin, chunk.end, [&](int64_t n) { return rows[layout.offset(n) + d * layout.stride()]; },
            [&](float value, int64_t n) {
                bad.note_unless_finite(value, n);
                const float difference = value - shift;
                sum = sum + difference;
                sum_of_squares = fused_multiply_add(difference, difference, sum_of_squares);
            });
        partial[i] = chunk_moments(chunk.end - chunk.begin, shift, sum, sum_of_squares);
    }
};

struct Combine {
    const Moments* partial;
    int64_t chunks;
    int64_t features;
    int64_t groups;
    float* mean;
    float* variance;

    __device__ void operator()(int64_t i) const {
        const int64_t width = features / groups;
        const Moments* sample = partial + i / groups * chunks * features;
        Moments total{0.0, 0.0, 0.0};
        for (int64_t d = i % groups * width; d < (i % groups + 1) * width; ++d) {
            Moments column{0.0, 0.0, 0.0};
            load_ahead(
                0, chunks, [&](int64_t chunk) { return sample[chunk * features + d]; },
                [&](Moments of_chunk, int64_t) { column = combine(column, of_chunk); });
            total = combine(total, column);
        }
        mean[i] = static_cast<float>(total.mean);
        variance[i] = static_cast<float>(total.squares / total.count);
    }
};

// `results` are those that the last block combines; with none nothing is counted.
__global__ void __launch_bounds__(block_threads) moments_kernel(SumChunk sum_chunk, int64_t partials, Combine combine,
    int64_t results, FinishedBlocks finished) {
    __shared__ bool is_last;
    const int64_t i = static_cast<int64_t>(blockIdx.x) * block_threads + threadIdx.x;
    if (i < partials) {
        sum_chunk(i);
    }
    if (results == 0 || !finished.this_is_last(is_last)) {
        return;
    }
    for (int64_t result = threadIdx.x; result < results; result += block_threads) {
        combine(result);
    }
}

}  // namespace vq4j::moments

using namespace vq4j;

int32_t vq4j_cuda_moments(void* stream, const float* rows, int64_t outer, int64_t inner, int64_t features,
    int64_t samples, int64_t groups, float* mean, float* variance) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_divides("samples", samples, "the number of rows", layout.rows());
        check_divides("groups", groups, "features", features);
        check_present({rows, mean, variance});
        const auto s = static_cast<cudaStream_t>(stream);
        const Segments segments{samples, layout.rows() / samples};
        const int64_t partials = samples * segments.chunks() * features;
        const DeviceScratch<Moments> partial(partials, s);
        const DeviceFirstBad bad(s);
        const DeviceFinishedBlocks finished(s);
        const moments::Combine combine{partial.get(), segments.chunks(), features, groups, mean, variance};
        launch(moments::moments_kernel, blocks_for(partials, block_threads), block_threads, 0, s,
            moments::SumChunk{rows, layout, segments, partial.get(), bad.rows()}, partials, combine,
            samples == 1 ? groups : int64_t{0}, finished.get());
        if (samples > 1) {
            for_each(samples * groups, s, combine);
        }
        bad.require_finite("z");
    });
}
