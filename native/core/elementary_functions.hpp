// Logarithm, exponential and what is made of them, in fp64, of additions, multiplications and divisions only, so that every
// machine gives the same bits, which the functions of C libraries and of CUDA do not. No branches but selections: loops over
// them become vectors.
#ifndef VQ4J_CORE_ELEMENTARY_FUNCTIONS_HPP
#define VQ4J_CORE_ELEMENTARY_FUNCTIONS_HPP

#include "core/arithmetic.hpp"

namespace vq4j {

// constant + c1 x + c2 x^2 + ...
VQ4J_SHARED double polynomial(double, double constant) {
    return constant;
}

template <typename... Coefficients>
VQ4J_SHARED double polynomial(double x, double constant, Coefficients... higher) {
    return constant + x * polynomial(x, higher...);
}

// Added to a double below 2^51 and taken away again, it leaves the nearest integer, the even one on a tie.
constexpr double integer_rounder = 0x1.8p52;

VQ4J_SHARED double round_to_even(double x) {
    return (x + integer_rounder) - integer_rounder;
}

// Natural logarithm of a positive normal number, by the series of artanh.
VQ4J_SHARED double natural_logarithm(double x) {
    int64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int64_t exponent = (bits >> 52) - 1022;
    bits = (bits & 0x000fffffffffffffll) | 0x3fe0000000000000ll;
    double mantissa;
    memcpy(&mantissa, &bits, sizeof mantissa);
    if (mantissa < 0.70710678118654752) {
        mantissa = mantissa + mantissa;
        exponent -= 1;
    }
    const double f = (mantissa - 1.0) / (mantissa + 1.0);
    const double square = f * f;
    double series = 0.0;
    for (int term = 23; term >= 1; term -= 2) {
        series = series * square + 1.0 / static_cast<double>(term);
    }
    return static_cast<double>(exponent) * 0.69314718055994531 + 2.0 * f * series;
}

// ln(1 + x) for 0 <= x <= 1, without the rounding of 1 + x: 2 artanh(x / (2 + x)) by its series.
VQ4J_SHARED double logarithm_of_one_plus(double x) {
    const double f = x / (2.0 + x);
    return 2.0 * f
        * polynomial(f * f, 1.0, 1.0 / 3, 1.0 / 5, 1.0 / 7, 1.0 / 9, 1.0 / 11, 1.0 / 13, 1.0 / 15, 1.0 / 17, 1.0 / 19,
            1.0 / 21, 1.0 / 23, 1.0 / 25, 1.0 / 27, 1.0 / 29, 1.0 / 31);
}

// e^x = scale * (1 + rest), scale a power of two and |rest| < 0.42: what e^x and e^x - 1 need to lose no digits.
struct ExponentialParts {
    double scale;
    double rest;
};

// For |x| <= 700: x = k ln 2 + r, scale = 2^k, rest = e^r - 1 by its series.
VQ4J_SHARED ExponentialParts exponential_parts(double x) {
    const double shifted = x * 1.4426950408889634 + integer_rounder;  // k stands in the low bits
    const double k = shifted - integer_rounder;
    // ln 2 in two parts; the first has so few bits that its product with k is exact.
    const double r = (x - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10;
    const double rest = r
        * polynomial(r, 1.0, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040, 1.0 / 40320, 1.0 / 362880,
            1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800);
    uint64_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits << 52) + 0x3ff0000000000000ull;
    double scale;
    memcpy(&scale, &bits, sizeof scale);
    return {scale, rest};
}

VQ4J_SHARED double least_of(double a, double b) {
    return a < b ? a : b;
}

struct HyperbolicTangent {
    double value;  // tanh x
    double slope;  // its derivative 1 - tanh^2 x, without the cancellation of that formula
};

// By p = e^(-2|x|): tanh |x| = (1 - p) / (1 + p), slope = 4 p / (1 + p)^2.
VQ4J_SHARED HyperbolicTangent hyperbolic_tangent(double x) {
    const ExponentialParts parts = exponential_parts(-2.0 * least_of(fabs(x), 350.0));
    const double power = parts.scale + parts.scale * parts.rest;
    const double power_minus_one = (parts.scale - 1.0) + parts.scale * parts.rest;
    const double sum = 1.0 + power;
    const double magnitude = -power_minus_one / sum;
    return {x < 0.0 ? -magnitude : magnitude, 4.0 * power / (sum * sum)};
}

// A bit that is 1 with probability sigmoid(logit).
struct BitDistribution {
    double one;
    double zero;
    double entropy;  // -one ln one - zero ln zero
};

// By p = e^(-|logit|): the likelier value has 1 / (1 + p), the other p / (1 + p), and the entropy is
// ln(1 + p) + |logit| p / (1 + p). Beyond 600 as at 600, so that neither probability is ever 0.
VQ4J_SHARED BitDistribution bit_distribution(double logit) {
    const double size = least_of(fabs(logit), 600.0);
    const ExponentialParts parts = exponential_parts(-size);
    const double power = parts.scale + parts.scale * parts.rest;
    const double likelier = 1.0 / (1.0 + power);
    const double other = power * likelier;
    const double entropy = logarithm_of_one_plus(power) + size * other;
    return {logit < 0.0 ? other : likelier, logit < 0.0 ? likelier : other, entropy};
}

}  // namespace vq4j

#endif
