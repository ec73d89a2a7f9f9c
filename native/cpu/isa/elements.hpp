// Kernels that treat every element by itself: the affine of the codebook, weighted sums, optimiser steps. Bound by memory.
#ifndef VQ4J_CPU_ISA_ELEMENTS_HPP
#define VQ4J_CPU_ISA_ELEMENTS_HPP

#include "core/elements.hpp"
#include "cpu/kernels.hpp"

namespace vq4j {
namespace {

// Codes begin ... end of one group. A null shift leaves the product alone, as the gradient needs it.
void affine(const float* codebook, int64_t features, const float* scale, const float* shift, int64_t begin, int64_t end,
    float* out) {
    for (int64_t k = begin; k < end; ++k) {
        for (int64_t d = 0; d < features; ++d) {
            const int64_t at = k * features + d;
            out[at] = shift == nullptr ? scale[d] * codebook[at] : affine_element(scale[d], codebook[at], shift[d]);
        }
    }
}

void weighted_sum(float a, const float* x, float b, const float* y, int64_t count, float* out) {
    for (int64_t i = 0; i < count; ++i) {
        out[i] = weighted_sum_element(a, x[i], b, y[i]);
    }
}

void sgd(float* __restrict parameter, const float* __restrict gradient, float* __restrict velocity, int64_t count,
    float learning_rate, float momentum, float weight_decay) {
    if (velocity == nullptr) {
        for (int64_t i = 0; i < count; ++i) {
            float none = 0.0f;
            sgd_element(learning_rate, momentum, weight_decay, gradient[i], parameter[i], none);
        }
        return;
    }
    for (int64_t i = 0; i < count; ++i) {
        sgd_element(learning_rate, momentum, weight_decay, gradient[i], parameter[i], velocity[i]);
    }
}

void adam(const AdamStep& step, float* __restrict parameter, const float* __restrict gradient,
    float* __restrict first_moment, float* __restrict second_moment, int64_t count) {
    const AdamStep s = step;
    for (int64_t i = 0; i < count; ++i) {
        adam_element(s, gradient[i], parameter[i], first_moment[i], second_moment[i]);
    }
}

}  // namespace
}  // namespace vq4j

#endif
