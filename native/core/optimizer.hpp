// A step of an optimiser on one element of a parameter.
#ifndef VQ4J_CORE_OPTIMIZER_HPP
#define VQ4J_CORE_OPTIMIZER_HPP

#include "core/arithmetic.hpp"

namespace vq4j {

// Hyperparameters of one Adam step, rounded once from the doubles of the API.
struct AdamStep {
    float decay;
    float one_minus_beta1;
    float beta2;
    float one_minus_beta2;
    float step_size;
    float root_bias_correction2;
    float epsilon;
    float coupled_decay;
};

VQ4J_SHARED AdamStep adam_hyperparameters(int64_t step, double learning_rate, double beta1, double beta2, double epsilon,
        double weight_decay, bool decoupled) {
    // Powers by repeated squaring: the same bits with every C library.
    const auto power = [](double base, int64_t exponent) {
        double result = 1.0;
        for (; exponent > 0; exponent >>= 1, base *= base) {
            if (exponent & 1) {
                result *= base;
            }
        }
        return result;
    };
    AdamStep s;
    s.decay = static_cast<float>(decoupled ? 1.0 - learning_rate * weight_decay : 1.0);
    s.one_minus_beta1 = static_cast<float>(1.0 - beta1);
    s.beta2 = static_cast<float>(beta2);
    s.one_minus_beta2 = static_cast<float>(1.0 - beta2);
    s.step_size = static_cast<float>(learning_rate / (1.0 - power(beta1, step)));
    s.root_bias_correction2 = static_cast<float>(sqrt(1.0 - power(beta2, step)));
    s.epsilon = static_cast<float>(epsilon);
    s.coupled_decay = static_cast<float>(decoupled ? 0.0 : weight_decay);
    return s;
}

VQ4J_SHARED void adam_element(const AdamStep& s, float gradient, float& parameter, float& first, float& second) {
    float value = parameter * s.decay;
    const float g = fused_multiply_add(s.coupled_decay, parameter, gradient);
    first = fused_multiply_add(s.one_minus_beta1, g - first, first);
    second = fused_multiply_add(s.one_minus_beta2, g * g, s.beta2 * second);
    const float denominator = sqrtf(second) / s.root_bias_correction2 + s.epsilon;
    value = value - s.step_size * (first / denominator);
    parameter = value;
}

// velocity is the caller's zero where there is no momentum.
VQ4J_SHARED void sgd_element(float learning_rate, float momentum, float weight_decay, float gradient, float& parameter,
        float& velocity) {
    const float g = fused_multiply_add(weight_decay, parameter, gradient);
    velocity = fused_multiply_add(momentum, velocity, g);
    parameter = fused_multiply_add(-learning_rate, velocity, parameter);
}

}  // namespace vq4j

#endif
