// The remaining elementwise formulas that the CPU and the CUDA kernels share; arithmetic.hpp has the rules.
#ifndef VQ4J_CORE_ELEMENTS_HPP
#define VQ4J_CORE_ELEMENTS_HPP

#include "core/arithmetic.hpp"

namespace vq4j {

// ---- norms over rows -------------------------------------------------------------------------------------------

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

// z.g of two rows with the same stride.
VQ4J_SHARED float dot_product(const float* z, const float* g, int64_t stride, int64_t features) {
    return striped_sum(features, [=](float sum, int64_t d) {
        return fused_multiply_add(z[d * stride], g[d * stride], sum);
    });
}

// Gradient through a row norm; radial is dot(row, grad) / |row|^2, zero where the factor does not depend on the row.
template <typename Float>
VQ4J_SHARED Float row_norm_gradient_element(Float grad, Float z, Float factor, Float radial) {
    return fused_multiply_add(-radial, z, grad) * factor;
}

// ---- affine ----------------------------------------------------------------------------------------------------

VQ4J_SHARED float affine_learned_scale(float rate, float parameter) {
    return fused_multiply_add(rate, parameter, 1.0f);
}

VQ4J_SHARED float affine_statistics_scale(float variance_z, float variance_c) {
    return sqrtf(variance_z / (variance_c + affine_variance_floor));
}

VQ4J_SHARED float affine_statistics_shift(float mean_z, float scale, float mean_c) {
    return fused_multiply_add(-scale, mean_c, mean_z);
}

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
