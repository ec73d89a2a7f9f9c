// Scores from above by a few axes of a codebook: where its codes lie near a plane of few dimensions, as those of images
// and autoencoders do, the product along these axes and the lengths of what is left bound a score, z.c <= x.y + |r| |q|.
//
// The bound. z and c are a centred row and code; P has at most A = `axes` rows, about orthonormal: n >= |P P' - 1|, in the
// Frobenius norm; n <= 1e-3. x = fl(P z), r = z - P'x; y and q likewise of the code; e = 2^-24, Z = |z|, C >= |c| for all
// codes.
// 1. z.c = x.(P P')y + x.(P q) + (P r).y + r.q, in real numbers, whatever P, x and y are.
// 2. P q = (P c - y) - (P P' - 1) y, so |P q| <= 1.01 A^1/2 D e |c| + 1.02 n |c|, and so for r. With |x| <= 1.02 Z and
//    |y| <= 1.02 |c|: z.c <= x.y + |r| |q| + Z |c| (3.2 n + 2.1 A^1/2 D e).
// 3. r is computed with an error below (A + 1) e (1 + 1.1 A^1/2) Z < 40 e Z, which is added to its length. So is the code's.
// 4. The bound t is a chain of A + 1 fused multiply-adds from -h: its error is below 2.2 (A + 3) e C (C + Z).
// 5. So a canonical score, within f C (C + Z) of z.c - h for f = score_slack(D) / 2, is at most t + F with
//    F = C (C + Z) (f + 4 n + (6 D + 32) e), and a code whose t is below s - F for the score s of another one loses.
// Z and C are taken from above, with 2^-50 for what underflows in their squares, so that F >= 2^-70 (C + Z) is more than
// what underflows in x and y. Where scores might overflow F is infinite, and no code loses.
#ifndef VQ4J_CPU_ISA_AXES_HPP
#define VQ4J_CPU_ISA_AXES_HPP

#include <algorithm>
#include <cmath>

#include "core/score_bounds.hpp"
#include "cpu/isa/filter_groups.hpp"
#include "cpu/scratch.hpp"

namespace vq4j {
namespace {

constexpr int axes = 8;
constexpr int coordinates = axes + 1;  // the last one is the length of what is left

// Whether a codebook may have axes: with fewer codes or features the bounds cost what they save, with more features too much
// is left of the codes of images.
VQ4J_SHARED bool axes_may_pay(int64_t codes_count, int64_t features) {
    constexpr int64_t most_features = 128;
    return filters_by_axes && features >= 2 * axes && features <= most_features && codes_count >= least_codes_of_axes
        && codes_count * (features - axes - 3) >= least_values_of_axes;
}

// Memory of a codebook's axes.
struct CodebookAxes {
    float* directions;  // [D][axes]
    float* of_codes;    // [groups][coordinates][codes of a group]
    float* radii;       // of each group, at least the length of every code
    int64_t floats;
};

VQ4J_SHARED CodebookAxes codebook_axes(float* memory, int64_t codes_count, int64_t features) {
    const int64_t codes = panels_of(codes_count, tile_codes) * tile_codes;
    CodebookAxes found;
    found.directions = memory;
    found.of_codes = found.directions + features * axes;
    found.radii = found.of_codes + codes * coordinates;
    found.floats = found.radii + codes / group_codes - memory;
    return found;
}

VQ4J_SHARED float product_of(const float* a, const float* b, int64_t features) {
    Floats sum = all(0.0f);
    for_each_vector(features, [&](int64_t d, auto access) { sum = multiply_add(access.load(a + d), access.load(b + d), sum); });
    return add_lanes(sum);
}

// Makes the rows [axes][D] about orthonormal; one that depends on those before becomes zero.
VQ4J_SHARED void make_orthonormal(float* rows, int64_t features) {
    constexpr float least_left = 1e-8f;
    for (int a = 0; a < axes; ++a) {
        float* const row = rows + a * features;
        const float before = product_of(row, row, features);
        for (int pass = 0; pass < 2; ++pass) {
            for (int b = 0; b < a; ++b) {
                const float* const other = rows + b * features;
                const Floats product = all(product_of(row, other, features));
                for_each_vector(features, [=](int64_t d, auto access) {
                    access.store(row + d, access.load(row + d) - product * access.load(other + d));
                });
            }
        }
        const float left = product_of(row, row, features);
        const Floats scale = all(left > least_left * before ? 1.0f / std::sqrt(left) : 0.0f);
        for_each_vector(features, [=](int64_t d, auto access) { access.store(row + d, access.load(row + d) * scale); });
    }
}

// At least |P P' - 1|.
float distance_from_orthonormal(const float* rows, int64_t features) {
    double squares = 0.0;
    for (int a = 0; a < axes; ++a) {
        const bool is_axis = product_of(rows + a * features, rows + a * features, features) > 0.5f;
        for (int b = 0; b < axes; ++b) {
            double product = a == b && is_axis ? -1.0 : 0.0;
            for (int64_t d = 0; d < features; ++d) {
                product += static_cast<double>(rows[a * features + d]) * static_cast<double>(rows[b * features + d]);
            }
            squares += product * product;
        }
    }
    return static_cast<float>(std::sqrt(squares) + 1e-12) * round_up;
}

// Some groups of a codebook.
struct CodeSample {
    PackedCodebook<const float> packed;
    int64_t features;
    int64_t of_groups;
    int64_t groups;

    CodeSample(PackedCodebook<const float> codebook, int64_t codes_count, int64_t codebook_features)
        : packed(codebook), features(codebook_features), of_groups(codes_count / group_codes),
          groups(of_groups < most_groups ? of_groups : most_groups) {}

    const float* group(int64_t i) const { return group_of_codes(packed, features, i * of_groups / groups); }

private:
    static constexpr int64_t most_groups = 128 / group_codes;
};

// Squared lengths of all codes of a sample, and of what is along the axes.
struct SquaredLengths {
    float whole;
    float along;
};

// Adds, unless they are null, each code times its products with the rows [axes][D] to the sums [D][axes][lanes].
SquaredLengths multiply_sample(const CodeSample& sample, const float* rows, float* sums) {
    const int64_t features = sample.features;
    Floats whole = all(0.0f);
    Floats along = all(0.0f);
    for (int64_t i = 0; i < sample.groups; ++i) {
        const float* const group = sample.group(i);
        Floats product[axes];
        for (int a = 0; a < axes; ++a) {
            product[a] = all(0.0f);
        }
        for (int64_t d = 0; d < features; ++d) {
            const Floats values = load(group + d * tile_codes);
            whole = multiply_add(values, values, whole);
            for (int a = 0; a < axes; ++a) {
                product[a] = multiply_add(values, all(rows[a * features + d]), product[a]);
            }
        }
        for (int a = 0; a < axes; ++a) {
            along = multiply_add(product[a], product[a], along);
        }
        for (int64_t d = 0; sums != nullptr && d < features; ++d) {
            const Floats values = load(group + d * tile_codes);
            for (int a = 0; a < axes; ++a) {
                float* const sum = sums + (d * axes + a) * lanes;
                store(sum, multiply_add(values, product[a], load(sum)));
            }
        }
    }
    return {add_lanes(whole), add_lanes(along)};
}

// Looks for the axes along which the codes are longest, by two steps of the power method on a sample. Returns F / C (C + Z), or
// infinity where too much of the codes' length is not along the axes or they are not fit for the bound.
float find_axes(PackedCodebook<const float> packed, int64_t codes_count, int64_t features, CodebookAxes found) {
    constexpr int steps = 2;
    constexpr float most_outside = 0.25f;
    const CodeSample sample(packed, codes_count, features);
    const Scratch<float> memory(axes * features * (lanes + 1));
    float* const rows = memory.get();
    float* const sums = rows + axes * features;
    for (int a = 0; a < axes; ++a) {
        const float* const group = sample.group(a * sample.groups / axes);
        for (int64_t d = 0; d < features; ++d) {
            rows[a * features + d] = group[d * tile_codes + a % group_codes];
        }
    }
    make_orthonormal(rows, features);
    for (int step = 0; step < steps; ++step) {
        std::fill_n(sums, axes * features * lanes, 0.0f);
        multiply_sample(sample, rows, sums);
        for (int64_t i = 0; i < features * axes; ++i) {
            rows[i % axes * features + i / axes] = add_lanes(load(sums + i * lanes));
        }
        make_orthonormal(rows, features);
    }
    for (int64_t i = 0; i < features * axes; ++i) {
        found.directions[i] = rows[i % axes * features + i / axes];
    }
    const SquaredLengths squares = multiply_sample(sample, rows, nullptr);
    const float n = distance_from_orthonormal(rows, features);
    const float slack = 0.5f * score_slack(features) + 4.0f * n + static_cast<float>(6 * features + 32) * rounding_unit;
    const bool fit = n <= 1e-3f && squares.whole > 0.0f && squares.whole - squares.along <= most_outside * squares.whole;
    return fit ? slack * round_up : HUGE_VALF;
}

// Vectors, one a lane, along the axes.
struct Coordinates {
    Floats values[coordinates];  // the last one is at least the length of what is left
    Floats length;               // at least the vector's
};

// Of vectors whose feature d stands at columns + d * pitch.
VQ4J_SHARED Coordinates coordinates_of(const float* columns, int64_t pitch, int64_t features, const float* directions) {
    constexpr float rest_slack = 40.0f * rounding_unit;
    Coordinates of;
    for (int a = 0; a < axes; ++a) {
        of.values[a] = all(0.0f);
    }
    Floats squares = all(0.0f);
    for (int64_t d = 0; d < features; ++d) {
        const Floats value = load(columns + d * pitch);
        squares = multiply_add(value, value, squares);
        for (int a = 0; a < axes; ++a) {
            of.values[a] = multiply_add(value, all(directions[d * axes + a]), of.values[a]);
        }
    }
    Floats rest = all(0.0f);
    for (int64_t d = 0; d < features; ++d) {
        Floats left = load(columns + d * pitch);
        for (int a = 0; a < axes; ++a) {
            left = multiply_add(-of.values[a], all(directions[d * axes + a]), left);
        }
        rest = multiply_add(left, left, rest);
    }
    const float slack = score_slack(features);
    of.length = distances_from_above(squares, slack);
    of.values[axes] = multiply_add(of.length, all(rest_slack), distances_from_above(rest, slack)) * all(round_up);
    return of;
}

void pack_axes_panel(PackedCodebook<const float> packed, int64_t features, int64_t panel, CodebookAxes found) {
    for (int64_t group = panel * groups_of_panel; group < (panel + 1) * groups_of_panel; ++group) {
        const float* const codes = group_of_codes(packed, features, group);
        const Coordinates of = coordinates_of(codes, tile_codes, features, found.directions);
        for (int i = 0; i < coordinates; ++i) {
            store(found.of_codes + (group * coordinates + i) * group_codes, of.values[i]);
        }
        found.radii[group] = largest_lane(of.length);
    }
}

}  // namespace
}  // namespace vq4j

#endif
