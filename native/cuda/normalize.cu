// Normalisation by given moments, and its gradient.
//
// normalize: a thread an element, along memory; 8 N D bytes. normalize_gradient: first the sums of grad and of
// grad * normalized, a thread a chunk of 256 rows of one feature, combined in fp64; then a thread an element. The rows and
// their gradient are read twice, 20 N D bytes.
#include "core/arguments.hpp"
#include "core/elements.hpp"
#include "cuda/chunks.cuh"
#include "cuda/elements.cuh"
#include "cuda/first_bad.cuh"
#include "cuda/numbers.cuh"
#include "vq4j/cuda.h"

namespace vq4j::normalization {

// What the normalized value of an element depends on, beside the element.
struct Statistics {
    Layout layout;
    int64_t sample_rows;
    int64_t groups;
    const float* mean;
    const float* variance;
    float epsilon;

    __device__ int64_t group_of(int64_t row, int64_t feature) const {
        return row / sample_rows * groups + feature / (layout.features / groups);
    }
    __device__ float inverse(int64_t group) const { return inverse_deviation(variance[group], epsilon); }
};

__device__ __forceinline__ float value_or(const float* values, int64_t i, float otherwise) {
    return values == nullptr ? otherwise : values[i];
}

template <typename Numbers>
struct Normalize {
    Numbers rows;
    Statistics statistics;
    const float* scale;
    const float* shift;
    float* out;

    __device__ void operator()(int64_t i) const {
        const Element element = element_at(statistics.layout, i);
        const int64_t group = statistics.group_of(element.row, element.feature);
        const float value = rows[i];
        rows.keep(i, value);
        out[i] = normalize_element(value, statistics.mean[group], statistics.inverse(group),
            value_or(scale, element.feature, 1.0f), value_or(shift, element.feature, 0.0f));
    }
};

template <typename Float>
struct Sums {
    Float grad;
    Float product;  // grad * normalized
};

struct SumChunk {
    struct Elements {
        float z;
        float grad;
    };

    const float* rows;
    const float* grad;
    Statistics statistics;
    Segments samples;
    Sums<float>* partial;  // [samples][chunks][D]
    BadRows bad;

    __device__ void operator()(int64_t i) const {
        const Layout layout = statistics.layout;
        const int64_t d = i % layout.features;
        const Chunk chunk = samples.chunk(i / layout.features);
        const int64_t group = statistics.group_of(chunk.begin, d);
        const float mean = statistics.mean[group];
        const float inverse = statistics.inverse(group);
        Sums<float> sums{0.0f, 0.0f};
        load_ahead(
            chunk.begin, chunk.end,
            [&](int64_t n) -> Elements {
                const int64_t at = layout.offset(n) + d * layout.stride();
                return {rows[at], grad[at]};
            },
            [&](Elements each, int64_t n) {
                bad.note_unless_finite(each.grad, n);
                sums.grad = sums.grad + each.grad;
                sums.product = fused_multiply_add(each.grad, normalized(each.z, mean, inverse), sums.product);
            });
        partial[i] = sums;
    }
};

struct CombineChunks {
    const Sums<float>* partial;
    int64_t chunks;
    int64_t features;
    Sums<double>* columns;  // [samples][D]

    __device__ void operator()(int64_t i) const {
        const Sums<float>* column = partial + i / features * chunks * features + i % features;
        Sums<double> sums{0.0, 0.0};
        load_ahead(
            0, chunks, [&](int64_t chunk) { return column[chunk * features]; },
            [&](Sums<float> each, int64_t) {
                sums.grad = sums.grad + static_cast<double>(each.grad);
                sums.product = sums.product + static_cast<double>(each.product);
            });
        columns[i] = sums;
    }
};

struct GroupMeans {
    const Sums<double>* columns;
    Statistics statistics;
    const float* scale;
    Sums<float>* means;  // [samples][groups]

    __device__ void operator()(int64_t i) const {
        const int64_t features = statistics.layout.features;
        const int64_t width = features / statistics.groups;
        const Sums<double>* sample = columns + i / statistics.groups * features;
        Sums<double> sums{0.0, 0.0};
        for (int64_t d = i % statistics.groups * width; d < (i % statistics.groups + 1) * width; ++d) {
            const double s = static_cast<double>(value_or(scale, d, 1.0f));
            sums.grad = sums.grad + s * sample[d].grad;
            sums.product = sums.product + s * sample[d].product;
        }
        const double elements = static_cast<double>(statistics.sample_rows * width);
        means[i] = {static_cast<float>(sums.grad / elements), static_cast<float>(sums.product / elements)};
    }
};

struct ParameterGradients {
    const Sums<double>* columns;
    int64_t samples;
    int64_t features;
    float* grad_scale;
    float* grad_shift;

    __device__ void operator()(int64_t d) const {
        Sums<double> sums{0.0, 0.0};
        for (int64_t sample = 0; sample < samples; ++sample) {
            sums.grad = sums.grad + columns[sample * features + d].grad;
            sums.product = sums.product + columns[sample * features + d].product;
        }
        if (grad_scale != nullptr) {
            grad_scale[d] = static_cast<float>(sums.product);
        }
        if (grad_shift != nullptr) {
            grad_shift[d] = static_cast<float>(sums.grad);
        }
    }
};

struct InputGradient {
    const float* rows;
    const float* grad;
    Statistics statistics;
    const float* scale;
    const Sums<float>* means;  // null where the moments are constants
    float* out;

    __device__ void operator()(int64_t i) const {
        const Element element = element_at(statistics.layout, i);
        const int64_t group = statistics.group_of(element.row, element.feature);
        const float inverse = statistics.inverse(group);
        const Sums<float> mean = means == nullptr ? Sums<float>{0.0f, 0.0f} : means[group];
        out[i] = normalize_gradient_element(grad[i], value_or(scale, element.feature, 1.0f),
            normalized(rows[i], statistics.mean[group], inverse), inverse, mean.grad, mean.product);
    }
};

Statistics checked_statistics(Layout layout, int64_t samples, int64_t groups, const float* mean, const float* variance,
    float epsilon) {
    check_divides("samples", samples, "the number of rows", layout.rows());
    check_divides("groups", groups, "features", layout.features);
    return {layout, layout.rows() / samples, groups, mean, variance, epsilon};
}

template <typename Numbers>
void normalize(Numbers rows, int64_t outer, int64_t inner, int64_t features, int64_t samples, int64_t groups,
    const float* mean, const float* variance, float epsilon, const float* scale, const float* shift, float* out,
    cudaStream_t stream) {
    const Layout layout = checked_rows(outer, inner, features);
    const Statistics statistics = checked_statistics(layout, samples, groups, mean, variance, epsilon);
    check_present({rows.values, mean, variance, out});
    for_each(layout.rows() * features, stream, Normalize<Numbers>{rows, statistics, scale, shift, out});
}

}  // namespace vq4j::normalization

using namespace vq4j;

int32_t vq4j_cuda_normalize(void* stream, const float* rows, int64_t outer, int64_t inner, int64_t features,
    int64_t samples, int64_t groups, const float* mean, const float* variance, float epsilon, const float* scale,
    const float* shift, float* out) {
    return guarded([&] {
        normalization::normalize(Floats{rows}, outer, inner, features, samples, groups, mean, variance, epsilon, scale,
            shift, out, static_cast<cudaStream_t>(stream));
    });
}

int32_t vq4j_cuda_normalize_half(void* stream, const uint16_t* rows, int32_t type, int64_t outer, int64_t inner,
    int64_t features, int64_t samples, int64_t groups, const float* mean, const float* variance, float epsilon,
    const float* scale, const float* shift, float* out, float* widened) {
    return guarded([&] {
        check_half_type(type);
        check_present({widened});
        with_halves(rows, type, widened, [&](auto halves) {
            normalization::normalize(halves, outer, inner, features, samples, groups, mean, variance, epsilon, scale,
                shift, out, static_cast<cudaStream_t>(stream));
        });
    });
}

int32_t vq4j_cuda_normalize_gradient(void* stream, const float* rows, const float* grad, int64_t outer, int64_t inner,
    int64_t features, int64_t samples, int64_t groups, const float* mean, const float* variance, float epsilon,
    const float* scale, int32_t batch_statistics, float* out, float* grad_scale, float* grad_shift) {
    using namespace normalization;
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        const Statistics statistics = checked_statistics(layout, samples, groups, mean, variance, epsilon);
        check_present({rows, grad, mean, variance, out});
        const auto s = static_cast<cudaStream_t>(stream);
        const Segments segments{samples, statistics.sample_rows};
        const int64_t partials = samples * segments.chunks() * features;
        const DeviceScratch<Sums<float>> partial(partials, s);
        const DeviceScratch<Sums<double>> columns(samples * features, s);
        const DeviceScratch<Sums<float>> means(samples * groups, s);
        const DeviceFirstBad bad(s);
        for_each(partials, s, SumChunk{rows, grad, statistics, segments, partial.get(), bad.rows()});
        for_each(samples * features, s, CombineChunks{partial.get(), segments.chunks(), features, columns.get()});
        for_each(samples * groups, s, GroupMeans{columns.get(), statistics, scale, means.get()});
        for_each(features, s, ParameterGradients{columns.get(), samples, features, grad_scale, grad_shift});
        for_each(layout.rows() * features, s,
            InputGradient{rows, grad, statistics, scale, batch_statistics != 0 ? means.get() : nullptr, out});
        bad.require_finite("gradient");
    });
}
