// The gradient of a vector z through its replacement by e, for the estimators of status.h, in fp32. Sums run in the stripes of
// arithmetic.hpp.
#ifndef VQ4J_CORE_GRADIENT_ESTIMATOR_HPP
#define VQ4J_CORE_GRADIENT_ESTIMATOR_HPP

#include "core/elements.hpp"
#include "vq4j/status.h"

namespace vq4j {

// Below these squares a vector has no direction to speak of, and straight-through takes the estimator's place.
constexpr float rotation_least_square = 1e-12f;         // |z|^2 or |e|^2
constexpr float rotation_least_sum_square = 1e-4f;      // |z/|z| + e/|e||^2: within 0.01 of the opposite direction
constexpr float directed_least_square = 1e-24f;         // |e - z|^2

// Elements of one vector, d * stride apart. out_z may be grad; out_e is written by VQ4J_DIRECTED only.
struct EstimatedVector {
    const float* z;
    const float* e;
    const float* grad;
    float* out_z;
    float* out_e;
    int64_t stride;
    int64_t features;
};

VQ4J_SHARED void pass_straight_through(EstimatedVector v) {
    for (int64_t d = 0; d < v.features; ++d) {
        v.out_z[d * v.stride] = v.grad[d * v.stride];
    }
}

// u = z/|z|, v = e/|e|, s = u + v, r = |e|/|z|: out = r (g - 2 s (s.g)/|s|^2 + 2 u (v.g)).
VQ4J_SHARED void rotate_gradient(EstimatedVector vector) {
    const float* const z = vector.z;
    const float* const e = vector.e;
    const float* const g = vector.grad;
    const int64_t stride = vector.stride;
    const int64_t features = vector.features;
    const float z_square = squared_length(z, stride, features);
    const float e_square = squared_length(e, stride, features);
    if (!(z_square >= rotation_least_square && e_square >= rotation_least_square && is_finite(z_square)
            && is_finite(e_square))) {
        pass_straight_through(vector);
        return;
    }
    const float z_length = sqrtf(z_square);
    const float e_length = sqrtf(e_square);
    const float z_inverse = 1.0f / z_length;
    const float e_inverse = 1.0f / e_length;
    const auto sum = [=](int64_t d) {
        return fused_multiply_add(z[d * stride], z_inverse, e[d * stride] * e_inverse);
    };
    const float sum_square = striped_sum(features, [=](float total, int64_t d) {
        return fused_multiply_add(sum(d), sum(d), total);
    });
    if (!(sum_square >= rotation_least_sum_square)) {
        pass_straight_through(vector);
        return;
    }
    const float along_sum = striped_sum(features, [=](float total, int64_t d) {
        return fused_multiply_add(sum(d), g[d * stride], total);
    });
    const float along_e = dot_product(e, g, stride, features) * e_inverse;
    const float ratio = e_length / z_length;
    const float of_sum = -2.0f * (along_sum / sum_square);
    const float of_z = 2.0f * along_e * z_inverse;
    for (int64_t d = 0; d < features; ++d) {
        const float turned = fused_multiply_add(of_z, z[d * stride], fused_multiply_add(of_sum, sum(d), g[d * stride]));
        vector.out_z[d * stride] = ratio * turned;
    }
}

// x = e - z: out_e = x (x.g)/|x|^2, out_z = g - out_e.
VQ4J_SHARED void direct_gradient(EstimatedVector vector) {
    const float* const z = vector.z;
    const float* const e = vector.e;
    const float* const g = vector.grad;
    const int64_t stride = vector.stride;
    const int64_t features = vector.features;
    const auto difference = [=](int64_t d) { return e[d * stride] - z[d * stride]; };
    const float square = striped_sum(features, [=](float total, int64_t d) {
        return fused_multiply_add(difference(d), difference(d), total);
    });
    const bool has_direction = square >= directed_least_square && is_finite(square);
    const float along = striped_sum(features, [=](float total, int64_t d) {
        return fused_multiply_add(difference(d), g[d * stride], total);
    });
    const float share = has_direction ? along / square : 0.0f;
    for (int64_t d = 0; d < features; ++d) {
        const float of_code = has_direction ? share * difference(d) : 0.0f;
        vector.out_e[d * stride] = of_code;
        vector.out_z[d * stride] = g[d * stride] - of_code;
    }
}

VQ4J_SHARED void estimate_gradient_of_vector(bool rotates, EstimatedVector vector) {
    if (rotates) {
        rotate_gradient(vector);
    } else {
        direct_gradient(vector);
    }
}

}  // namespace vq4j

#endif
