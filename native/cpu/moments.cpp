// Mean and variance of groups of features, per sample: chunks of 256 rows about the chunk's first value, combined by
// Chan's formula in fp64. One read of the rows; bound by memory.
#include "core/arguments.hpp"
#include "cpu/chunks.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/kernels.hpp"
#include "cpu/scratch.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

using namespace vq4j;

int32_t vq4j_cpu_moments(const float* rows, int64_t outer, int64_t inner, int64_t features, int64_t samples,
    int64_t groups, float* mean, float* variance) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_divides("samples", samples, "the number of rows", layout.rows());
        check_divides("groups", groups, "features", features);
        check_present({rows, mean, variance});
        const Kernels& table = kernels();
        const Segments segments{samples, layout.rows() / samples};
        const int64_t chunks = segments.chunks();
        const Scratch<Moments> partial(samples * chunks * features);
        FirstBad bad;
        parallel_ranges(samples * chunks, std::min(chunk_rows, segments.rows) * features,
            [&](int64_t begin, int64_t end) {
                for (int64_t i = begin; i < end; ++i) {
                    bad.note(table.sum_moments({rows, layout}, segments.begin(i / chunks, i % chunks),
                        segments.end(i / chunks, i % chunks), partial.get() + i * features));
                }
            });
        bad.require_finite("z");
        const int64_t width = features / groups;
        parallel_ranges(samples * groups, chunks * width, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) {
                const Moments* const sample = partial.get() + i / groups * chunks * features;
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
        });
    });
}
