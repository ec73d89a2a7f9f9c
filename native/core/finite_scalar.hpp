// The arithmetic of finite scalar quantization: Mentzer, Minnen, Agustsson, Tschannen, "Finite Scalar Quantization:
// VQ-VAE Made Simple", ICLR 2024, arXiv 2309.15505.
#ifndef VQ4J_CORE_FINITE_SCALAR_HPP
#define VQ4J_CORE_FINITE_SCALAR_HPP

#include "core/elementary_functions.hpp"

namespace vq4j {

// The most features that a code of 31 bits has: each has two levels at least.
constexpr int64_t finite_scalar_features = 30;

// One feature's levels. bounded(z) = tanh(z + shift) * half_range - offset is rounded to the nearest integer, which is
// one of -half_width ... levels - 1 - half_width.
struct FiniteScalarAxis {
    double half_range;
    double offset;
    double shift;
    double half_width;
    int32_t levels;
    int32_t place;  // what the feature's digit counts in a code
};

struct FiniteScalarGrid {
    FiniteScalarAxis axes[finite_scalar_features];
    int64_t codes_count;
};

// The level of an element, 0 ... levels - 1. The bound exceeds the outer levels by a thousandth of the range, which is
// more than half a level beyond 1,000 levels: hence the limits.
VQ4J_SHARED int32_t finite_scalar_digit(const FiniteScalarAxis& axis, float z) {
    const double bounded =
        hyperbolic_tangent(static_cast<double>(z) + axis.shift).value * axis.half_range - axis.offset;
    const double digit = round_to_even(bounded) + axis.half_width;
    const double last = static_cast<double>(axis.levels - 1);
    // Written so that NaN becomes a level too.
    const double at_least_first = digit > 0.0 ? digit : 0.0;
    return static_cast<int32_t>(least_of(at_least_first, last));
}

// The level's value, in [-1, 1].
VQ4J_SHARED float finite_scalar_value(const FiniteScalarAxis& axis, int32_t digit) {
    return static_cast<float>((static_cast<double>(digit) - axis.half_width) / axis.half_width);
}

// Straight through the rounding: g * d(bounded(z) / half_width) / dz.
VQ4J_SHARED float finite_scalar_gradient_element(const FiniteScalarAxis& axis, float z, float grad) {
    const double slope = hyperbolic_tangent(static_cast<double>(z) + axis.shift).slope;
    return static_cast<float>(static_cast<double>(grad) * (slope * axis.half_range / axis.half_width));
}

VQ4J_SHARED int32_t finite_scalar_digit_of_code(const FiniteScalarAxis& axis, int32_t code) {
    return code / axis.place % axis.levels;
}

}  // namespace vq4j

#endif
