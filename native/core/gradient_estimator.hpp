// The gradient of a vector z through its replacement by e, for the estimators of status.h, in fp32: sums over the features in
// the stripes of arithmetic.hpp, numbers of the vector made of them, then a formula for each element.
#ifndef VQ4J_CORE_GRADIENT_ESTIMATOR_HPP
#define VQ4J_CORE_GRADIENT_ESTIMATOR_HPP

#include "core/arithmetic.hpp"

namespace vq4j {

// Below these squares a vector has no direction to speak of, and straight-through takes the estimator's place.
constexpr float rotation_least_square = 1e-12f;     // |z|^2, |e|^2
constexpr float rotation_least_sum_square = 1e-4f;  // |z/|z| + e/|e||^2: within 0.01 of the opposite direction
constexpr float directed_least_square = 1e-24f;     // |e - z|^2

// ---- rotation: u = z/|z|, v = e/|e|, s = u + v: |e|/|z| (g - 2 s (s.g)/|s|^2 + 2 u (v.g)) ---------------------------

// 1/|z| and 1/|e|; both 0, and with them u, v and s, where there is no rotation.
struct InverseLengths {
    float z;
    float e;
};

VQ4J_SHARED InverseLengths inverse_lengths(float z_square, float e_square) {
    const bool has_directions = z_square >= rotation_least_square && e_square >= rotation_least_square
        && is_finite(z_square) && is_finite(e_square);
    return {has_directions ? 1.0f / sqrtf(z_square) : 0.0f, has_directions ? 1.0f / sqrtf(e_square) : 0.0f};
}

// An element of u + v.
template <typename Float>
VQ4J_SHARED Float sum_of_directions(Float z, Float e, Float z_inverse, Float e_inverse) {
    return fused_multiply_add(z, z_inverse, e * e_inverse);
}

// What the elements of s, of z, and the whole are multiplied with.
struct Rotation {
    float of_sum;
    float of_z;
    float ratio;
};

VQ4J_SHARED Rotation rotation(float z_square, float e_square, InverseLengths inverse, float sum_square, float sum_g,
    float e_g) {
    if (!(sum_square >= rotation_least_sum_square)) {
        return {0.0f, 0.0f, 1.0f};
    }
    return {-2.0f * (sum_g / sum_square), 2.0f * (e_g * inverse.e) * inverse.z, sqrtf(e_square) / sqrtf(z_square)};
}

template <typename Float>
VQ4J_SHARED Float rotated_gradient_element(Float g, Float z, Float sum, Float of_sum, Float of_z, Float ratio) {
    return ratio * fused_multiply_add(of_z, z, fused_multiply_add(of_sum, sum, g));
}

// ---- directed: x = e - z: x (x.g)/|x|^2 for e, the rest of g for z --------------------------------------------------

// (x.g)/|x|^2; 0 where there is no direction.
VQ4J_SHARED float share_along_direction(float square, float along) {
    return square >= directed_least_square && is_finite(square) ? along / square : 0.0f;
}

}  // namespace vq4j

#endif
