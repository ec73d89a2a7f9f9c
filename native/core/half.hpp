// 16-bit numbers as fp32 and back, by integer arithmetic: the same bits everywhere, in loops that compilers turn into
// vectors. FLOAT16 is IEEE binary16; BFLOAT16 the upper half of an fp32 number.
#ifndef VQ4J_CORE_HALF_HPP
#define VQ4J_CORE_HALF_HPP

#include "core/arithmetic.hpp"

namespace vq4j {

VQ4J_SHARED float float_of_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

VQ4J_SHARED uint32_t bits_of_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

// Exact. A NaN becomes quiet and keeps what it carries.
VQ4J_SHARED float float_of_float16(uint16_t half) {
    const uint32_t magnitude = half & 0x7fffu;
    const uint32_t exponent_step = 0x38000000u;  // 112 in the exponent: what the biases differ by
    const uint32_t normal = (magnitude << 13) + exponent_step;
    // Below 2^-14 a number is so many times 2^-24.
    const uint32_t subnormal = bits_of_float(static_cast<float>(static_cast<int32_t>(magnitude)) * 0x1p-24f);
    const uint32_t special = (normal + exponent_step) | (magnitude > 0x7c00u ? 0x00400000u : 0u);
    const uint32_t bits = magnitude < 0x0400u ? subnormal : magnitude < 0x7c00u ? normal : special;
    return float_of_bits(bits | static_cast<uint32_t>(half & 0x8000u) << 16);
}

// To the nearest, ties to even; from 65520 on to infinity. A NaN becomes quiet.
VQ4J_SHARED uint16_t float16_of_float(float value) {
    const uint32_t magnitude = bits_of_float(value) & 0x7fffffffu;
    const uint32_t rebiased = magnitude - 0x38000000u;
    const uint32_t rounded = (rebiased + 0xfffu + (rebiased >> 13 & 1u)) >> 13;
    const uint32_t normal = rounded < 0x7c00u ? rounded : 0x7c00u;
    // A number of units of 2^-24, which the addition of 2^23 rounds to an integer.
    const float units = float_of_bits(magnitude) * 0x1p24f;
    const uint32_t subnormal = bits_of_float(units + 0x1p23f) - bits_of_float(0x1p23f);
    const uint32_t not_a_number = 0x7e00u | (magnitude >> 13 & 0x1ffu);
    const uint32_t bits = magnitude > 0x7f800000u ? not_a_number : magnitude < 0x38800000u ? subnormal : normal;
    return static_cast<uint16_t>(bits | (bits_of_float(value) >> 16 & 0x8000u));
}

VQ4J_SHARED float float_of_bfloat16(uint16_t half) {
    const uint32_t bits = static_cast<uint32_t>(half) << 16;
    return float_of_bits(bits | ((bits & 0x7fffffffu) > 0x7f800000u ? 0x00400000u : 0u));
}

VQ4J_SHARED uint16_t bfloat16_of_float(float value) {
    const uint32_t bits = bits_of_float(value);
    const uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
    const uint32_t not_a_number = bits >> 16 | 0x40u;
    return static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? not_a_number : rounded);
}

// The two types, as what templates take.
struct Float16 {
    static VQ4J_SHARED_MEMBER float widen(uint16_t half) { return float_of_float16(half); }
    static VQ4J_SHARED_MEMBER uint16_t narrow(float value) { return float16_of_float(value); }
};

struct Bfloat16 {
    static VQ4J_SHARED_MEMBER float widen(uint16_t half) { return float_of_bfloat16(half); }
    static VQ4J_SHARED_MEMBER uint16_t narrow(float value) { return bfloat16_of_float(value); }
};

}  // namespace vq4j

#endif
