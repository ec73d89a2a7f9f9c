// Mean and variance of groups of features, per sample: chunks of 256 rows about the chunk's first value, combined by
// Chan's formula in fp64, spans of 64 chunks in parallel, then the spans. One read of the rows; bound by memory.
#include "core/moments.hpp"

#include <algorithm>

#include "core/arguments.hpp"
#include "core/segments.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/input_rows.hpp"
#include "cpu/kernels.hpp"
#include "cpu/scratch.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

namespace vq4j {
namespace {

// Room for the sums of one chunk after another.
class ChunkSums {
public:
    ChunkSums(int64_t chunks, int64_t features) : features_(features), floats_(3 * chunks * features) {}

    ShiftedSums of(int64_t chunk) const {
        float* const first = floats_.get() + 3 * chunk * features_;
        return {first, first + features_, first + 2 * features_};
    }

private:
    int64_t features_;
    Scratch<float> floats_;
};

// Means and sums of squared deviations of every feature, [count][D].
class Columns {
public:
    Columns(int64_t count, int64_t features) : features_(features), doubles_(2 * count * features) {
        std::fill_n(doubles_.get(), 2 * count * features, 0.0);
    }

    double* means(int64_t i) const { return doubles_.get() + 2 * i * features_; }
    double* squares(int64_t i) const { return means(i) + features_; }

    // Those of `count` rows.
    Moments at(int64_t i, int64_t d, int64_t count) const {
        return {static_cast<double>(count), means(i)[d], squares(i)[d]};
    }

private:
    int64_t features_;
    Scratch<double> doubles_;
};

void moments(const InputRows& input, int64_t samples, int64_t groups, float* mean, float* variance) {
    const Layout layout = input.layout();
    const int64_t features = layout.features;
    const Kernels& table = kernels();
    const Segments segments{samples, layout.rows() / samples};
    const int64_t chunks = segments.chunks();
    const ChunkSums sums(samples * chunks, features);
    FirstBad bad;
    parallel_ranges(samples * chunks, std::min(chunk_rows, segments.rows) * features, [&](int64_t first, int64_t last) {
        for (int64_t i = first; i < last; ++i) {
            const Chunk chunk = segments.chunk(i);
            bad.note(table.sum_moments(input.with(chunk.begin, chunk.end), chunk.begin, chunk.end, sums.of(i)));
        }
    });
    bad.require_finite("z");

    const int64_t spans = spans_of(chunks);
    const Columns columns(samples * spans, features);
    parallel_ranges(samples * spans, std::min(span_chunks, chunks) * features, [&](int64_t first, int64_t last) {
        for (int64_t i = first; i < last; ++i) {
            const int64_t first_chunk = i / spans * chunks + i % spans * span_chunks;
            const int64_t end_chunk = std::min((i / spans + 1) * chunks, first_chunk + span_chunks);
            for (int64_t number = first_chunk; number < end_chunk; ++number) {
                const Chunk chunk = segments.chunk(number);
                table.add_moments(sums.of(number), chunk.end - chunk.begin, (number - first_chunk) * chunk_rows, features,
                    columns.means(i), columns.squares(i));
            }
        }
    });
    FirstBad overflow;
    parallel_ranges(samples, spans * features, [&](int64_t first, int64_t last) {
        const int64_t width = features / groups;
        for (int64_t i = first * groups; i < last * groups; ++i) {
            const int64_t sample = i / groups;
            Moments total{0.0, 0.0, 0.0};
            for (int64_t d = i % groups * width; d < (i % groups + 1) * width; ++d) {
                Moments column{0.0, 0.0, 0.0};
                for (int64_t span = 0; span < spans; ++span) {
                    const int64_t rows = std::min(span_rows, segments.rows - span * span_rows);
                    column = combine(column, columns.at(sample * spans + span, d, rows));
                }
                total = combine(total, column);
            }
            mean[i] = static_cast<float>(total.mean);
            variance[i] = static_cast<float>(total.squares / total.count);
            if (!is_finite(mean[i]) || !is_finite(variance[i])) {
                overflow.note(sample);
            }
        }
    });
    overflow.require_finite("the variance of z");
}

// The layout of rows whose moments can be taken.
Layout checked_moments(int64_t outer, int64_t inner, int64_t features, int64_t samples, int64_t groups) {
    const Layout layout = checked_rows(outer, inner, features);
    check_divides("samples", samples, "the number of rows", layout.rows());
    check_divides("groups", groups, "features", features);
    return layout;
}

}  // namespace
}  // namespace vq4j

using namespace vq4j;

int32_t vq4j_cpu_moments(const float* rows, int64_t outer, int64_t inner, int64_t features, int64_t samples,
    int64_t groups, float* mean, float* variance) {
    return guarded([&] {
        const Layout layout = checked_moments(outer, inner, features, samples, groups);
        check_present({rows, mean, variance});
        moments({rows, layout}, samples, groups, mean, variance);
    });
}

int32_t vq4j_cpu_moments_half(const uint16_t* rows, int32_t type, int64_t outer, int64_t inner, int64_t features,
    int64_t samples, int64_t groups, float* mean, float* variance, float* widened) {
    return guarded([&] {
        const Layout layout = checked_moments(outer, inner, features, samples, groups);
        check_half_type(type);
        check_present({rows, mean, variance, widened});
        moments({rows, type, layout, widened}, samples, groups, mean, variance);
    });
}
