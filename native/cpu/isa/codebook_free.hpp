// Kernels of the quantizers without a codebook: finite scalars and sign codes. Bound by the arithmetic of tanh and of
// the entropies in fp64; sign_quantize by memory.
#ifndef VQ4J_CPU_ISA_CODEBOOK_FREE_HPP
#define VQ4J_CPU_ISA_CODEBOOK_FREE_HPP

#include "cpu/first_bad.hpp"
#include "cpu/isa/row_block.hpp"
#include "cpu/kernels.hpp"

namespace vq4j {
namespace {

static_assert(finite_scalar_features <= block_features && sign_code_features <= block_features, "a row fits a block");

// A null out leaves the codes alone.
int64_t finite_scalar_quantize(Rows rows, const FiniteScalarGrid& grid, int64_t begin, int64_t end, float* out,
    int32_t* codes) {
    RowBlock block;
    return for_each_row_block(begin, end, [&](int64_t first, int64_t count) {
        if (!block.load(rows.data, rows.layout, first, count)) {
            return first_not_finite(rows.data, rows.layout, first, first + count);
        }
        int32_t sums[column_rows] = {};
        for (int64_t d = 0; d < rows.layout.features; ++d) {
            const FiniteScalarAxis axis = grid.axes[d];
            float* const column = block.column[d];
            for (int64_t i = 0; i < count; ++i) {
                const int32_t digit = finite_scalar_digit(axis, column[i]);
                sums[i] += digit * axis.place;
                column[i] = finite_scalar_value(axis, digit);
            }
        }
        memcpy(codes + first, sums, static_cast<size_t>(count) * sizeof(int32_t));
        if (out != nullptr) {
            block.store(rows.layout, first, count, out);
        }
        return no_bad_row;
    });
}

int64_t finite_scalar_gradient(Rows rows, const float* grad, const FiniteScalarGrid& grid, int64_t begin, int64_t end,
    float* out) {
    RowBlock z;
    RowBlock g;
    return for_each_row_block(begin, end, [&](int64_t first, int64_t count) {
        z.load(rows.data, rows.layout, first, count);
        if (!g.load(grad, rows.layout, first, count)) {
            return first_not_finite(grad, rows.layout, first, first + count);
        }
        for (int64_t d = 0; d < rows.layout.features; ++d) {
            const FiniteScalarAxis axis = grid.axes[d];
            for (int64_t i = 0; i < count; ++i) {
                g.column[d][i] = finite_scalar_gradient_element(axis, z.column[d][i], g.column[d][i]);
            }
        }
        g.store(rows.layout, first, count, out);
        return no_bad_row;
    });
}

// A null out leaves the codes alone.
int64_t sign_quantize(Rows rows, float scale, int64_t begin, int64_t end, float* out, int32_t* codes) {
    RowBlock block;
    return for_each_row_block(begin, end, [&](int64_t first, int64_t count) {
        if (!block.load(rows.data, rows.layout, first, count)) {
            return first_not_finite(rows.data, rows.layout, first, first + count);
        }
        int32_t sums[column_rows] = {};
        for (int64_t d = 0; d < rows.layout.features; ++d) {
            float* const column = block.column[d];
            for (int64_t i = 0; i < count; ++i) {
                const int32_t bit = sign_bit(column[i]);
                sums[i] |= bit << d;
                column[i] = sign_value(bit, scale);
            }
        }
        memcpy(codes + first, sums, static_cast<size_t>(count) * sizeof(int32_t));
        if (out != nullptr) {
            block.store(rows.layout, first, count, out);
        }
        return no_bad_row;
    });
}

// Of each feature over the rows begin ... end, in ascending order.
void sum_sign_losses(Rows rows, float scale, double sharpness, int64_t begin, int64_t end, SignSums* sums) {
    for (int64_t d = 0; d < rows.layout.features; ++d) {
        sums[d] = {0.0, 0.0, 0.0, 0.0};
    }
    RowBlock block;
    for_each_row_block(begin, end, [&](int64_t first, int64_t count) {
        block.load(rows.data, rows.layout, first, count);
        for (int64_t d = 0; d < rows.layout.features; ++d) {
            // The terms first, in vectors; their sum has an order.
            SignSums terms[column_rows];
            for (int64_t i = 0; i < count; ++i) {
                terms[i] = sign_terms(block.column[d][i], scale, sharpness);
            }
            for (int64_t i = 0; i < count; ++i) {
                sums[d] = add_terms(sums[d], terms[i]);
            }
        }
        return no_bad_row;
    });
}

// A null grad counts as zero.
int64_t sign_gradient(Rows rows, const float* grad, const SignGradient& gradient, const double* mean_logits,
    int64_t begin, int64_t end, float* out) {
    const SignGradient s = gradient;
    RowBlock z;
    RowBlock g = {};
    return for_each_row_block(begin, end, [&](int64_t first, int64_t count) {
        z.load(rows.data, rows.layout, first, count);
        if (grad != nullptr && !g.load(grad, rows.layout, first, count)) {
            return first_not_finite(grad, rows.layout, first, first + count);
        }
        for (int64_t d = 0; d < rows.layout.features; ++d) {
            const double mean_logit = mean_logits[d];
            for (int64_t i = 0; i < count; ++i) {
                const float upstream = grad == nullptr ? 0.0f : g.column[d][i];
                z.column[d][i] = sign_gradient_element(s, z.column[d][i], upstream, mean_logit);
            }
        }
        z.store(rows.layout, first, count, out);
        return no_bad_row;
    });
}

}  // namespace
}  // namespace vq4j

#endif
