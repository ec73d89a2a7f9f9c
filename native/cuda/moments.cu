// Mean and variance of groups of features, per sample: a thread sums a chunk of 256 rows of one feature about the chunk's
// first value, then a thread a group combines the chunks by Chan's formula in fp64. One read of the rows; bound by memory.
#include "core/arguments.hpp"
#include "cuda/chunks.cuh"
#include "cuda/first_bad.cuh"
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
            for (int64_t chunk = 0; chunk < chunks; ++chunk) {
                column = combine(column, sample[chunk * features + d]);
            }
            total = combine(total, column);
        }
        mean[i] = static_cast<float>(total.mean);
        variance[i] = static_cast<float>(total.squares / total.count);
    }
};

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
        for_each(partials, s, moments::SumChunk{rows, layout, segments, partial.get(), bad.rows()});
        for_each(samples * groups, s,
            moments::Combine{partial.get(), segments.chunks(), features, groups, mean, variance});
        bad.require_finite("z");
    });
}
