// Rows scaled to the lengths of other rows: against fp64, and all implementations against each other.
#include "checks.hpp"

namespace {

using namespace vq4j::testing;
using vq4j::testing::nan;  // not the function of <cmath>

double length(const Floats& rows, Shape shape, int64_t n) {
    double squared = 0.0;
    for (int64_t d = 0; d < shape.features; ++d) {
        squared += static_cast<double>(rows[shape.at(n, d)]) * static_cast<double>(rows[shape.at(n, d)]);
    }
    return std::sqrt(squared);
}

void rows_take_the_lengths_of_the_target(Implementation& on) {
    for (const Shape shape : {Shape{1, 1, 1}, Shape{7, 1, 3}, Shape{257, 1, 32}, Shape{2, 49, 5}, Shape{5, 211, 33}}) {
        const Floats rows = random_floats(shape.size(), 1);
        const Floats target = random_floats(shape.size(), 2, 1.0f, 5.0f);
        Doubles expected(rows.size());
        for (int64_t n = 0; n < shape.rows(); ++n) {
            for (int64_t d = 0; d < shape.features; ++d) {
                expected[shape.at(n, d)] =
                    static_cast<double>(rows[shape.at(n, d)]) * length(target, shape, n) / length(rows, shape, n);
            }
        }
        const Array<float> z(on, rows);
        const Array<float> t(on, target);
        const Array<float> out(on, shape.size());
        CHECK_OK(on->match_norms(z, t, shape.outer, shape.inner, shape.features, out));
        const Floats result = out.read();
        CHECK_CLOSE(result, expected, 1e-6);
        CHECK_OK(on->match_norms(z, t, shape.outer, shape.inner, shape.features, z));
        CHECK(z.read() == result);
        const Array<float> again(on, rows);
        CHECK_OK(on->match_norms(again, t, shape.outer, shape.inner, shape.features, t));
        CHECK(t.read() == result);
    }
}

void lengths_whose_squares_leave_fp32_are_matched(Implementation& on) {
    const Array<float> z(on, Floats{3e-30f, 4e-30f});
    const Array<float> t(on, Floats{6e25f, 8e25f});
    const Array<float> out(on, 2);
    CHECK_OK(on->match_norms(z, t, 1, 1, 2, out));
    const Floats result = out.read();
    CHECK(std::fabs(result[0] / 6e25f - 1.0f) < 1e-6f && std::fabs(result[1] / 8e25f - 1.0f) < 1e-6f);
}

void zero_rows_stay_zero(Implementation& on) {
    const Array<float> z(on, Floats{0.0f, 0.0f, 3.0f, 4.0f});
    const Array<float> t(on, Floats{1.0f, 1.0f, 0.0f, 0.0f});
    const Array<float> out(on, 4);
    CHECK_OK(on->match_norms(z, t, 2, 1, 2, out));
    CHECK(out.read() == Floats(4));
}

void bad_rows_are_named(Implementation& on) {
    const Array<float> good(on, Floats(6, 1.0f));
    const Array<float> bad(on, Floats{1.0f, 1.0f, 1.0f, nan, infinity, 1.0f});
    const Array<float> out(on, 6);
    CHECK_FAILS(on->match_norms(bad, good, 3, 1, 2, out), VQ4J_NOT_FINITE, "z", "row 1");
    CHECK_FAILS(on->match_norms(good, bad, 3, 1, 2, out), VQ4J_NOT_FINITE, "target", "row 1");
    CHECK_FAILS(on->match_norms(good, nullptr, 3, 1, 2, out), VQ4J_INVALID_ARGUMENT, "null");
    CHECK_FAILS(on->match_norms(good, good, 3, 0, 2, out), VQ4J_INVALID_ARGUMENT, "inner", "0");
}

}  // namespace

int main() {
    return run({
        TEST(rows_take_the_lengths_of_the_target),
        TEST(lengths_whose_squares_leave_fp32_are_matched),
        TEST(zero_rows_stay_zero),
        TEST(bad_rows_are_named),
    });
}
