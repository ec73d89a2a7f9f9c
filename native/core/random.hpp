// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, SC 2011), keyed by the seed. A number depends
// only on (seed, purpose, index), never on the order in which numbers are drawn.
#ifndef VQ4J_CORE_RANDOM_HPP
#define VQ4J_CORE_RANDOM_HPP

#include "core/elementary_functions.hpp"

namespace vq4j {

// What a number is drawn for; sets of numbers with different purposes are independent.
namespace purpose {
constexpr uint64_t seeding = 1ull << 40;
constexpr uint64_t repetition_noise = 2ull << 40;
constexpr uint64_t replacement_row = 3ull << 40;
constexpr uint64_t replacement_noise = 4ull << 40;
constexpr uint64_t sampled_row = 5ull << 40;
constexpr uint64_t stages_in_use = 9ull << 40;
constexpr uint64_t worker_ticket = 10ull << 40;
constexpr uint64_t sampled_code = 12ull << 40;
}  // namespace purpose

struct RandomBits {
    uint32_t word[4];
};

VQ4J_SHARED RandomBits philox(uint64_t seed, uint64_t index, uint64_t purpose, uint32_t attempt) {
    uint32_t c0 = static_cast<uint32_t>(index);
    uint32_t c1 = static_cast<uint32_t>(index >> 32);
    uint32_t c2 = static_cast<uint32_t>(purpose);
    // Purposes stay below 2^48: the attempt has the upper 16 bits to itself.
    uint32_t c3 = static_cast<uint32_t>(purpose >> 32) + (attempt << 16);
    uint32_t k0 = static_cast<uint32_t>(seed);
    uint32_t k1 = static_cast<uint32_t>(seed >> 32);
    for (int round = 0; round < 10; ++round) {
        const uint64_t p0 = 0xD2511F53ull * c0;
        const uint64_t p1 = 0xCD9E8D57ull * c2;
        const uint32_t n0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
        const uint32_t n2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
        c1 = static_cast<uint32_t>(p1);
        c3 = static_cast<uint32_t>(p0);
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return {{c0, c1, c2, c3}};
}

VQ4J_SHARED uint64_t random_64(uint64_t seed, uint64_t index, uint64_t purpose) {
    const RandomBits bits = philox(seed, index, purpose, 0);
    return (static_cast<uint64_t>(bits.word[1]) << 32) | bits.word[0];
}

// Uniform in [0, 1), 53 bits.
VQ4J_SHARED double uniform(uint64_t seed, uint64_t index, uint64_t purpose) {
    return static_cast<double>(random_64(seed, index, purpose) >> 11) * 0x1p-53;
}

// Uniform integer below bound (bound < 2^53: the bias is below 2^-53 * bound).
VQ4J_SHARED int64_t uniform_below(uint64_t seed, uint64_t index, uint64_t purpose, int64_t bound) {
    const int64_t value = static_cast<int64_t>(uniform(seed, index, purpose) * static_cast<double>(bound));
    return value < bound ? value : bound - 1;
}

// Standard normal by the polar method of Marsaglia.
VQ4J_SHARED float normal(uint64_t seed, uint64_t index, uint64_t purpose) {
    for (uint32_t attempt = 0;; ++attempt) {
        const RandomBits bits = philox(seed, index, purpose, attempt);
        for (int pair = 0; pair < 4; pair += 2) {
            const double u = (static_cast<double>(bits.word[pair]) + 0.5) * 0x1p-31 - 1.0;
            const double v = (static_cast<double>(bits.word[pair + 1]) + 0.5) * 0x1p-31 - 1.0;
            const double s = u * u + v * v;
            if (s < 1.0 && s > 0.0) {
                return static_cast<float>(u * sqrt(-2.0 * natural_logarithm(s) / s));
            }
        }
    }
}

}  // namespace vq4j

#endif
