// linear and linear_gradient against plain loops in fp64.
#include "checks.hpp"

namespace vq4j::testing {
namespace {

struct Case {
    Shape shape;
    int64_t out_features;
};

// Single sizes, primes, more features than a tile, several chunks and blocks, the feature axis in the middle.
const std::vector<Case> cases = {{{1, 1, 1}, 1}, {{7, 1, 3}, 2}, {{2, 49, 5}, 17}, {{257, 1, 37}, 8}, {{3, 128, 16}, 131},
    {{5, 113, 70}, 65}, {{1, 600, 2}, 9}, {{1030, 1, 12}, 3}};

Shape mapped(const Case& of) { return {of.shape.outer, of.shape.inner, of.out_features}; }

// sum over i of weight_oi z_ni, from the bias; and how large it is without signs, for its tolerance.
Doubles map_in_fp64(const Floats& rows, Shape shape, const Floats& weight, bool transposed, const Floats& bias, Shape out) {
    Doubles result(static_cast<size_t>(out.size()));
    for (int64_t n = 0; n < shape.rows(); ++n) {
        for (int64_t o = 0; o < out.features; ++o) {
            double sum = bias.empty() ? 0.0 : static_cast<double>(bias[static_cast<size_t>(o)]);
            for (int64_t i = 0; i < shape.features; ++i) {
                const int64_t at = transposed ? i * out.features + o : o * shape.features + i;
                sum += static_cast<double>(weight[static_cast<size_t>(at)]) * static_cast<double>(rows[shape.at(n, i)]);
            }
            result[out.at(n, o)] = sum;
        }
    }
    return result;
}

void maps_are_those_of_fp64(Implementation& on) {
    for (const Case& each : cases) {
        const Shape shape = each.shape, out_shape = mapped(each);
        const Floats rows = random_floats(shape.size(), 1), bias = random_floats(each.out_features, 2);
        const Floats weight = random_floats(shape.features * each.out_features, 3);
        const Array<float> z(on, rows), w(on, weight), b(on, bias), out(on, out_shape.size());
        const double tolerance = 1e-5 * static_cast<double>(1 + shape.features / 8);
        for (const int32_t transposed : {0, 1}) {
            CHECK_OK(on->linear(z, shape.outer, shape.inner, shape.features, w, b, each.out_features, transposed, out));
            CHECK_CLOSE(out.read(), map_in_fp64(rows, shape, weight, transposed == 1, bias, out_shape), tolerance);
            CHECK_OK(
                on->linear(z, shape.outer, shape.inner, shape.features, w, nullptr, each.out_features, transposed, out));
            CHECK_CLOSE(out.read(), map_in_fp64(rows, shape, weight, transposed == 1, {}, out_shape), tolerance);
        }
    }
}

void the_identity_leaves_every_bit(Implementation& on) {
    const Shape shape{3, 50, 19};
    Floats rows = random_floats(shape.size(), 4), weight(19 * 19, 0.0f);
    rows[0] = 1e-40f;  // not flushed to zero
    for (size_t i = 0; i < 19; ++i) {
        weight[i * 19 + i] = 1.0f;
    }
    const Array<float> z(on, rows), w(on, weight), out(on, shape.size());
    CHECK_OK(on->linear(z, shape.outer, shape.inner, shape.features, w, nullptr, 19, 0, out));
    CHECK(out.read() == rows);
}

void gradients_are_those_of_fp64(Implementation& on) {
    for (const Case& each : cases) {
        const Shape shape = each.shape, out_shape = mapped(each);
        const Floats rows = random_floats(shape.size(), 5), upstream = random_floats(out_shape.size(), 6);
        Doubles of_weight(static_cast<size_t>(each.out_features * shape.features));
        Doubles of_bias(static_cast<size_t>(each.out_features));
        for (int64_t n = 0; n < shape.rows(); ++n) {
            for (int64_t o = 0; o < each.out_features; ++o) {
                const auto g = static_cast<double>(upstream[out_shape.at(n, o)]);
                of_bias[static_cast<size_t>(o)] += g;
                for (int64_t i = 0; i < shape.features; ++i) {
                    of_weight[static_cast<size_t>(o * shape.features + i)] += g * static_cast<double>(rows[shape.at(n, i)]);
                }
            }
        }
        const Array<float> z(on, rows), g(on, upstream), weight(on, each.out_features * shape.features);
        const Array<float> bias(on, each.out_features);
        const double tolerance = 1e-4;
        CHECK_OK(on->linear_gradient(
            z, g, shape.outer, shape.inner, shape.features, each.out_features, weight, bias));
        const Floats of_both = weight.read();
        CHECK_CLOSE(of_both, of_weight, tolerance);
        CHECK_CLOSE(bias.read(), of_bias, tolerance);
        CHECK_OK(on->linear_gradient(
            z, g, shape.outer, shape.inner, shape.features, each.out_features, weight, nullptr));
        CHECK(weight.read() == of_both);
    }
}

// So many weights that not all chunks' sums are in memory at once: the sums are those of one chunk after the other.
void many_weights_are_summed_chunk_by_chunk(Implementation& on) {
    const Shape shape{300, 1, 1500};
    const int64_t out_features = 1400;
    const Floats rows = random_floats(shape.size(), 7), upstream = random_floats(300 * out_features, 8);
    const Array<float> z(on, rows), g(on, upstream), weight(on, out_features * 1500), bias(on, out_features);
    CHECK_OK(on->linear_gradient(z, g, 300, 1, 1500, out_features, weight, bias));
    const Floats found = weight.read();
    for (const int64_t o : {0, 777, 1399}) {
        for (const int64_t i : {0, 63, 1499}) {
            double sum = 0.0;
            for (int64_t n = 0; n < 300; ++n) {
                sum += static_cast<double>(upstream[static_cast<size_t>(n * out_features + o)])
                    * static_cast<double>(rows[shape.at(n, i)]);
            }
            CHECK_CLOSE(Floats{found[static_cast<size_t>(o * 1500 + i)]}, Doubles{sum}, 1e-4);
        }
    }
    bias.read();
}

void a_gram_matrix_is_symmetric_bit_for_bit(Implementation& on) {
    const Shape shape{300, 1, 21};
    const Array<float> z(on, random_floats(shape.size(), 9)), gram(on, 21 * 21);
    CHECK_OK(on->linear_gradient(z, z, 300, 1, 21, 21, gram, nullptr));
    const Floats found = gram.read();
    for (size_t i = 0; i < 21; ++i) {
        for (size_t j = 0; j < i; ++j) {
            CHECK(found[i * 21 + j] == found[j * 21 + i]);
        }
    }
}

void bad_values_and_sizes_are_refused(Implementation& on) {
    const Shape shape{2, 60, 5};
    Floats rows = random_floats(shape.size(), 10), weight = random_floats(3 * 5, 11);
    rows[shape.at(101, 4)] = infinity;
    rows[shape.at(63, 0)] = nan;
    const Array<float> z(on, rows), w(on, weight), out(on, 2 * 3 * 60);
    CHECK_FAILS(on->linear(z, 2, 60, 5, w, nullptr, 3, 0, out), VQ4J_NOT_FINITE, "z", "row 63");
    weight[2 * 5 + 1] = nan;
    const Array<float> bad(on, weight);
    CHECK_FAILS(on->linear(z, 2, 60, 5, bad, nullptr, 3, 0, out), VQ4J_NOT_FINITE, "weight", "row 2");
    CHECK_FAILS(on->linear(z, 2, 60, 5, bad, nullptr, 3, 1, out), VQ4J_NOT_FINITE, "weight", "row 3");
    CHECK_FAILS(on->linear(z, 2, 60, 5, w, nullptr, 0, 0, out), VQ4J_INVALID_ARGUMENT, "out_features");
    CHECK_FAILS(on->linear(z, 2, 60, 5, nullptr, nullptr, 3, 0, out), VQ4J_INVALID_ARGUMENT, "null");
    CHECK_FAILS(on->linear_gradient(z, out, 2, 0, 5, 3, w, nullptr), VQ4J_INVALID_ARGUMENT, "inner");
    CHECK_FAILS(on->linear_gradient(z, out, 2, 60, 5, 3, nullptr, nullptr), VQ4J_INVALID_ARGUMENT, "null");
}

}  // namespace
}  // namespace vq4j::testing

int main() {
    using namespace vq4j::testing;
    return run({
        TEST(maps_are_those_of_fp64),
        TEST(the_identity_leaves_every_bit),
        TEST(gradients_are_those_of_fp64),
        TEST(many_weights_are_summed_chunk_by_chunk),
        TEST(a_gram_matrix_is_symmetric_bit_for_bit),
        TEST(bad_values_and_sizes_are_refused),
    });
}
