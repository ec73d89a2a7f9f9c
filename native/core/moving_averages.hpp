// Codebooks of moving averages: the arithmetic that the CPU and the CUDA kernels share beside weighted_sum_element.
#ifndef VQ4J_CORE_MOVING_AVERAGES_HPP
#define VQ4J_CORE_MOVING_AVERAGES_HPP

#include "core/arithmetic.hpp"

namespace vq4j {

// Laplace's smoothing of how often a code is used: no code is divided by zero.
VQ4J_SHARED float smoothed_size(float size, double total, int64_t codes_count, double epsilon) {
    const double share = (static_cast<double>(size) + epsilon) / (total + static_cast<double>(codes_count) * epsilon);
    return static_cast<float>(share * total);
}

// N_k of a code that starts anew.
VQ4J_SHARED float restarted_size(float size, int64_t count) {
    const float used = static_cast<float>(count);
    return used > size ? used : size;
}

}  // namespace vq4j

#endif
