// Bounds on a canonical score from a product of the row and the code in fp16, as tensor cores compute it: what
// cuda/tensor_assign.cu decides by. docs/tensor-core-filter.md derives them.
//
// z and c are a centred row and code, a and b what they are rounded to, h = -negative_h of the code.
#ifndef VQ4J_CORE_TENSOR_FILTER_HPP
#define VQ4J_CORE_TENSOR_FILTER_HPP

#include "core/half.hpp"
#include "core/score_bounds.hpp"

namespace vq4j {

constexpr int64_t filter_features = 32;            // rows and codes are filled with zeros to a multiple of it
constexpr int64_t most_filtered_features = 4096;   // the terms of second order of the proof hold up to there

VQ4J_SHARED int64_t filter_width(int64_t features) {
    return (features + filter_features - 1) / filter_features * filter_features;
}

// What is assumed of tensor cores: a product of k terms that is added to c is wrong by at most so much of
// |c| + the sum of the terms' magnitudes.
VQ4J_SHARED double tensor_core_error(int terms) {
    return 2.0 * terms * 0x1p-23;
}

// A power of two that brings numbers up to `largest` into fp16's range, and its inverse; zeros where there is none.
struct HalfScale {
    float up;
    float down;
};

VQ4J_SHARED HalfScale half_scale(float largest) {
    if (!is_finite(largest) || !(largest >= 0x1p-100f)) {
        return {0.0f, 0.0f};
    }
    const int exponent = static_cast<int>(bits_of_float(largest) >> 23) - 127;
    const int up = 14 - exponent;  // to below 2^15
    return {float_of_bits(static_cast<uint32_t>(127 + up) << 23), float_of_bits(static_cast<uint32_t>(127 - up) << 23)};
}

// A scaled number in fp16; what would be subnormal there is zero.
VQ4J_SHARED uint16_t filter_half(float value, HalfScale scale) {
    const uint16_t half = float16_of_float(value * scale.up);
    return (half & 0x7fffu) < 0x0400u ? static_cast<uint16_t>(0) : half;
}

// What rounding took away; exact.
VQ4J_SHARED float filter_residual(float value, uint16_t half, HalfScale scale) {
    return value - float_of_float16(half) * scale.down;
}

// More than the rounding of a canonical score, of the tensor cores and of the formulas below, relative to h + |z||c|.
VQ4J_SHARED float filter_slack(int64_t features) {
    return static_cast<float>(6 * filter_width(features) + 64) * rounding_unit;
}

// What the bounds need of a code.
struct CodeTerms {
    float of_residual;  // times |z - a|
    float of_length;    // times |z|
};

// length is at least |c|.
VQ4J_SHARED CodeTerms code_terms(float length, float residual_squares, int64_t features) {
    const float residual = distance_from_above(residual_squares, score_slack(features));
    return {length * (1.0f + 0x1p-10f), fused_multiply_add(filter_slack(features), length, residual)};
}

// What they need of a row. All scores of a row are scaled by `up`, as the sums of the tensor cores are.
struct RowTerms {
    float length;    // at least |z|, scaled
    float residual;  // at least |z - a|, scaled
    float up;        // 0: no bound holds
};

// length is at least |z|, code_radius at least the length of every code.
VQ4J_SHARED RowTerms row_terms(float length, float residual_squares, HalfScale row, HalfScale code, float code_radius,
        int64_t features) {
    const float up = row.up * code.up;
    // Above what any score, its parts and its bounds sum up to, as it is and scaled.
    const float scores = 8.0f * code_radius * (code_radius + length);
    if (!(up >= 0x1p-100f && up <= 0x1p100f && scores <= 0x1p126f && scores * up <= 0x1p126f)) {
        return {0.0f, 0.0f, 0.0f};
    }
    return {length * up, distance_from_above(residual_squares, score_slack(features)) * up, up};
}

// How far the canonical score, scaled, may be from what the tensor cores sum up, -h to begin with. Grows with h and each of
// the terms.
VQ4J_SHARED float filter_doubt(RowTerms row, CodeTerms code, float h, float slack) {
    return fused_multiply_add(row.residual, code.of_residual,
        fused_multiply_add(row.length, code.of_length, slack * row.up * h));
}

}  // namespace vq4j

#endif
