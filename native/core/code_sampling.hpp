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
        const double uniform = (static_cast<double>(bits) + 0.5) * 0x1p-32;
        return scale * static_cast<double>(score) - natural_logarithm(-natural_logarithm(uniform));
    }

    // Whether the noisy score can be larger than another, whatever the bits: the largest noise is that of u = 1 - 2^-33.
    VQ4J_SHARED_MEMBER bool may_exceed(float score, double best) const {
        return scale * static_cast<double>(score) + 33.0 * logarithm_of_two_and_more > best;
    }

    // The same of given bits, without a logarithm: -ln(-ln u) <= -ln(1 - u) <= -ln 2^e, e the exponent of 1 - u.
    VQ4J_SHARED_MEMBER bool may_exceed(float score, uint32_t bits, double best) const {
        const double left = (static_cast<double>(~bits) + 0.5) * 0x1p-32;
        uint64_t left_bits;
        memcpy(&left_bits, &left, sizeof left);
        const double exponent = static_cast<double>(static_cast<int32_t>(left_bits >> 52) - 1023);
        return scale * static_cast<double>(score) - exponent * logarithm_of_two_and_more > best;
    }

private:
    // More than ln 2, by more than the rounding of the noise.
    static constexpr double logarithm_of_two_and_more = 0.69314719;
};

// The largest noisy score of a row so far and its code, the first of equal ones; scores come in the order of the codes.
struct SampledCode {
    double score;
    int32_t code;

    // The scores of codes first_code ... first_code + 3 of row n. Most need neither a draw nor a logarithm.
    VQ4J_SHARED_MEMBER void offer(const CodeSampling& sampling, int64_t n, int64_t first_code, const float* scores) {
        bool any = false;
        for (int64_t i = 0; i < codes_a_draw; ++i) {
            any |= sampling.may_exceed(scores[i], score);
        }
        if (!any) {
            return;
        }
        const RandomBits bits = sampling.draw(n, first_code);
        for (int64_t i = 0; i < codes_a_draw; ++i) {
            if (sampling.may_exceed(scores[i], bits.word[i], score)) {
                const double noisy = sampling.noisy(scores[i], bits.word[i]);
                if (noisy > score) {
                    score = noisy;
                    code = static_cast<int32_t>(first_code + i);
                }
            }
        }
    }
};

static inline CodeSampling code_sampling(int64_t codes_count, double temperature, uint64_t seed, uint64_t step) {
    return {2.0 / temperature, seed, purpose::sampled_code + step, (codes_count + codes_a_draw - 1) / codes_a_draw};
}

}  // namespace vq4j

#endif
