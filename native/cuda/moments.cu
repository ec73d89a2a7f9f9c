// Mean and variance of groups of features, per sample, in one kernel.
//
// A thread sums a chunk of 256 rows of one feature about the chunk's first value. The block that is the last to finish a span
// of 64 chunks combines them, and the one that finishes a sample's last span the spans, by Chan's formula in fp64, a thread a
// feature; then a thread a group the features. One read of the rows, which are kept in fp32 where they have 16 bits; bound by
// memory.
#include "core/moments.hpp"

#include <algorithm>

#include "core/arguments.hpp"
#include "cuda/chunks.cuh"
#include "cuda/first_bad.cuh"
#include "cuda/last_block.cuh"
#include "cuda/numbers.cuh"
#include "vq4j/cuda.h"

namespace vq4j::moments {

constexpr int64_t most_threads = 256;
constexpr int64_t warp_threads = 32;

template <typename Numbers>
struct Pass {
    Numbers rows;
    Layout layout;
    Segments samples;
    int64_t groups;
    unsigned spans;  // of a sample
    unsigned blocks_of_span;
    Moments* of_chunks;  // [samples][chunks][D]
    Moments* of_spans;   // [samples][spans][D]; the first of a sample become those of all its rows
    float* mean;
    float* variance;
    FinishedBlocks finished;  // a counter for each span, and where there are several of a sample one for each sample
    BadRows bad;  // and behind the rows, the samples whose moments overflow

    __device__ void sum_chunk(int64_t chunk_number, int64_t d) const {
        const Chunk chunk = samples.chunk(chunk_number);
        const float shift = rows[layout.offset(chunk.begin) + d * layout.stride()];
        float sum = 0.0f;
        float sum_of_squares = 0.0f;
        load_ahead(
            chunk.begin, chunk.end, [&](int64_t n) { return rows[layout.offset(n) + d * layout.stride()]; },
            [&](float value, int64_t n) {
                bad.note_unless_finite(value, n);
                rows.keep(layout.offset(n) + d * layout.stride(), value);
                const float difference = value - shift;
                sum = sum + difference;
                sum_of_squares = fused_multiply_add(difference, difference, sum_of_squares);
            });
        of_chunks[chunk_number * layout.features + d] =
            chunk_moments(chunk.end - chunk.begin, shift, sum, sum_of_squares);
    }

    // Of `count` moments of one feature, which stand D apart.
    __device__ Moments combined(const Moments* moments, int64_t count) const {
        Moments total{0.0, 0.0, 0.0};
        Moments next = moments[0];  // on its way while the one before is combined
        VQ4J_NOT_UNROLLED
        for (int64_t i = 1; i <= count; ++i) {
            const Moments each = next;
            next = i < count ? moments[i * layout.features] : each;
            total = combine(total, each);
        }
        return total;
    }
};

template <typename Numbers>
__global__ void __launch_bounds__(most_threads) moments_kernel(Pass<Numbers> pass) {
    __shared__ bool is_last;
    const int64_t features = pass.layout.features;
    const unsigned span_number = blockIdx.x / pass.blocks_of_span;
    const int64_t sample = span_number / pass.spans;
    const int64_t span = span_number % pass.spans;
    const int64_t left = pass.samples.chunks() - span * span_chunks;
    const int64_t chunks = left < span_chunks ? left : span_chunks;
    const int64_t first_chunk = sample * pass.samples.chunks() + span * span_chunks;

    const int64_t i = static_cast<int64_t>(blockIdx.x % pass.blocks_of_span) * blockDim.x + threadIdx.x;
    if (i < chunks * features) {
        pass.sum_chunk(first_chunk + i / features, i % features);
    }
    if (!pass.finished.this_is_last_of(pass.blocks_of_span, span_number, is_last)) {
        return;
    }
    for (int64_t d = threadIdx.x; d < features; d += blockDim.x) {
        pass.of_spans[int64_t{span_number} * features + d] = pass.combined(pass.of_chunks + first_chunk * features + d, chunks);
    }
    Moments* const columns = pass.of_spans + sample * pass.spans * features;
    if (pass.spans > 1) {
        const int64_t spans_of_all = pass.samples.count * pass.spans;
        if (!pass.finished.this_is_last_of(pass.spans, spans_of_all + sample, is_last)) {
            return;
        }
        for (int64_t d = threadIdx.x; d < features; d += blockDim.x) {
            columns[d] = pass.combined(columns + d, pass.spans);
        }
    }
    __syncthreads();
    const int64_t width = features / pass.groups;
    for (int64_t group = threadIdx.x; group < pass.groups; group += blockDim.x) {
        Moments total{0.0, 0.0, 0.0};
        VQ4J_NOT_UNROLLED
        for (int64_t d = group * width; d < (group + 1) * width; ++d) {
            total = combine(total, columns[d]);
        }
        const float mean = static_cast<float>(total.mean);
        const float variance = static_cast<float>(total.squares / total.count);
        pass.mean[sample * pass.groups + group] = mean;
        pass.variance[sample * pass.groups + group] = variance;
        if (!is_finite(mean) || !is_finite(variance)) {
            pass.bad.note(pass.layout.rows() + sample);
        }
    }
}

template <typename Numbers>
void moments(Numbers rows, int64_t outer, int64_t inner, int64_t features, int64_t samples, int64_t groups, float* mean,
    float* variance, cudaStream_t stream) {
    const Layout layout = checked_rows(outer, inner, features);
    check_divides("samples", samples, "the number of rows", layout.rows());
    check_divides("groups", groups, "features", features);
    check_present({rows.values, mean, variance});
    const Segments segments{samples, layout.rows() / samples};
    const int64_t spans = spans_of(segments.chunks());
    // Small spans, as of many samples, take small blocks.
    const int64_t threads_of_span = std::min(segments.chunks(), span_chunks) * features;
    const int64_t warps = (threads_of_span + warp_threads - 1) / warp_threads;
    const int64_t threads = std::min(most_threads, warps * warp_threads);
    const unsigned blocks_of_span = blocks_for(threads_of_span, threads);
    const DeviceScratch<Moments> of_chunks(samples * segments.chunks() * features, stream);
    const DeviceScratch<Moments> of_spans(samples * spans * features, stream);
    const DeviceFinishedBlocks finished(stream, samples * spans + (spans > 1 ? samples : 0));
    const DeviceFirstBad bad(stream);
    const Pass<Numbers> pass{rows, layout, segments, groups, static_cast<unsigned>(spans), blocks_of_span, of_chunks.get(),
        of_spans.get(), mean, variance, finished.get(), bad.rows()};
    launch(moments_kernel<Numbers>, blocks_for(samples * spans * blocks_of_span, 1), static_cast<unsigned>(threads), 0,
        stream, pass);
    bad.require_none([rows_count = layout.rows()](int64_t row) {
        row < rows_count ? not_finite("z", row) : not_finite("the variance of z", row - rows_count);
    });
}

}  // namespace vq4j::moments

using namespace vq4j;

int32_t vq4j_cuda_moments(void* stream, const float* rows, int64_t outer, int64_t inner, int64_t features,
    int64_t samples, int64_t groups, float* mean, float* variance) {
    return guarded([&] {
        moments::moments(Floats{rows}, outer, inner, features, samples, groups, mean, variance,
            static_cast<cudaStream_t>(stream));
    });
}

int32_t vq4j_cuda_moments_half(void* stream, const uint16_t* rows, int32_t type, int64_t outer, int64_t inner,
    int64_t features, int64_t samples, int64_t groups, float* mean, float* variance, float* widened) {
    return guarded([&] {
        check_half_type(type);
        check_present({widened});
        with_halves(rows, type, widened, [&](auto halves) {
            moments::moments(halves, outer, inner, features, samples, groups, mean, variance,
                static_cast<cudaStream_t>(stream));
        });
    });
}
