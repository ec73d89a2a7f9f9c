// Gradients through the replacement of vectors: sums over the features of a block of vectors, then its elements. Reads of a
// block but the first come from the caches; bound by memory.
#ifndef VQ4J_CPU_ISA_GRADIENT_ESTIMATOR_HPP
#define VQ4J_CPU_ISA_GRADIENT_ESTIMATOR_HPP

#include "core/gradient_estimator.hpp"
#include "cpu/isa/rows.hpp"

namespace vq4j {
namespace {

// Vectors z, what replaces them, and the gradient with respect to that, in one layout.
struct Estimated {
    Rows z;
    const float* e;
    const float* g;
};

template <typename Full>
VQ4J_SHARED void rotate_gradients(Estimated v, int64_t n, int64_t count, Full, float* out) {
    float z_squares[block_rows];
    float e_squares[block_rows];
    float e_products[block_rows];
    float z_inverses[block_rows];
    float e_inverses[block_rows];
    const Layout layout = v.z.layout;
    squared_lengths(v.z, n, count, z_squares);
    squared_lengths({v.e, layout}, n, count, e_squares);
    dot_products({v.e, layout}, v.g, n, count, e_products);
    for (int64_t r = 0; r < count; ++r) {
        const InverseLengths inverse = inverse_lengths(z_squares[r], e_squares[r]);
        z_inverses[r] = inverse.z;
        e_inverses[r] = inverse.e;
    }
    const auto sum_of = [&](const Floats* ze, int64_t r) {
        return sum_of_directions(ze[0], ze[1], all(z_inverses[r]), all(e_inverses[r]));
    };
    float sum_squares[block_rows];
    float sum_products[block_rows];
    sum_features<2>({v.z.data, v.e}, layout, n, count, sum_squares,
        [&](Floats total, const Floats* ze, int64_t r, int64_t, auto) {
            return fused_multiply_add(sum_of(ze, r), sum_of(ze, r), total);
        });
    sum_features<3>({v.z.data, v.e, v.g}, layout, n, count, sum_products,
        [&](Floats total, const Floats* zeg, int64_t r, int64_t, auto) {
            return fused_multiply_add(sum_of(zeg, r), zeg[2], total);
        });
    float of_sum[block_rows];
    float of_z[block_rows];
    float ratios[block_rows];
    for (int64_t r = 0; r < count; ++r) {
        const Rotation turned = rotation(z_squares[r], e_squares[r], {z_inverses[r], e_inverses[r]}, sum_squares[r],
            sum_products[r], e_products[r]);
        of_sum[r] = turned.of_sum;
        of_z[r] = turned.of_z;
        ratios[r] = turned.ratio;
    }
    for_each_place<Full>(layout, n, count, [=, &z_inverses, &e_inverses, &of_sum, &of_z, &ratios](int64_t at,
        auto of_row, auto access) {
        const Floats z = access.load(v.z.data + at);
        const Floats sum = sum_of_directions(z, access.load(v.e + at), of_row(z_inverses), of_row(e_inverses));
        access.store(out + at, rotated_gradient_element(access.load(v.g + at), z, sum, of_row(of_sum), of_row(of_z),
            of_row(ratios)));
    });
}

template <typename Full>
VQ4J_SHARED void direct_gradients(Estimated v, int64_t n, int64_t count, Full, float* out, float* out_codes) {
    float squares[block_rows];
    float products[block_rows];
    float shares[block_rows];
    const Layout layout = v.z.layout;
    sum_features<2>({v.z.data, v.e}, layout, n, count, squares,
        [](Floats total, const Floats* ze, int64_t, int64_t, auto) {
            return fused_multiply_add(ze[1] - ze[0], ze[1] - ze[0], total);
        });
    sum_features<3>({v.z.data, v.e, v.g}, layout, n, count, products,
        [](Floats total, const Floats* zeg, int64_t, int64_t, auto) {
            return fused_multiply_add(zeg[1] - zeg[0], zeg[2], total);
        });
    for (int64_t r = 0; r < count; ++r) {
        shares[r] = share_along_direction(squares[r], products[r]);
    }
    for_each_place<Full>(layout, n, count, [=, &shares](int64_t at, auto of_row, auto access) {
        const Floats of_code = of_row(shares) * (access.load(v.e + at) - access.load(v.z.data + at));
        access.store(out + at, access.load(v.g + at) - of_code);
        access.store(out_codes + at, of_code);
    });
}

// A block is checked before it is computed, since out_rows may be grad; the caches have it the second time.
int64_t estimate_gradient(Rows rows, const float* replaced_by, const float* grad, bool rotates, int64_t begin,
    int64_t end, float* out_rows, float* out_codes) {
    const Layout layout = rows.layout;
    int64_t first_bad = no_bad_row;
    for_each_written_block(layout, begin, end, [=, &first_bad](int64_t n, int64_t count, auto full) {
        Floats noted = all(0.0f);
        for_each_place<Whole>(layout, n, count, [=, &noted](int64_t at, auto, auto access) {
            note_not_finite(access.load(grad + at), noted);
        });
        if (any_nan(noted)) {
            const int64_t bad = first_not_finite(grad, layout, n, n + count);
            first_bad = bad < first_bad ? bad : first_bad;
        } else if (rotates) {
            rotate_gradients({rows, replaced_by, grad}, n, count, full, out_rows);
        } else {
            direct_gradients({rows, replaced_by, grad}, n, count, full, out_rows, out_codes);
        }
    });
    return first_bad;
}

}  // namespace
}  // namespace vq4j

#endif
