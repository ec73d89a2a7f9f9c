// The arithmetic of sign codes: every feature becomes a bit, whose value is +scale or -scale. Lookup-free quantization
// (Yu et al., "Language Model Beats Diffusion: Tokenizer is Key to Visual Generation", arXiv 2310.05737) and, on rows
// of length 1, binary spherical quantization (Zhao, Xiong, Kraehenbuehl, arXiv 2406.07548).
#ifndef VQ4J_CORE_SIGN_CODE_HPP
#define VQ4J_CORE_SIGN_CODE_HPP

#include "core/elementary_functions.hpp"

namespace vq4j {

// The most bits of a code.
constexpr int64_t sign_code_features = 31;

VQ4J_SHARED int32_t sign_bit(float z) {
    return z > 0.0f ? 1 : 0;
}

VQ4J_SHARED float sign_value(int32_t bit, float scale) {
    return bit != 0 ? scale : -scale;
}

// Sums over rows of what the loss of one feature needs.
struct SignSums {
    double squared_error;  // (z - code)^2
    double entropy;        // H(p)
    double one;            // p
    double zero;           // 1 - p
};

VQ4J_SHARED SignSums sign_terms(float z, float scale, double sharpness) {
    const double error = static_cast<double>(z) - static_cast<double>(sign_value(sign_bit(z), scale));
    const BitDistribution bit = bit_distribution(sharpness * static_cast<double>(z));
    return {error * error, bit.entropy, bit.one, bit.zero};
}

VQ4J_SHARED SignSums add_terms(SignSums a, SignSums b) {
    return {a.squared_error + b.squared_error, a.entropy + b.entropy, a.one + b.one, a.zero + b.zero};
}

// What the gradient of a sign code's input is made of beside z and the task's gradient.
struct SignGradient {
    float scale;
    double sharpness;
    double commitment;  // of z - code
    double entropy;     // of the gradient of H(p) - diversity * H(mean p), the mean's 1 / N apart
    double diversity;
};

// With a the logit of p and m the logit of the mean of p: dH(p)/da = -a p (1 - p), and H(mean p) has -m for the -a.
VQ4J_SHARED float sign_gradient_element(const SignGradient& s, float z, float grad, double mean_logit) {
    const double logit = s.sharpness * static_cast<double>(z);
    const BitDistribution bit = bit_distribution(logit);
    const double error = static_cast<double>(z) - static_cast<double>(sign_value(sign_bit(z), s.scale));
    const double of_logit = bit.one * bit.zero * (s.diversity * mean_logit - logit);
    return static_cast<float>(
        static_cast<double>(grad) + s.commitment * error + s.entropy * (s.sharpness * of_logit));
}

// The losses from the sums over all rows: losses[0] the mean squared error over all elements, losses[1] the mean over
// rows of the sum of entropies, losses[2] the sum of the entropies of the mean probabilities; and the logits of those.
VQ4J_SHARED void finish_sign_losses(const SignSums* sums, int64_t rows, int64_t features, double* losses,
    double* mean_logits) {
    const double n = static_cast<double>(rows);
    double squared_error = 0.0;
    double entropy = 0.0;
    double batch_entropy = 0.0;
    for (int64_t d = 0; d < features; ++d) {
        const double one = sums[d].one / n;
        const double zero = sums[d].zero / n;
        const double logarithm_of_one = natural_logarithm(one);
        const double logarithm_of_zero = natural_logarithm(zero);
        squared_error = squared_error + sums[d].squared_error;
        entropy = entropy + sums[d].entropy;
        batch_entropy = batch_entropy - (one * logarithm_of_one + zero * logarithm_of_zero);
        mean_logits[d] = logarithm_of_one - logarithm_of_zero;
    }
    losses[0] = squared_error / (n * static_cast<double>(features));
    losses[1] = entropy / n;
    losses[2] = batch_entropy;
}

}  // namespace vq4j

#endif
