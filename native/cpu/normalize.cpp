// Normalisation by given moments, and its gradient.
//
// normalize: one pass, 8 N D bytes. normalize_gradient: first the sums of grad and of grad * normalized over chunks of 256
// rows, combined in fp64; then a pass over the elements. The rows and their gradient are read twice, 20 N D bytes.
#include <algorithm>

#include "core/arguments.hpp"
#include "core/elements.hpp"
#include "core/segments.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/input_rows.hpp"
#include "cpu/kernels.hpp"
#include "cpu/scratch.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

namespace vq4j {
namespace {

struct Sums {
    double grad;
    double product;
};

// The samples, the groups of their features and the moments of each.
struct Statistics {
    Layout layout;
    Segments samples;
    int64_t groups;
    const float* mean;
    const float* variance;
    float epsilon;
    const float* scale;
    const float* shift;

    int64_t width() const { return layout.features / groups; }
};

Statistics checked_statistics(Layout layout, int64_t samples, int64_t groups, const float* mean, const float* variance,
    float epsilon, const float* scale, const float* shift) {
    check_divides("samples", samples, "the number of rows", layout.rows());
    check_divides("groups", groups, "features", layout.features);
    return {layout, {samples, layout.rows() / samples}, groups, mean, variance, epsilon, scale, shift};
}

// A sample's values written out for each feature.
class SampleColumns {
public:
    SampleColumns(const Statistics& statistics, int64_t sample) : values_(6 * statistics.layout.features) {
        const int64_t features = statistics.layout.features;
        for (int64_t d = 0; d < features; ++d) {
            const int64_t group = sample * statistics.groups + d / statistics.width();
            column(0)[d] = statistics.mean[group];
            column(features)[d] = inverse_deviation(statistics.variance[group], statistics.epsilon);
            column(2 * features)[d] = statistics.scale == nullptr ? 1.0f : statistics.scale[d];
            column(3 * features)[d] = statistics.shift == nullptr ? 0.0f : statistics.shift[d];
            column(4 * features)[d] = 0.0f;
            column(5 * features)[d] = 0.0f;
        }
        columns_ = {column(0), column(features), column(2 * features), column(3 * features), column(4 * features),
            column(5 * features)};
    }

    NormalizedColumns get() const { return columns_; }

    // The group's means of grad * scale and of grad * scale * normalized, from the sums over the sample's rows.
    void set_means(const Statistics& statistics, const Sums* sums) {
        const int64_t features = statistics.layout.features;
        const int64_t width = statistics.width();
        const double elements = static_cast<double>(statistics.samples.rows * width);
        for (int64_t first = 0; first < features; first += width) {
            Sums total{0.0, 0.0};
            for (int64_t d = first; d < first + width; ++d) {
                const double scale = static_cast<double>(columns_.scale[d]);
                total.grad = total.grad + scale * sums[d].grad;
                total.product = total.product + scale * sums[d].product;
            }
            std::fill_n(column(4 * features + first), width, static_cast<float>(total.grad / elements));
            std::fill_n(column(5 * features + first), width, static_cast<float>(total.product / elements));
        }
    }

private:
    float* column(int64_t first) const { return values_.get() + first; }

    Scratch<float> values_;
    NormalizedColumns columns_;
};

// body(columns, begin, end) over pieces of the rows, none of which crosses the border of a sample.
template <typename Prepare, typename Body>
void for_each_piece(const Statistics& statistics, Prepare prepare, Body body) {
    const int64_t features = statistics.layout.features;
    const int64_t rows = statistics.samples.rows;
    const int64_t piece_rows = std::min(rows, std::max<int64_t>(1, task_elements / features));
    const int64_t pieces = (rows + piece_rows - 1) / piece_rows;
    parallel_ranges(statistics.samples.count * pieces, piece_rows * features, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
            const int64_t sample = i / pieces;
            SampleColumns columns(statistics, sample);
            prepare(columns, sample);
            const int64_t first = i % pieces * piece_rows;
            body(columns.get(), sample * rows + first, sample * rows + std::min(rows, first + piece_rows));
        }
    });
}

// Sums over the rows of every sample, [samples][D].
void sum_samples(const Statistics& statistics, const float* rows, const float* grad, Sums* sums) {
    const Kernels& table = kernels();
    const int64_t features = statistics.layout.features;
    const int64_t chunks = statistics.samples.chunks();
    const Scratch<float> partial(statistics.samples.count * chunks * 2 * features);  // of grad, then of products
    FirstBad bad;
    parallel_ranges(statistics.samples.count * chunks, std::min(chunk_rows, statistics.samples.rows) * features,
        [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) {
                const SampleColumns columns(statistics, i / chunks);
                const Chunk chunk = statistics.samples.chunk(i);
                bad.note(table.sum_normalized_gradients({rows, statistics.layout}, grad, columns.get(), chunk.begin,
                    chunk.end, partial.get() + 2 * i * features, partial.get() + (2 * i + 1) * features));
            }
        });
    bad.require_finite("gradient");
    parallel_ranges(statistics.samples.count, chunks * features, [&](int64_t begin, int64_t end) {
        for (int64_t sample = begin; sample < end; ++sample) {
            Sums* const columns = sums + sample * features;
            std::fill(columns, columns + features, Sums{0.0, 0.0});
            for (int64_t chunk = 0; chunk < chunks; ++chunk) {
                const float* const grads = partial.get() + (sample * chunks + chunk) * 2 * features;
                const float* const products = grads + features;
                for (int64_t d = 0; d < features; ++d) {
                    columns[d].grad = columns[d].grad + static_cast<double>(grads[d]);
                    columns[d].product = columns[d].product + static_cast<double>(products[d]);
                }
            }
        }
    });
}

void parameter_gradients(const Statistics& statistics, const Sums* sums, float* grad_scale, float* grad_shift) {
    const int64_t features = statistics.layout.features;
    for (int64_t d = 0; d < features; ++d) {
        Sums total{0.0, 0.0};
        for (int64_t sample = 0; sample < statistics.samples.count; ++sample) {
            total.grad = total.grad + sums[sample * features + d].grad;
            total.product = total.product + sums[sample * features + d].product;
        }
        if (grad_scale != nullptr) {
            grad_scale[d] = static_cast<float>(total.product);
        }
        if (grad_shift != nullptr) {
            grad_shift[d] = static_cast<float>(total.grad);
        }
    }
}

void normalize(const InputRows& input, const Statistics& statistics, float* out) {
    const Kernels& table = kernels();
    for_each_piece(
        statistics, [](SampleColumns&, int64_t) {},
        [&](NormalizedColumns columns, int64_t begin, int64_t end) {
            table.normalize(input.with(begin, end), columns, begin, end, out);
        });
}

}  // namespace
}  // namespace vq4j

using namespace vq4j;

int32_t vq4j_cpu_normalize(const float* rows, int64_t outer, int64_t inner, int64_t features, int64_t samples,
    int64_t groups, const float* mean, const float* variance, float epsilon, const float* scale, const float* shift,
    float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        const Statistics statistics =
            checked_statistics(layout, samples, groups, mean, variance, epsilon, scale, shift);
        check_present({rows, mean, variance, out});
        normalize({rows, layout}, statistics, out);
    });
}

int32_t vq4j_cpu_normalize_half(const uint16_t* rows, int32_t type, int64_t outer, int64_t inner, int64_t features,
    int64_t samples, int64_t groups, const float* mean, const float* variance, float epsilon, const float* scale,
    const float* shift, float* out, float* widened) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        const Statistics statistics =
            checked_statistics(layout, samples, groups, mean, variance, epsilon, scale, shift);
        check_half_type(type);
        check_present({rows, mean, variance, out, widened});
        normalize({rows, type, layout, widened}, statistics, out);
    });
}

int32_t vq4j_cpu_normalize_gradient(const float* rows, const float* grad, int64_t outer, int64_t inner, int64_t features,
    int64_t samples, int64_t groups, const float* mean, const float* variance, float epsilon, const float* scale,
    int32_t batch_statistics, float* out, float* grad_scale, float* grad_shift) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        const Statistics statistics =
            checked_statistics(layout, samples, groups, mean, variance, epsilon, scale, nullptr);
        check_present({rows, grad, mean, variance, out});
        const Kernels& table = kernels();
        const Scratch<Sums> sums(samples * features);
        sum_samples(statistics, rows, grad, sums.get());
        parameter_gradients(statistics, sums.get(), grad_scale, grad_shift);
        for_each_piece(
            statistics,
            [&](SampleColumns& columns, int64_t sample) {
                if (batch_statistics != 0) {
                    columns.set_means(statistics, sums.get() + sample * features);
                }
            },
            [&](NormalizedColumns columns, int64_t begin, int64_t end) {
                table.normalize_gradient({rows, layout}, grad, columns, begin, end, out);
            });
    });
}
