// Sums that do not depend on their order: fixed-point numbers in 64-bit integers, and tickets drawn from a row's bits.
#ifndef VQ4J_CORE_FIXED_POINT_HPP
#define VQ4J_CORE_FIXED_POINT_HPP

#include "core/layout.hpp"
#include "core/random.hpp"

namespace vq4j {

// 2^exponent, exactly; -1022 <= exponent <= 1023.
VQ4J_SHARED double power_of_two(int32_t exponent) {
    const int64_t bits = (static_cast<int64_t>(exponent) + 1023) << 52;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// A value, shifted and squared as asked for, times 2^exponent, to the nearest integer, to even on a tie. From 2^51 on, beyond
// what round_to_even rounds, the product is an integer, as it has 24 bits, and stays what it is.
VQ4J_SHARED int64_t fixed_point(float value, float shift, bool squared, double scale) {
    const float difference = value - shift;
    const float summand = squared ? difference * difference : difference;
    return static_cast<int64_t>(round_to_even(static_cast<double>(summand) * scale));
}

VQ4J_SHARED float from_fixed_point(int64_t sum, double scale, double divisor) {
    return static_cast<float>(static_cast<double>(sum) / scale / divisor);
}

VQ4J_SHARED uint64_t hash_of_row(const float* row, int64_t stride, int64_t features) {
    uint64_t hash = 0xcbf29ce484222325ull;
    for (int64_t d = 0; d < features; ++d) {
        uint32_t bits;
        memcpy(&bits, row + d * stride, sizeof bits);
        hash = (hash ^ bits) * 0x100000001b3ull;
    }
    return hash;
}

// A number below 2^63 that depends on the row's bits, the code and the step alone.
VQ4J_SHARED int64_t ticket(uint64_t hash_of_row, int64_t code, uint64_t seed, uint64_t step) {
    const uint64_t drawn = random_64(seed ^ hash_of_row, static_cast<uint64_t>(code), purpose::worker_ticket + step);
    return static_cast<int64_t>(drawn >> 1);
}

}  // namespace vq4j

#endif
