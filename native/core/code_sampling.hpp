// Sampling of codes by the Gumbel-max trick: of numbers a_k with independent Gumbel noise added, k has the largest with a
// probability proportional to exp(a_k). With a_k = 2 s_k / T, s_k the canonical score, that is exp(-|z - c_k|^2 / T).
#ifndef VQ4J_CORE_CODE_SAMPLING_HPP
#define VQ4J_CORE_CODE_SAMPLING_HPP

#include "core/random.hpp"

namespace vq4j {

// Numbers that one call of the generator gives, for as many codes that follow one another.
constexpr int64_t codes_a_draw = 4;

struct CodeSampling {
    double scale;  // 2 / temperature
    uint64_t seed;
    uint64_t purpose;
    int64_t draws_of_row;

    // The bits for codes first_code ... first_code + 3 of row n; first_code is a multiple of 4.
    VQ4J_SHARED_MEMBER RandomBits draw(int64_t n, int64_t first_code) const {
        const int64_t index = n * draws_of_row + first_code / codes_a_draw;
        return philox(seed, static_cast<uint64_t>(index), purpose, 0);
    }

    VQ4J_SHARED_MEMBER double noisy(float score, uint32_t bits) const {
        const double uniform = (static_cast<double>(bits) + 0.5) * (1.0 / 4294967296.0);
        return scale * static_cast<double>(score) - natural_logarithm(-natural_logarithm(uniform));
    }
};

static inline CodeSampling code_sampling(int64_t codes_count, double temperature, uint64_t seed, uint64_t step) {
    return {2.0 / temperature, seed, purpose::sampled_code + step, (codes_count + codes_a_draw - 1) / codes_a_draw};
}

}  // namespace vq4j

#endif
