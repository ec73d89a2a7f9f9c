// Kernels that treat every row by itself: distances, codes' vectors, gradients of the input, norms. One read of the rows,
// one write of the result; bound by memory.
#ifndef VQ4J_CPU_ISA_ROWS_HPP
#define VQ4J_CPU_ISA_ROWS_HPP

#include "core/elements.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/isa/blocks.hpp"
#include "cpu/isa/runs.hpp"
#include "cpu/isa/stripes.hpp"
#include "cpu/kernels.hpp"

namespace vq4j {
namespace {

// results[r] = the striped sum over the features of row n + r of tensors of one layout. add(sum, values, r, d, access) adds
// the features d ... of that row, whose values are the tensors'.
template <int tensors, typename Add>
VQ4J_SHARED void sum_features(const float* const (&data)[tensors], Layout layout, int64_t n, int64_t count, float* results,
    Add add) {
    alignas(64) float buffers[tensors][block_floats];
    alignas(64) float sums[block_rows * stripes];
    for_each_strip(layout, [&](int64_t first, int64_t width) {
        Block blocks[tensors];
        for (int i = 0; i < tensors; ++i) {
            blocks[i] = row_block(data[i], layout, n, count, first, width, buffers[i]);
        }
        for (int64_t r = 0; r < count; ++r) {
            Stripes sum = first == 0 ? no_stripes() : load_stripes(sums + r * stripes);
            add_features(sum, width, [&](Floats stripe, int64_t d, auto access) {
                Floats values[tensors];
                for (int i = 0; i < tensors; ++i) {
                    values[i] = blocks[i].load(r, d, access);
                }
                return add(stripe, values, r, first + d, access);
            });
            if (first + width < layout.features) {
                store_stripes(sums + r * stripes, sum);
            } else {
                results[r] = add_stripes(sum);
            }
        }
    });
}

VQ4J_SHARED void squared_lengths(Rows rows, int64_t n, int64_t count, float* results) {
    sum_features<1>({rows.data}, rows.layout, n, count, results,
        [](Floats sum, const Floats* z, int64_t, int64_t, auto) { return fused_multiply_add(z[0], z[0], sum); });
}

// z.g of rows and their gradients.
VQ4J_SHARED void dot_products(Rows rows, const float* grad, int64_t n, int64_t count, float* results) {
    sum_features<2>({rows.data, grad}, rows.layout, n, count, results,
        [](Floats sum, const Floats* zg, int64_t, int64_t, auto) { return fused_multiply_add(zg[0], zg[1], sum); });
}

void squared_distances(Rows rows, const float* codebook, const int32_t* codes, int64_t begin, int64_t end,
    float* distances) {
    const int64_t features = rows.layout.features;
    for_each_block(rows.layout, begin, end, [=](int64_t n, int64_t count) {
        sum_features<1>({rows.data}, rows.layout, n, count, distances + n,
            [=](Floats sum, const Floats* z, int64_t r, int64_t d, auto access) {
                const Floats difference = z[0] - access.load(codebook + codes[n + r] * features + d);
                return fused_multiply_add(difference, difference, sum);
            });
    });
}

// ---- rows with their codes -------------------------------------------------------------------------------------------

void look_up(const float* codebook, const int32_t* codes, Layout layout, int64_t begin, int64_t end, float* out) {
    for_each_written_block(layout, begin, end, [=](int64_t n, int64_t count, auto full) {
        alignas(64) float buffer[block_floats];
        for_each_place_of_codes<decltype(full)>(layout, codebook, codes, n, count, buffer,
            [=](int64_t at, Floats e, auto access) { access.store(out + at, e); });
    });
}

void residual(Rows rows, const float* codebook, const int32_t* codes, int64_t begin, int64_t end, float* out) {
    const float* const z = rows.data;
    for_each_written_block(rows.layout, begin, end, [=](int64_t n, int64_t count, auto full) {
        alignas(64) float buffer[block_floats];
        for_each_place_of_codes<decltype(full)>(rows.layout, codebook, codes, n, count, buffer,
            [=](int64_t at, Floats e, auto access) { access.store(out + at, access.load(z + at) - e); });
    });
}

void add_look_up(const float* codebook, const int32_t* codes, Layout layout, int64_t begin, int64_t end, float* sum) {
    for_each_block(layout, begin, end, [=](int64_t n, int64_t count) {
        alignas(64) float buffer[block_floats];
        for_each_place_of_codes<Whole>(layout, codebook, codes, n, count, buffer,
            [=](int64_t at, Floats e, auto access) { access.store(sum + at, access.load(sum + at) + e); });
    });
}

// A block is checked before it is computed, since out may be grad; the caches have it the second time.
int64_t input_gradient(Rows rows, const float* grad, const float* codebook, const int32_t* codes, float coefficient,
    int64_t begin, int64_t end, float* out) {
    const float* const z = rows.data;
    const Layout layout = rows.layout;
    int64_t first_bad = no_bad_row;
    for_each_written_block(layout, begin, end, [=, &first_bad](int64_t n, int64_t count, auto full) {
        alignas(64) float buffer[block_floats];
        if (grad == nullptr) {
            for_each_place_of_codes<decltype(full)>(layout, codebook, codes, n, count, buffer,
                [=](int64_t at, Floats e, auto access) {
                    access.store(out + at,
                        input_gradient_element(all(0.0f), access.load(z + at), e, all(coefficient)));
                });
            return;
        }
        Floats noted = all(0.0f);
        for_each_place<Whole>(layout, n, count, [=, &noted](int64_t at, auto, auto access) {
            note_not_finite(access.load(grad + at), noted);
        });
        if (any_nan(noted)) {
            const int64_t bad = first_not_finite(grad, layout, n, n + count);
            first_bad = bad < first_bad ? bad : first_bad;
            return;
        }
        for_each_place_of_codes<decltype(full)>(layout, codebook, codes, n, count, buffer,
            [=](int64_t at, Floats e, auto access) {
                access.store(out + at,
                    input_gradient_element(access.load(grad + at), access.load(z + at), e, all(coefficient)));
            });
    });
    return first_bad;
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
    const float* const z = rows.data;
    int64_t first_bad = no_bad_row;
    for_each_written_block(rows.layout, begin, end, [=, &first_bad](int64_t n, int64_t count, auto full) {
        float squared[block_rows];
        float factors[block_rows];
        squared_lengths(rows, n, count, squared);
        bool suspicious = false;
        for (int64_t r = 0; r < count; ++r) {
            suspicious |= !is_finite(squared[r]);
            factors[r] = row_norm_factor(unit, squared[r]);
        }
        // A bad element shows in the squared length, which finite ones may overflow too.
        if (suspicious) {
            const int64_t bad = first_not_finite(z, rows.layout, n, n + count);
            first_bad = bad < n + count && bad < first_bad ? bad : first_bad;
        }
        for_each_place<decltype(full)>(rows.layout, n, count, [=, &factors](int64_t at, auto of_row, auto access) {
            access.store(out + at, access.load(z + at) * of_row(factors));
        });
    });
    return first_bad;
}

void row_norm_gradient(Rows rows, const float* grad, bool unit, int64_t begin, int64_t end, float* out) {
    const float* const z = rows.data;
    const Layout layout = rows.layout;
    for_each_written_block(layout, begin, end, [=](int64_t n, int64_t count, auto full) {
        float squared[block_rows];
        float products[block_rows];
        float factors[block_rows];
        float radials[block_rows];
        squared_lengths(rows, n, count, squared);
        dot_products(rows, grad, n, count, products);
        for (int64_t r = 0; r < count; ++r) {
            factors[r] = row_norm_factor(unit, squared[r]);
            radials[r] = row_norm_is_radial(unit, squared[r]) ? products[r] / squared[r] : 0.0f;
        }
        for_each_place<decltype(full)>(layout, n, count, [=, &factors, &radials](int64_t at, auto of_row, auto access) {
            access.store(out + at,
                row_norm_gradient_element(access.load(grad + at), access.load(z + at), of_row(factors), of_row(radials)));
        });
    });
}

}  // namespace
}  // namespace vq4j

#endif
