// Mean and variance of groups of features, per sample: chunks of 256 rows about the chunk's first value, combined by
// Chan's formula in fp64. One read of the rows; bound by memory.
#include "core/arguments.hpp"
#include "cpu/chunks.hpp"
#include "cpu/first_bad.hpp"
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

}  // namespace
}  // namespace vq4j

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
        const ChunkSums sums(samples * chunks, features);
        FirstBad bad;
        parallel_ranges(samples * chunks, std::min(chunk_rows, segments.rows) * features,
            [&](int64_t begin, int64_t end) {
                for (int64_t i = begin; i < end; ++i) {
                    bad.note(table.sum_moments({rows, layout}, segments.begin(i / chunks, i % chunks),
                        segments.end(i / chunks, i % chunks), sums.of(i)));
                }
            });
        bad.require_finite("z");
        parallel_ranges(samples, chunks * features, [&](int64_t begin, int64_t end) {
            const Scratch<double> means(features);
            const Scratch<double> squares(features);
            for (int64_t sample = begin; sample < end; ++sample) {
                std::fill_n(means.get(), features, 0.0);
                std::fill_n(squares.get(), features, 0.0);
                for (int64_t chunk = 0; chunk < chunks; ++chunk) {
                    const int64_t first = segments.begin(sample, chunk);
                    table.add_moments(sums.of(sample * chunks + chunk), segments.end(sample, chunk) - first,
                        first - segments.begin(sample, 0), features, means.get(), squares.get());
                }
                const int64_t width = features / groups;
                for (int64_t group = 0; group < groups; ++group) {
                    Moments total{0.0, 0.0, 0.0};
                    for (int64_t d = group * width; d < (group + 1) * width; ++d) {
                        const Moments column{static_cast<double>(segments.rows), means.get()[d], squares.get()[d]};
                        total = combine(total, column);
                    }
                    mean[sample * groups + group] = static_cast<float>(total.mean);
                    variance[sample * groups + group] = static_cast<float>(total.squares / total.count);
                }
            }
        });
    });
}
