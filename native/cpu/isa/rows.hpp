// Kernels that treat every row by itself: distances, gradients of the input, norms. Bound by memory.
#ifndef VQ4J_CPU_ISA_ROWS_HPP
#define VQ4J_CPU_ISA_ROWS_HPP

#include "core/elements.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/isa/runs.hpp"
#include "cpu/kernels.hpp"

namespace vq4j {
namespace {

void squared_distances(Rows rows, const float* codebook, const int32_t* codes, int64_t begin, int64_t end,
    float* distances) {
    const int64_t features = rows.layout.features;
    by_stride(rows.layout, [=](auto stride) {
        for (int64_t n = begin; n < end; ++n) {
            distances[n] = squared_distance(rows.row(n), stride, codebook + codes[n] * features, features);
        }
    });
}

// weight_n = |z_n - c|^2 where that is less, or the first.
int64_t lower_weights(Rows rows, const float* code, bool first, int64_t begin, int64_t end, float* weights) {
    const int64_t features = rows.layout.features;
    const bool bad = by_stride(rows.layout, [=](auto stride) {
        bool not_finite = false;
        for (int64_t n = begin; n < end; ++n) {
            const float distance = squared_distance(rows.row(n), stride, code, features);
            for (int64_t d = 0; first && d < features; ++d) {
                not_finite |= !is_finite(rows.row(n)[d * stride]);
            }
            weights[n] = first || distance < weights[n] ? distance : weights[n];
        }
        return not_finite;
    });
    return bad ? first_not_finite(rows.data, rows.layout, begin, end) : no_bad_row;
}

// The range is checked before it is computed, since out may be grad; it is small enough to stay in the caches.
int64_t input_gradient(Rows rows, const float* grad, const float* codebook, const int32_t* codes, float coefficient,
    int64_t begin, int64_t end, float* out) {
    const float* const z = rows.data;
    const int64_t features = rows.layout.features;
    if (grad == nullptr) {
        for_each_element(rows.layout, begin, end, [=](int64_t at, int64_t d, int64_t n) {
            out[at] = input_gradient_element(0.0f, z[at], codebook[codes[n] * features + d], coefficient);
        });
        return no_bad_row;
    }
    bool bad = false;
    for_each_element(rows.layout, begin, end, [=, &bad](int64_t at, int64_t, int64_t) { bad |= !is_finite(grad[at]); });
    if (bad) {
        return first_not_finite(grad, rows.layout, begin, end);
    }
    for_each_element(rows.layout, begin, end, [=](int64_t at, int64_t d, int64_t n) {
        out[at] = input_gradient_element(grad[at], z[at], codebook[codes[n] * features + d], coefficient);
    });
    return no_bad_row;
}

// ---- norms over rows: all rows of one sample, a value of the columns for each feature ---------------------------------

void normalize(Rows rows, NormalizedColumns columns, int64_t begin, int64_t end, float* out) {
    const float* const z = rows.data;
    for_each_element(rows.layout, begin, end, [=](int64_t at, int64_t d, int64_t) {
        out[at] =
            normalize_element(z[at], columns.mean[d], columns.inverse[d], columns.scale[d], columns.shift[d]);
    });
}

void normalize_gradient(Rows rows, const float* grad, NormalizedColumns columns, int64_t begin, int64_t end, float* out) {
    const float* const z = rows.data;
    for_each_element(rows.layout, begin, end, [=](int64_t at, int64_t d, int64_t) {
        out[at] = normalize_gradient_element(grad[at], columns.scale[d],
            normalized(z[at], columns.mean[d], columns.inverse[d]), columns.inverse[d], columns.mean_grad[d],
            columns.mean_product[d]);
    });
}

// ---- norms of rows ----------------------------------------------------------------------------------------------

int64_t row_norm(Rows rows, bool unit, int64_t begin, int64_t end, float* out) {
    const int64_t features = rows.layout.features;
    return by_stride(rows.layout, [=](auto stride) {
        int64_t first_bad = no_bad_row;
        for (int64_t n = begin; n < end; ++n) {
            const float* const row = rows.row(n);
            float* const scaled = out + rows.layout.offset(n);
            const float factor = row_norm_factor(unit, squared_length(row, stride, features));
            bool bad = false;
            for (int64_t d = 0; d < features; ++d) {
                const float value = row[d * stride];
                bad |= !is_finite(value);
                scaled[d * stride] = value * factor;
            }
            first_bad = bad && n < first_bad ? n : first_bad;
        }
        return first_bad;
    });
}

void row_norm_gradient(Rows rows, const float* grad, bool unit, int64_t begin, int64_t end, float* out) {
    const int64_t features = rows.layout.features;
    by_stride(rows.layout, [=](auto stride) {
        for (int64_t n = begin; n < end; ++n) {
            const float* const row = rows.row(n);
            const float* const g = grad + rows.layout.offset(n);
            float* const result = out + rows.layout.offset(n);
            const float squared = squared_length(row, stride, features);
            const float factor = row_norm_factor(unit, squared);
            const float radial =
                row_norm_is_radial(unit, squared) ? dot_product(row, g, stride, features) / squared : 0.0f;
            for (int64_t d = 0; d < features; ++d) {
                result[d * stride] = row_norm_gradient_element(g[d * stride], row[d * stride], factor, radial);
            }
        }
    });
}

}  // namespace
}  // namespace vq4j

#endif
