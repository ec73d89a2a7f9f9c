// The quantizers without a codebook and the functions they are made of, against plain references in long double, on
// each implementation; then all outputs of the implementations against each other, bit for bit.
#include <map>
#include <numeric>
#include <set>

#include "checks.hpp"
#include "core/elementary_functions.hpp"

namespace vq4j::testing {
namespace {

using Real = long double;
using Codes = std::vector<int32_t>;

// ---- elementary functions --------------------------------------------------------------------------------------

// Of all magnitudes and both signs.
std::vector<double> arguments(double largest) {
    std::vector<double> all = {0.0, 1e-300, 1e-30, 0.34657, 0.34658, 0.70710678118654752, largest};
    std::mt19937_64 generator(1);
    std::uniform_real_distribution<double> exponent(-30.0, std::log2(largest));
    for (int i = 0; i < 100000; ++i) {
        all.push_back(std::exp2(exponent(generator)));
    }
    const size_t positive = all.size();
    for (size_t i = 0; i < positive; ++i) {
        all.push_back(-all[i]);
    }
    return all;
}

double relative_error(double actual, Real expected) {
    const Real difference = std::fabs(static_cast<Real>(actual) - expected);
    return static_cast<double>(expected == 0.0L ? difference : difference / std::fabs(expected));
}

// Half a unit in the last place of a float, but for what a double cannot tell.
bool is_rounded(float actual, Real expected) {
    const float size = std::fabs(actual);
    const Real unit = static_cast<Real>(std::nextafter(size, infinity)) - static_cast<Real>(size);
    return std::fabs(static_cast<Real>(actual) - expected) <= 0.5L * unit * (1.0L + 1e-6L);
}

void the_exponential_has_15_digits(Implementation&) {
    double worst = 0.0;
    for (const double x : arguments(700.0)) {
        const ExponentialParts parts = exponential_parts(x);
        worst = std::max(worst, relative_error(parts.scale + parts.scale * parts.rest, std::exp(static_cast<Real>(x))));
    }
    CHECK(worst < 5e-16);
}

void tanh_and_its_derivative_round_to_the_nearest_float(Implementation&) {
    double worst = 0.0;
    for (const double x : arguments(300.0)) {
        const HyperbolicTangent tangent = hyperbolic_tangent(x);
        const Real cosine = std::cosh(static_cast<Real>(x));
        worst = std::max(worst, relative_error(tangent.value, std::tanh(static_cast<Real>(x))));
        worst = std::max(worst, relative_error(tangent.slope, 1.0L / (cosine * cosine)));
        CHECK(is_rounded(static_cast<float>(tangent.value), std::tanh(static_cast<Real>(x))));
    }
    CHECK(worst < 2e-15);
    CHECK(hyperbolic_tangent(1e300).value == 1.0 && hyperbolic_tangent(-1e300).value == -1.0);
    CHECK(hyperbolic_tangent(1e300).slope < 1e-300);
}

void logarithms_have_15_digits(Implementation&) {
    double worst = 0.0;
    for (const double x : arguments(1.0)) {
        if (x > 0.0) {
            worst = std::max(worst, relative_error(natural_logarithm(x), std::log(static_cast<Real>(x))));
            worst = std::max(worst, relative_error(logarithm_of_one_plus(x), std::log1p(static_cast<Real>(x))));
        }
    }
    CHECK(worst < 2e-15);
    CHECK(natural_logarithm(1.0) == 0.0 && logarithm_of_one_plus(0.0) == 0.0);
}

Real binary_entropy(Real logit) {
    const Real size = std::fabs(logit);
    const Real power = std::exp(-size);
    return std::log1p(power) + size * power / (1.0L + power);
}

void a_bits_distribution_keeps_its_digits_in_the_tails(Implementation&) {
    double worst = 0.0;
    for (const double logit : arguments(600.0)) {
        const BitDistribution bit = bit_distribution(logit);
        worst = std::max(worst, relative_error(bit.one, 1.0L / (1.0L + std::exp(-static_cast<Real>(logit)))));
        worst = std::max(worst, relative_error(bit.zero, 1.0L / (1.0L + std::exp(static_cast<Real>(logit)))));
        worst = std::max(worst, relative_error(bit.entropy, binary_entropy(static_cast<Real>(logit))));
    }
    CHECK(worst < 3e-15);
    CHECK(bit_distribution(1e300).zero > 0.0 && bit_distribution(-1e300).one > 0.0);
}

void integers_are_rounded_to_even(Implementation&) {
    for (const double x : {0.0, 0.5, 1.5, 2.5, 0.49999999999999994, 1073741823.5, 12345.678}) {
        CHECK(round_to_even(x) == std::nearbyint(x));
        CHECK(round_to_even(-x) == std::nearbyint(-x));
    }
}

// ---- finite scalars --------------------------------------------------------------------------------------------

const std::vector<std::vector<int32_t>> grids = {
    {2}, {3}, {8, 5, 5, 5}, {7, 5, 5, 5, 5}, {2, 3, 4, 5, 6, 7, 8, 9, 10}, {1200, 2, 1201},
    std::vector<int32_t>(30, 2)};

// Outer and inner sizes: one row, primes, more than a chunk, borders inside blocks of rows.
const std::vector<std::pair<int64_t, int64_t>> places = {{1, 1}, {1, 67}, {331, 1}, {3, 50}, {5, 211}};

struct ReferenceAxis {
    int32_t levels;

    Real half_range() const { return static_cast<Real>(levels - 1) * 1.001L / 2.0L; }
    Real offset() const { return levels % 2 == 0 ? 0.5L : 0.0L; }
    Real shift() const { return std::atanh(offset() / half_range()); }
    Real half_width() const { return static_cast<Real>(levels / 2); }
    Real bounded(Real z) const { return std::tanh(z + shift()) * half_range() - offset(); }
    Real level(Real z) const {
        return std::clamp(std::nearbyint(bounded(z)), -half_width(), static_cast<Real>(levels - 1) - half_width());
    }
};

int64_t product(const std::vector<int32_t>& levels) {
    return std::accumulate(levels.begin(), levels.end(), int64_t{1}, std::multiplies<>());
}

struct Quantized {
    Floats values;
    Codes codes;
};

Quantized quantize(Implementation& on, const Floats& rows, Shape shape, const std::vector<int32_t>& levels) {
    const Array<float> z(on, rows);
    const Array<float> out(on, shape.size());
    const Array<int32_t> codes(on, shape.rows());
    CHECK_OK(on->finite_scalar_quantize(z, shape.outer, shape.inner, shape.features, levels.data(), out, codes));
    return {out.read(), codes.read()};
}

Floats decode(Implementation& on, const Codes& values, Shape shape, const std::vector<int32_t>& levels) {
    const Array<int32_t> codes(on, values);
    const Array<float> out(on, shape.size());
    CHECK_OK(on->finite_scalar_decode(codes, shape.outer, shape.inner, shape.features, levels.data(), out));
    return out.read();
}

void finite_scalars_are_the_rounded_bounded_features(Implementation& on) {
    for (const std::vector<int32_t>& levels : grids) {
        for (const auto& [outer, inner] : places) {
            const Shape shape{outer, inner, static_cast<int64_t>(levels.size())};
            const Floats rows = random_floats(shape.size(), 2, 0.1f, 2.0f);
            const Quantized quantized = quantize(on, rows, shape, levels);
            for (int64_t n = 0; n < shape.rows(); ++n) {
                int64_t code = 0;
                int64_t place = 1;
                for (int64_t d = 0; d < shape.features; ++d) {
                    const ReferenceAxis axis{levels[static_cast<size_t>(d)]};
                    const Real level = axis.level(static_cast<Real>(rows[shape.at(n, d)]));
                    CHECK(quantized.values[shape.at(n, d)] == static_cast<float>(level / axis.half_width()));
                    code += place * static_cast<int64_t>(level + axis.half_width());
                    place *= axis.levels;
                }
                CHECK(quantized.codes[static_cast<size_t>(n)] == code);
            }
            CHECK(decode(on, quantized.codes, shape, levels) == quantized.values);
        }
    }
}

void every_code_decodes_to_values_that_have_this_code(Implementation& on) {
    for (const std::vector<int32_t>& levels : {std::vector<int32_t>{8, 5, 5, 5}, {2, 2, 2}, {1201, 2}, {3}}) {
        const Shape shape{product(levels), 1, static_cast<int64_t>(levels.size())};
        Codes all(static_cast<size_t>(shape.rows()));
        std::iota(all.begin(), all.end(), 0);
        const Floats values = decode(on, all, shape, levels);
        Floats rows(values.size());
        for (size_t i = 0; i < values.size(); ++i) {
            CHECK(values[i] >= -1.0f && values[i] <= 1.0f);
            // The input whose bound is the level.
            const ReferenceAxis axis{levels[i % levels.size()]};
            const Real bounded = static_cast<Real>(values[i]) * axis.half_width();
            const Real ratio = (std::nearbyint(bounded) + axis.offset()) / axis.half_range();
            rows[i] = static_cast<float>(std::atanh(std::clamp(ratio, -0.9999999L, 0.9999999L)) - axis.shift());
        }
        const Quantized quantized = quantize(on, rows, shape, levels);
        CHECK(quantized.codes == all);
        CHECK(quantized.values == values);
    }
}

void features_far_away_take_the_outer_levels(Implementation& on) {
    for (const std::vector<int32_t>& levels : grids) {
        const Shape shape{2, 1, static_cast<int64_t>(levels.size())};
        Floats rows(static_cast<size_t>(shape.size()), 3e38f);
        std::fill(rows.begin() + shape.features, rows.end(), -3e38f);
        CHECK((quantize(on, rows, shape, levels).codes == Codes{static_cast<int32_t>(product(levels) - 1), 0}));
    }
}

void zero_is_the_middle_level(Implementation& on) {
    const std::vector<int32_t> levels = {2, 3, 4, 5, 1000};
    CHECK((quantize(on, Floats(5), {1, 1, 5}, levels).values == Floats(5, 0.0f)));
}

void codes_alone_are_the_same_codes(Implementation& on) {
    const std::vector<int32_t> levels = {8, 5, 5};
    const Shape shape{3, 50, 3};
    const Floats rows = random_floats(shape.size(), 3);
    const Array<float> z(on, rows);
    const Array<int32_t> codes(on, shape.rows());
    CHECK_OK(on->finite_scalar_quantize(z, 3, 50, 3, levels.data(), nullptr, codes));
    CHECK(codes.read() == quantize(on, rows, shape, levels).codes);
    CHECK_OK(on->sign_quantize(z, 3, 50, 3, 1.0f, nullptr, codes));
    codes.read();
}

void finite_scalar_gradient_is_that_of_the_bound(Implementation& on) {
    for (const std::vector<int32_t>& levels : grids) {
        for (const auto& [outer, inner] : places) {
            const Shape shape{outer, inner, static_cast<int64_t>(levels.size())};
            const Floats rows = random_floats(shape.size(), 4, 0.0f, 2.0f);
            const Floats upstream = random_floats(shape.size(), 5);
            const Array<float> z(on, rows);
            const Array<float> grad(on, upstream);
            const Array<float> out(on, shape.size());
            CHECK_OK(on->finite_scalar_gradient(z, grad, outer, inner, shape.features, levels.data(), out));
            // In place.
            CHECK_OK(on->finite_scalar_gradient(z, grad, outer, inner, shape.features, levels.data(), grad));
            const Floats result = out.read();
            CHECK(grad.read() == result);
            for (int64_t n = 0; n < shape.rows(); ++n) {
                for (int64_t d = 0; d < shape.features; ++d) {
                    const ReferenceAxis axis{levels[static_cast<size_t>(d)]};
                    const size_t i = shape.at(n, d);
                    const Real x = static_cast<Real>(rows[i]);
                    const Real step = 1e-5L;
                    const Real difference = (axis.bounded(x + step) - axis.bounded(x - step)) / (2.0L * step);
                    const Real expected = static_cast<Real>(upstream[i]) * difference / axis.half_width();
                    CHECK(std::fabs(static_cast<Real>(result[i]) - expected) <= 1e-7L * std::fabs(expected) + 1e-9L);
                }
            }
        }
    }
}

void bad_arguments_of_finite_scalars_are_named(Implementation& on) {
    const Shape shape{3, 50, 2};
    const std::vector<int32_t> levels = {8, 5};
    Floats rows = random_floats(shape.size(), 6);
    const Array<float> good(on, rows);
    rows[shape.at(141, 1)] = nan;
    rows[shape.at(77, 0)] = -infinity;
    const Array<float> bad(on, rows);
    const Array<float> out(on, shape.size());
    const Array<int32_t> codes(on, Codes(150, 40));
    CHECK_FAILS(on->finite_scalar_quantize(bad, 3, 50, 2, levels.data(), out, codes), VQ4J_NOT_FINITE, "z", "row 77");
    CHECK_FAILS(on->finite_scalar_gradient(good, bad, 3, 50, 2, levels.data(), bad), VQ4J_NOT_FINITE, "gradient",
        "row 77");
    const Array<int32_t> out_of_range(on, Codes{39, 40, -1});
    CHECK_FAILS(on->finite_scalar_decode(out_of_range, 3, 1, 2, levels.data(), out), VQ4J_INVALID_ARGUMENT, "code 40",
        "row 1", "< 40");
    const std::vector<int32_t> one_level = {8, 1};
    CHECK_FAILS(on->finite_scalar_quantize(good, 3, 50, 2, one_level.data(), out, codes), VQ4J_INVALID_ARGUMENT,
        "2 levels", "got 1", "feature 1");
    const std::vector<int32_t> too_many = {65536, 32768};
    CHECK_FAILS(on->finite_scalar_quantize(good, 3, 50, 2, too_many.data(), out, codes), VQ4J_INVALID_ARGUMENT,
        "2147483647", "feature 1");
    const std::vector<int32_t> too_long(31, 2);
    CHECK_FAILS(on->finite_scalar_quantize(good, 1, 1, 31, too_long.data(), out, codes), VQ4J_INVALID_ARGUMENT,
        "2147483647", "feature 30");
    CHECK_FAILS(on->finite_scalar_quantize(good, 3, 50, 2, nullptr, out, codes), VQ4J_INVALID_ARGUMENT, "null");
}

// ---- sign codes ------------------------------------------------------------------------------------------------

const std::vector<int64_t> bit_counts = {1, 2, 7, 18, 31};

void sign_codes_are_the_signs(Implementation& on) {
    for (const int64_t features : bit_counts) {
        for (const auto& [outer, inner] : places) {
            const Shape shape{outer, inner, features};
            Floats rows = random_floats(shape.size(), 7);
            rows[0] = 0.0f;
            rows[rows.size() - 1] = -0.0f;
            const Array<float> z(on, rows);
            const Array<float> out(on, shape.size());
            const Array<float> decoded(on, shape.size());
            const Array<int32_t> codes(on, shape.rows());
            CHECK_OK(on->sign_quantize(z, outer, inner, features, 0.25f, out, codes));
            CHECK_OK(on->sign_decode(codes, outer, inner, features, 0.25f, decoded));
            const Floats values = out.read();
            CHECK(decoded.read() == values);
            const Codes numbers = codes.read();
            for (int64_t n = 0; n < shape.rows(); ++n) {
                int64_t code = 0;
                for (int64_t d = 0; d < features; ++d) {
                    const bool positive = rows[shape.at(n, d)] > 0.0f;
                    code += positive ? int64_t{1} << d : 0;
                    CHECK(values[shape.at(n, d)] == (positive ? 0.25f : -0.25f));
                }
                CHECK(numbers[static_cast<size_t>(n)] == code);
            }
        }
    }
}

// The losses of layers.md's kind for sign codes, and everything their gradient needs, in long double.
struct SignReference {
    Shape shape;
    Real scale;
    Real sharpness;

    Real error(const std::vector<Real>& z, const std::vector<Real>& code) const {
        Real sum = 0.0L;
        for (size_t i = 0; i < z.size(); ++i) {
            sum += (z[i] - code[i]) * (z[i] - code[i]);
        }
        return sum / static_cast<Real>(z.size());
    }

    Real sample_entropy(const std::vector<Real>& z) const {
        Real sum = 0.0L;
        for (const Real value : z) {
            sum += binary_entropy(sharpness * value);
        }
        return sum / static_cast<Real>(shape.rows());
    }

    // Mean of p and of 1 - p.
    std::pair<Real, Real> mean_bit(const std::vector<Real>& z, int64_t d) const {
        Real one = 0.0L;
        Real zero = 0.0L;
        for (int64_t n = 0; n < shape.rows(); ++n) {
            const Real logit = sharpness * z[shape.at(n, d)];
            one += 1.0L / (1.0L + std::exp(-logit)) / static_cast<Real>(shape.rows());
            zero += 1.0L / (1.0L + std::exp(logit)) / static_cast<Real>(shape.rows());
        }
        return {one, zero};
    }

    Real batch_entropy(const std::vector<Real>& z) const {
        Real sum = 0.0L;
        for (int64_t d = 0; d < shape.features; ++d) {
            const auto [one, zero] = mean_bit(z, d);
            sum -= one * std::log(one) + zero * std::log(zero);
        }
        return sum;
    }
};

void check_relative(const std::vector<double>& actual, const std::vector<Real>& expected, int line) {
    for (size_t i = 0; i < expected.size(); ++i) {
        check(relative_error(actual[i], expected[i]) < 1e-12, "the value of long double", line);
    }
}

void sign_losses_follow_their_formulas(Implementation& on) {
    for (const int64_t features : bit_counts) {
        for (const auto& [outer, inner] : places) {
            for (const double sharpness : {0.5, 20.0}) {
                const Shape shape{outer, inner, features};
                const Floats rows = random_floats(shape.size(), 8, 0.2f);
                const Array<float> z(on, rows);
                const Array<double> losses(on, 3);
                const Array<double> mean_logits(on, features);
                CHECK_OK(on->sign_losses(z, outer, inner, features, 0.5f, sharpness, losses, mean_logits));
                const SignReference reference{shape, 0.5L, static_cast<Real>(sharpness)};
                const std::vector<Real> exact(rows.begin(), rows.end());
                std::vector<Real> code;
                for (const float value : rows) {
                    code.push_back(value > 0.0f ? 0.5L : -0.5L);
                }
                std::vector<Real> logits;
                for (int64_t d = 0; d < features; ++d) {
                    const auto [one, zero] = reference.mean_bit(exact, d);
                    logits.push_back(std::log(one) - std::log(zero));
                }
                check_relative(losses.read(),
                    {reference.error(exact, code), reference.sample_entropy(exact), reference.batch_entropy(exact)},
                    __LINE__);
                // Logits may be near zero by cancellation of logarithms.
                CHECK_CLOSE(mean_logits.read(), Doubles(logits.begin(), logits.end()), 1e-12);
            }
        }
    }
}

void the_entropy_of_bits_is_that_of_whole_codes(Implementation& on) {
    const Shape shape{11, 1, 6};
    const Floats rows = random_floats(shape.size(), 9);
    const Real temperature = 1.7L;
    const Real scale = 0.5L;
    Real expected = 0.0L;
    for (int64_t n = 0; n < shape.rows(); ++n) {
        // The softmax of temperature * z.c over all 64 codes.
        std::vector<Real> weights;
        for (int code = 0; code < 64; ++code) {
            Real product = 0.0L;
            for (int64_t d = 0; d < shape.features; ++d) {
                product += static_cast<Real>(rows[shape.at(n, d)]) * ((code >> d & 1) != 0 ? scale : -scale);
            }
            weights.push_back(std::exp(temperature * product));
        }
        const Real total = std::accumulate(weights.begin(), weights.end(), 0.0L);
        for (const Real weight : weights) {
            expected -= weight / total * std::log(weight / total) / static_cast<Real>(shape.rows());
        }
    }
    const Array<float> z(on, rows);
    const Array<double> losses(on, 3);
    const Array<double> mean_logits(on, 6);
    CHECK_OK(on->sign_losses(z, 11, 1, 6, 0.5f, static_cast<double>(2.0L * temperature * scale), losses, mean_logits));
    CHECK(relative_error(losses.read()[1], expected) < 1e-12);
}

void sign_gradient_is_the_derivative_of_the_losses(Implementation& on) {
    const Real alpha = 1.5L;
    const Real commitment = 0.25L;
    const Real entropy = 0.1L;
    const Real diversity = 0.8L;
    for (const Shape shape : {Shape{1, 1, 1}, Shape{3, 5, 7}, Shape{331, 1, 2}, Shape{2, 150, 3}, Shape{5, 1, 31}}) {
        for (const bool with_grad : {true, false}) {
            const Floats rows = random_floats(shape.size(), 10, 0.2f);
            const Floats upstream = random_floats(shape.size(), 11, 0.0f, 0.1f);
            const Array<float> z(on, rows);
            const Array<float> grad(on, upstream);
            const Array<float> out(on, shape.size());
            const Array<double> losses(on, 3);
            const Array<double> mean_logits(on, shape.features);
            CHECK_OK(on->sign_losses(z, shape.outer, shape.inner, shape.features, 0.5f, 3.0, losses, mean_logits));
            const double commitment_coefficient =
                static_cast<double>(alpha * 2.0L * commitment / static_cast<Real>(shape.size()));
            const double entropy_coefficient = static_cast<double>(alpha * entropy / static_cast<Real>(shape.rows()));
            const auto differentiate = [&](const float* g, float* to) {
                CHECK_OK(on->sign_gradient(z, g, shape.outer, shape.inner, shape.features, 0.5f, 3.0,
                    commitment_coefficient, entropy_coefficient, static_cast<double>(diversity), mean_logits, to));
            };
            differentiate(with_grad ? static_cast<float*>(grad) : nullptr, out);
            const Floats result = out.read();
            if (with_grad) {
                differentiate(grad, grad);
                CHECK(grad.read() == result);
            }

            const SignReference reference{shape, 0.5L, 3.0L};
            std::vector<Real> exact(rows.begin(), rows.end());
            std::vector<Real> code;
            for (const float value : rows) {
                code.push_back(value > 0.0f ? 0.5L : -0.5L);
            }
            const auto objective = [&] {
                return alpha * (commitment * reference.error(exact, code) + entropy
                    * (reference.sample_entropy(exact) - diversity * reference.batch_entropy(exact)));
            };
            const size_t stride = std::max<size_t>(1, rows.size() / 40);
            for (size_t i = 0; i < rows.size(); i += stride) {
                const Real value = exact[i];
                const Real step = 1e-6L;
                exact[i] = value + step;
                const Real above = objective();
                exact[i] = value - step;
                const Real below = objective();
                exact[i] = value;
                const Real expected =
                    (with_grad ? static_cast<Real>(upstream[i]) : 0.0L) + (above - below) / (2.0L * step);
                CHECK(std::fabs(static_cast<Real>(result[i]) - expected) <= 1e-7L * std::fabs(expected) + 1e-9L);
            }
        }
    }
}

void certain_bits_have_finite_losses_and_gradients(Implementation& on) {
    const Shape shape{300, 1, 3};
    Floats rows(static_cast<size_t>(shape.size()), 3e38f);
    for (int64_t n = 0; n < shape.rows(); ++n) {
        rows[shape.at(n, 1)] = -3e38f;
        rows[shape.at(n, 2)] = n % 2 == 0 ? 3e38f : -3e38f;
    }
    const Array<float> z(on, rows);
    const Array<float> out(on, shape.size());
    const Array<double> losses(on, 3);
    const Array<double> mean_logits(on, 3);
    CHECK_OK(on->sign_losses(z, 300, 1, 3, 1.0f, 200.0, losses, mean_logits));
    CHECK_OK(on->sign_gradient(z, nullptr, 300, 1, 3, 1.0f, 200.0, 0.0, 1.0, 1.0, mean_logits, out));
    const std::vector<double> values = losses.read();
    CHECK(std::isfinite(values[0]) && values[1] < 1e-200);
    CHECK(std::fabs(values[2] - std::log(2.0)) < 1e-15);
    for (const float gradient : out.read()) {
        CHECK(gradient == 0.0f);
    }
}

void bad_arguments_of_sign_codes_are_named(Implementation& on) {
    const Shape shape{3, 50, 2};
    Floats rows = random_floats(shape.size(), 12);
    const Array<float> good(on, rows);
    rows[shape.at(141, 1)] = nan;
    rows[shape.at(77, 0)] = infinity;
    const Array<float> bad(on, rows);
    const Array<float> out(on, shape.size());
    const Array<int32_t> codes(on, Codes(150));
    const Array<double> doubles(on, Doubles(32));
    CHECK_FAILS(on->sign_quantize(bad, 3, 50, 2, 1.0f, out, codes), VQ4J_NOT_FINITE, "z", "row 77");
    CHECK_FAILS(on->sign_gradient(good, bad, 3, 50, 2, 1.0f, 2.0, 0.0, 0.0, 0.0, doubles, bad), VQ4J_NOT_FINITE,
        "gradient", "row 77");
    const Array<int32_t> out_of_range(on, Codes{3, 0, 4});
    CHECK_FAILS(on->sign_decode(out_of_range, 3, 1, 2, 1.0f, out), VQ4J_INVALID_ARGUMENT, "code 4", "row 2", "< 4");
    CHECK_FAILS(on->sign_quantize(good, 1, 1, 32, 1.0f, out, codes), VQ4J_INVALID_ARGUMENT, "31", "32");
    CHECK_FAILS(on->sign_quantize(good, 3, 50, 2, 0.0f, out, codes), VQ4J_INVALID_ARGUMENT, "scale", "0.0");
    CHECK_FAILS(on->sign_losses(good, 3, 50, 2, nan, 1.0, doubles, doubles), VQ4J_INVALID_ARGUMENT, "scale", "nan");
    CHECK_FAILS(on->sign_losses(good, 3, 50, 2, 1.0f, -1.0, doubles, doubles), VQ4J_INVALID_ARGUMENT, "sharpness",
        "-1");
}

// ---- usage of codes --------------------------------------------------------------------------------------------

void code_usage_describes_the_histogram(Implementation& on) {
    for (const int64_t codes_count : {int64_t{1}, int64_t{5}, int64_t{2048}, int64_t{2049}, int64_t{1} << 31}) {
        for (const int64_t rows_count : {1, 255, 257, 5000}) {
            std::mt19937 generator(static_cast<unsigned>(rows_count));
            std::uniform_int_distribution<int64_t> any(0, codes_count - 1);
            Codes values;
            for (int64_t n = 0; n < rows_count; ++n) {
                // Half of the rows share three codes.
                values.push_back(static_cast<int32_t>(n % 2 == 0 ? any(generator) : (n % 3) * (codes_count - 1) / 2));
            }
            std::map<int32_t, int64_t> histogram;
            for (const int32_t code : values) {
                ++histogram[code];
            }
            Real expected = 0.0L;
            for (const auto& [code, count] : histogram) {
                const Real share = static_cast<Real>(count) / static_cast<Real>(rows_count);
                expected -= share * std::log(share);
            }
            const Array<int32_t> codes(on, values);
            const Array<double> entropy(on, 1);
            const Array<int64_t> used(on, 1);
            CHECK_OK(on->code_usage(codes, rows_count, codes_count, entropy, used));
            CHECK(relative_error(entropy.read()[0], expected) < 1e-13);
            CHECK(used.read()[0] == static_cast<int64_t>(histogram.size()));
        }
    }
}

void code_usage_names_bad_arguments(Implementation& on) {
    const Array<int32_t> codes(on, Codes{4, 0, 5, -1});
    const Array<double> entropy(on, 1);
    const Array<int64_t> used(on, 1);
    CHECK_FAILS(on->code_usage(codes, 4, 5, entropy, used), VQ4J_INVALID_ARGUMENT, "code 5", "row 2");
    CHECK_FAILS(on->code_usage(codes, 4, int64_t{1} << 32, entropy, used), VQ4J_INVALID_ARGUMENT, "codes_count",
        "4294967296");
}

const std::vector<Test> tests = {
    TEST(the_exponential_has_15_digits),
    TEST(tanh_and_its_derivative_round_to_the_nearest_float),
    TEST(logarithms_have_15_digits),
    TEST(a_bits_distribution_keeps_its_digits_in_the_tails),
    TEST(integers_are_rounded_to_even),
    TEST(finite_scalars_are_the_rounded_bounded_features),
    TEST(every_code_decodes_to_values_that_have_this_code),
    TEST(features_far_away_take_the_outer_levels),
    TEST(zero_is_the_middle_level),
    TEST(codes_alone_are_the_same_codes),
    TEST(finite_scalar_gradient_is_that_of_the_bound),
    TEST(bad_arguments_of_finite_scalars_are_named),
    TEST(sign_codes_are_the_signs),
    TEST(sign_losses_follow_their_formulas),
    TEST(the_entropy_of_bits_is_that_of_whole_codes),
    TEST(sign_gradient_is_the_derivative_of_the_losses),
    TEST(certain_bits_have_finite_losses_and_gradients),
    TEST(bad_arguments_of_sign_codes_are_named),
    TEST(code_usage_describes_the_histogram),
    TEST(code_usage_names_bad_arguments),
};

}  // namespace
}  // namespace vq4j::testing

int main() {
    return vq4j::testing::run(vq4j::testing::tests);
}
