// The formulas of one element that the CPU and the CUDA kernels share; arithmetic.hpp has the rules. Those that are templates
// serve single numbers and the CPU's vectors.
#ifndef VQ4J_CORE_ELEMENTS_HPP
#define VQ4J_CORE_ELEMENTS_HPP

#include "core/arithmetic.hpp"

namespace vq4j {

// ---- loss and gradients ----------------------------------------------------------------------------------------

// Gradient of one input element: g + coefficient * (z - e).
template <typename Float>
VQ4J_SHARED Float input_gradient_element(Float grad, Float z, Float e, Float coefficient) {
    return fused_multiply_add(coefficient, z - e, grad);
}

// One row's share of an element of the codebook's gradient, nu * g + coefficient * (e - z), added to a sum.
template <typename Float>
VQ4J_SHARED Float add_codebook_gradient(Float sum, Float grad, Float z, Float e, Float coefficient, Float nu) {
    return sum + fused_multiply_add(coefficient, e - z, nu * grad);
}

// ---- norms over rows -------------------------------------------------------------------------------------------

VQ4J_SHARED float inverse_deviation(float variance, float epsilon) {
    return 1.0f / sqrtf(variance + epsilon);
}

template <typename Float>
VQ4J_SHARED Float normalized(Float z, Float mean, Float inverse) {
    return (z - mean) * inverse;
}

VQ4J_SHARED float normalize_element(float z, float mean, float inverse, float scale, float shift) {
    return fused_multiply_add(normalized(z, mean, inverse), scale, shift);
}

// Gradient of one input element. mean_grad and mean_product are the means over the group of grad * scale and of
// grad * scale * normalized: zero where the moments are constants.
VQ4J_SHARED float normalize_gradient_element(float grad, float scale, float normalized, float inverse, float mean_grad,
        float mean_product) {
    return fused_multiply_add(-normalized, mean_product, grad * scale - mean_grad) * inverse;
}

// ---- norms of rows ---------------------------------------------------------------------------------------------

constexpr float unit_norm_floor = 1e-12f;
constexpr float max_norm_radius = 10.0f;

// What a row is multiplied with by a row norm, from its squared length. unit: length 1; otherwise at most length 10.
VQ4J_SHARED float row_norm_factor(bool unit, float squared) {
    const float length = sqrtf(squared);
    if (unit) {
        return 1.0f / (length > unit_norm_floor ? length : unit_norm_floor);
    }
    return length > max_norm_radius ? max_norm_radius / length : 1.0f;
}

// Whether the factor depends on the row, so that the gradient loses its radial part.
VQ4J_SHARED bool row_norm_is_radial(bool unit, float squared) {
    return sqrtf(squared) > (unit ? unit_norm_floor : max_norm_radius);
}

// Gradient through a row norm; radial is dot(row, grad) / |row|^2, zero where the factor does not depend on the row.
template <typename Float>
VQ4J_SHARED Float row_norm_gradient_element(Float grad, Float z, Float factor, Float radial) {
    return fused_multiply_add(-radial, z, grad) * factor;
}

// ---- affine ----------------------------------------------------------------------------------------------------

constexpr float affine_variance_floor = 1e-8f;

VQ4J_SHARED float affine_element(float scale, float code, float shift) {
    return fused_multiply_add(scale, code, shift);
}

VQ4J_SHARED float affine_learned_scale(float rate, float parameter) {
    return fused_multiply_add(rate, parameter, 1.0f);
}

VQ4J_SHARED float affine_statistics_scale(float variance_z, float variance_c) {
    return sqrtf(variance_z / (variance_c + affine_variance_floor));
}

VQ4J_SHARED float affine_statistics_shift(float mean_z, float scale, float mean_c) {
    return fused_multiply_add(-scale, mean_c, mean_z);
}

// ---- sums ------------------------------------------------------------------------------------------------------

VQ4J_SHARED float weighted_sum_element(float a, float x, float b, float y) {
    return fused_multiply_add(a, x, b * y);
}

// ---- initialisation and replacement ----------------------------------------------------------------------------

// An element with noise: z + amount * N(0, 1).
VQ4J_SHARED float noisy_element(float z, float amount, float normal) {
    return fused_multiply_add(amount, normal, z);
}

// The code element whose affine image is x.
VQ4J_SHARED float inverse_affine_element(float x, float scale, float shift) {
    return scale != 0.0f ? (x - shift) / scale : x;
}

}  // namespace vq4j

#endif
