// What bounds on canonical scores are made of, for the CPU's and the tensor cores' filters. e is 2^-24.
#ifndef VQ4J_CORE_SCORE_BOUNDS_HPP
#define VQ4J_CORE_SCORE_BOUNDS_HPP

#include "core/arithmetic.hpp"

namespace vq4j {

constexpr float rounding_unit = 0x1p-24f;    // e
constexpr float underflow_slack = 0x1p-100f;
constexpr float round_up = 1.0f + 4.0f * rounding_unit;
constexpr float round_down = 1.0f - 4.0f * rounding_unit;

// Twice the relative error of a sum of products and more; beyond 2^17 features the first-order terms of the proofs do not
// hold, and no bound decides.
VQ4J_SHARED float score_slack(int64_t features) {
    return features > (int64_t{1} << 17) ? HUGE_VALF : static_cast<float>(2 * features + 34) * rounding_unit;
}

// At least the distance whose computed square is `squared`.
VQ4J_SHARED float distance_from_above(float squared, float slack) {
    return sqrtf(squared * (1.0f + slack) + underflow_slack) * round_up;
}

}  // namespace vq4j

#endif
