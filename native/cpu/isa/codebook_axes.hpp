// Scores from above by a few axes of a codebook: where its codes lie near a plane of few dimensions, as those of images
// and autoencoders do, the product along these axes and the lengths of the rest bound a score, z.c <= x.y + |r| |q|.
//
// The bound. z and c are a centred row and code; P has `axes` rows, about orthonormal: n >= |P P' - 1|, in the Frobenius
// norm; n <= 1e-3. x = fl(P z), r = z - P'x; y and q likewise of the code; e = 2^-24, A = axes, Z = |z|, C >= |c| for all
// codes.
// 1. z.c = x.(P P')y + x.(P q) + (P r).y + r.q, in real numbers, whatever P, x and y are.
// 2. P q = (P c - y) - (P P' - 1) y, so |P q| <= 1.01 A^1/2 D e |c| + 1.02 n |c|, and so for r. With |x| <= 1.02 Z and
//    |y| <= 1.02 |c|: z.c <= x.y + |r| |q| + Z |c| (3.2 n + 2.1 A^1/2 D e).
// 3. r is computed with an error below (A + 1) e (1 + 1.1 A^1/2) Z < 40 e Z, which is added to its length, as is 2^-50 for
//    what underflows. So is the code's.
// 4. The score t is a chain of A + 1 fused multiply-adds from -h: its error is below 2.2 (A + 3) e C (C + Z).
// 5. So a canonical score s, within f of z.c - h (filtered_assign.hpp), is at most t + d with
//    d = f + C (C + Z) (4 n + (6 D + 32) e).
// What underflows in x or y is below that where C >= 2^-60; other codebooks have no axes.
#ifndef VQ4J_CPU_ISA_CODEBOOK_AXES_HPP
#define VQ4J_CPU_ISA_CODEBOOK_AXES_HPP

#include <cmath>

#include "cpu/codebook_filter.hpp"
#include "cpu/isa/assign.hpp"

namespace vq4j {
namespace {

constexpr int axes = 8;
constexpr int coordinates = axes + 1;  // the last: the length of the rest
constexpr int64_t least_features_of_axes = 3 * axes;
constexpr int64_t most_features_of_axes = 64;  // with more, the bytes of filtered_assign.hpp are as fast

// Memory of a codebook's axes.
struct CodebookAxes {
    float* directions;  // [D][axes]
    float* of_codes;    // [panels][coordinates][panel codes]
    int64_t floats;
};

CodebookAxes codebook_axes(float* memory, int64_t panels, int64_t features) {
    if (features < least_features_of_axes || features > most_features_of_axes) {
        return {nullptr, nullptr, 0};
    }
    float* const of_codes = memory + features * axes;
    return {memory, of_codes, features * axes + panels * coordinates * tile_codes};
}

// Orthonormal columns in fp64, [D][axes]; one that depends on those before becomes one of the basis.
void make_orthonormal(double (&columns)[most_features_of_axes][axes], int64_t features) {
    for (int a = 0; a < axes; ++a) {
        for (int attempt = 0; attempt < 2; ++attempt) {
            double before = 0.0;
            for (int64_t d = 0; d < features; ++d) {
                before += columns[d][a] * columns[d][a];
            }
            for (int pass = 0; pass < 2; ++pass) {
                for (int b = 0; b < a; ++b) {
                    double product = 0.0;
                    for (int64_t d = 0; d < features; ++d) {
                        product += columns[d][a] * columns[d][b];
                    }
                    for (int64_t d = 0; d < features; ++d) {
                        columns[d][a] -= product * columns[d][b];
                    }
                }
            }
            double length = 0.0;
            for (int64_t d = 0; d < features; ++d) {
                length += columns[d][a] * columns[d][a];
            }
            const bool depends = !(length > 1e-12 * before) || !(before > 0.0);
            const double scale = depends ? 0.0 : 1.0 / std::sqrt(length);
            for (int64_t d = 0; d < features; ++d) {
                columns[d][a] = depends ? (d == a ? 1.0 : 0.0) : columns[d][a] * scale;
            }
            if (!depends) {
                break;
            }
        }
    }
}

// Looks for the axes along which a sample of the codes is longest, by a few steps of the power method, and stores them.
// Returns n, or infinity where most of the codes' length is not along the axes or they are not fit for the bound.
float find_axes(PackedCodebook<const float> packed, int64_t codes_count, int64_t features, CodebookAxes stored) {
    constexpr int64_t most_sampled = 256;
    constexpr int steps = 3;
    constexpr double most_outside = 0.1;
    const int64_t sampled = codes_count < most_sampled ? codes_count : most_sampled;
    double sample[most_sampled][most_features_of_axes];
    double squares = 0.0;
    for (int64_t i = 0; i < sampled; ++i) {
        const int64_t k = i * codes_count / sampled;
        const float* const code = packed.codes + k / tile_codes * tile_codes * features + k % tile_codes;
        for (int64_t d = 0; d < features; ++d) {
            sample[i][d] = static_cast<double>(code[d * tile_codes]);
            squares += sample[i][d] * sample[i][d];
        }
    }
    double columns[most_features_of_axes][axes];
    for (int64_t d = 0; d < features; ++d) {
        for (int a = 0; a < axes; ++a) {
            columns[d][a] = sample[a * sampled / axes][d];
        }
    }
    make_orthonormal(columns, features);
    double along = 0.0;
    for (int step = 0; step < steps; ++step) {
        double turned[most_features_of_axes][axes] = {};
        along = 0.0;
        for (int64_t i = 0; i < sampled; ++i) {
            double product[axes] = {};
            for (int64_t d = 0; d < features; ++d) {
                for (int a = 0; a < axes; ++a) {
                    product[a] += sample[i][d] * columns[d][a];
                }
            }
            for (int a = 0; a < axes; ++a) {
                along += product[a] * product[a];
            }
            for (int64_t d = 0; d < features && step + 1 < steps; ++d) {
                for (int a = 0; a < axes; ++a) {
                    turned[d][a] += sample[i][d] * product[a];
                }
            }
        }
        if (step + 1 < steps) {
            for (int64_t d = 0; d < features; ++d) {
                for (int a = 0; a < axes; ++a) {
                    columns[d][a] = turned[d][a];
                }
            }
            make_orthonormal(columns, features);
        }
    }
    for (int64_t d = 0; d < features; ++d) {
        for (int a = 0; a < axes; ++a) {
            stored.directions[d * axes + a] = static_cast<float>(columns[d][a]);
        }
    }
    double difference = 0.0;
    for (int a = 0; a < axes; ++a) {
        for (int b = 0; b < axes; ++b) {
            double product = a == b ? -1.0 : 0.0;
            for (int64_t d = 0; d < features; ++d) {
                product += static_cast<double>(stored.directions[d * axes + a])
                    * static_cast<double>(stored.directions[d * axes + b]);
            }
            difference += product * product;
        }
    }
    const double n = std::sqrt(difference) + 1e-12;
    const bool fit = n <= 1e-3 && squares > 0.0 && squares - along <= most_outside * squares;
    return fit ? static_cast<float>(n) * round_up : std::numeric_limits<float>::infinity();
}

// Of step 5, the factor of C (C + Z).
float axes_slack(float n, int64_t features) {
    return (4.0f * n + static_cast<float>(6 * features + 32) * rounding_unit) * round_up;
}

constexpr float rest_slack = 40.0f * rounding_unit;

// Vectors, one a lane, along the axes.
struct Coordinates {
    Floats along[axes];
    float rest[lanes];    // at least what is left of the lane's vector
    float length[lanes];  // at least its length
};

// Of vectors whose feature d stands at columns + d * pitch.
VQ4J_SHARED Coordinates coordinates_of(const float* columns, int64_t pitch, int64_t features, const float* directions) {
    Coordinates of;
    for (int a = 0; a < axes; ++a) {
        of.along[a] = all(0.0f);
    }
    Floats squares = all(0.0f);
    for (int64_t d = 0; d < features; ++d) {
        const Floats value = load(columns + d * pitch);
        squares = multiply_add(value, value, squares);
        for (int a = 0; a < axes; ++a) {
            of.along[a] = multiply_add(value, all(directions[d * axes + a]), of.along[a]);
        }
    }
    Floats rest = all(0.0f);
    for (int64_t d = 0; d < features; ++d) {
        Floats left = load(columns + d * pitch);
        for (int a = 0; a < axes; ++a) {
            left = left - of.along[a] * all(directions[d * axes + a]);
        }
        rest = multiply_add(left, left, rest);
    }
    store(of.length, squares);
    store(of.rest, rest);
    const float slack = score_slack(features);
    for (int64_t i = 0; i < lanes; ++i) {
        of.length[i] = distance_from_above(of.length[i], slack);
        of.rest[i] = (distance_from_above(of.rest[i], slack) + rest_slack * of.length[i]) * round_up;
    }
    return of;
}

void pack_axes_panel(PackedCodebook<const float> packed, int64_t features, int64_t panel, CodebookAxes stored) {
    float* const to = stored.of_codes + panel * coordinates * tile_codes;
    for (int64_t first = 0; first < tile_codes; first += lanes) {
        const Coordinates codes = coordinates_of(packed.codes + panel * tile_codes * features + first, tile_codes,
            features, stored.directions);
        for (int a = 0; a < axes; ++a) {
            store(to + a * tile_codes + first, codes.along[a]);
        }
        store(to + axes * tile_codes + first, load(codes.rest));
    }
}

}  // namespace
}  // namespace vq4j

#endif
