// Sums over the rows of one chunk, a sum for each feature: each in ascending order of the rows, features side by side in
// vectors. Features are taken in strips whose sums stay in the first-level cache. One read of the rows; bound by memory.
#ifndef VQ4J_CPU_ISA_COLUMNS_HPP
#define VQ4J_CPU_ISA_COLUMNS_HPP

#include "core/elements.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/isa/runs.hpp"
#include "cpu/kernels.hpp"

namespace vq4j {
namespace {

constexpr int64_t column_strip = 64;

// body(first feature, number of features) for every strip.
template <typename Body>
VQ4J_SHARED void for_each_column_strip(int64_t features, Body body) {
    for (int64_t first = 0; first < features; first += column_strip) {
        body(first, features - first < column_strip ? features - first : column_strip);
    }
}

void sum_rows(Rows rows, const int64_t* order, int64_t count, float* __restrict sums) {
    const int64_t features = rows.layout.features;
    by_stride(rows.layout, [=](auto stride) {
        for (int64_t d = 0; d < features; ++d) {
            sums[d] = 0.0f;
        }
        for (int64_t i = 0; i < count; ++i) {
            const float* const row = rows.row(order[i]);
            for (int64_t d = 0; d < features; ++d) {
                sums[d] = sums[d] + row[d * stride];
            }
        }
    });
}

int64_t sum_gradients(Rows rows, const float* grad, const int64_t* order, int64_t count, const float* code,
    float coefficient, float nu, float* __restrict sums) {
    const int64_t features = rows.layout.features;
    return by_stride(rows.layout, [=](auto stride) {
        int64_t first_bad = no_bad_row;
        for (int64_t d = 0; d < features; ++d) {
            sums[d] = 0.0f;
        }
        for (int64_t i = 0; i < count; ++i) {
            const float* const row = rows.row(order[i]);
            if (grad == nullptr) {
                for (int64_t d = 0; d < features; ++d) {
                    sums[d] = add_codebook_gradient(sums[d], 0.0f, row[d * stride], code[d], coefficient, nu);
                }
                continue;
            }
            const float* const g = grad + rows.layout.offset(order[i]);
            bool bad = false;
            for (int64_t d = 0; d < features; ++d) {
                bad |= !is_finite(g[d * stride]);
                sums[d] = add_codebook_gradient(sums[d], g[d * stride], row[d * stride], code[d], coefficient, nu);
            }
            first_bad = bad && order[i] < first_bad ? order[i] : first_bad;
        }
        return first_bad;
    });
}

int64_t sum_moments(Rows rows, int64_t begin, int64_t end, Moments* moments) {
    bool bad = false;
    by_stride(rows.layout, [=, &bad](auto stride) {
        for_each_column_strip(rows.layout.features, [=, &bad](int64_t first, int64_t width) {
            float shift[column_strip];
            float sum[column_strip];
            float sum_of_squares[column_strip];
            for (int64_t d = 0; d < width; ++d) {
                shift[d] = rows.row(begin)[(first + d) * stride];
                sum[d] = 0.0f;
                sum_of_squares[d] = 0.0f;
            }
            for (int64_t n = begin; n < end; ++n) {
                const float* const row = rows.row(n) + first * stride;
                for (int64_t d = 0; d < width; ++d) {
                    const float value = row[d * stride];
                    bad |= !is_finite(value);
                    const float difference = value - shift[d];
                    sum[d] = sum[d] + difference;
                    sum_of_squares[d] = fused_multiply_add(difference, difference, sum_of_squares[d]);
                }
            }
            for (int64_t d = 0; d < width; ++d) {
                moments[first + d] = chunk_moments(end - begin, shift[d], sum[d], sum_of_squares[d]);
            }
        });
    });
    return bad ? first_not_finite(rows.data, rows.layout, begin, end) : no_bad_row;
}

// Of grad and of grad * normalized.
int64_t sum_normalized_gradients(Rows rows, const float* grad, NormalizedColumns columns, int64_t begin, int64_t end,
    GradientSums* sums) {
    bool bad = false;
    by_stride(rows.layout, [=, &bad](auto stride) {
        for_each_column_strip(rows.layout.features, [=, &bad](int64_t first, int64_t width) {
            float sum[column_strip] = {};
            float product[column_strip] = {};
            for (int64_t n = begin; n < end; ++n) {
                const float* const row = rows.row(n) + first * stride;
                const float* const g = grad + rows.layout.offset(n) + first * stride;
                for (int64_t d = 0; d < width; ++d) {
                    bad |= !is_finite(g[d * stride]);
                    sum[d] = sum[d] + g[d * stride];
                    product[d] = fused_multiply_add(g[d * stride],
                        normalized(row[d * stride], columns.mean[first + d], columns.inverse[first + d]), product[d]);
                }
            }
            for (int64_t d = 0; d < width; ++d) {
                sums[first + d] = {sum[d], product[d]};
            }
        });
    });
    return bad ? first_not_finite(grad, rows.layout, begin, end) : no_bad_row;
}

// Of grad and of grad * code, over codes begin ... end.
void sum_affine_gradients(const float* grad, const float* codebook, int64_t features, int64_t begin, int64_t end,
    GradientSums* sums) {
    for_each_column_strip(features, [=](int64_t first, int64_t width) {
        float sum[column_strip] = {};
        float product[column_strip] = {};
        for (int64_t k = begin; k < end; ++k) {
            const float* const g = grad + k * features + first;
            const float* const code = codebook + k * features + first;
            for (int64_t d = 0; d < width; ++d) {
                sum[d] = sum[d] + g[d];
                product[d] = fused_multiply_add(g[d], code[d], product[d]);
            }
        }
        for (int64_t d = 0; d < width; ++d) {
            sums[first + d] = {sum[d], product[d]};
        }
    });
}

}  // namespace
}  // namespace vq4j

#endif
