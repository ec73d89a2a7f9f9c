// estimate_gradient against central differences in fp64 of what its estimators freeze, and where it falls back to
// straight-through.
#include "checks.hpp"

namespace vq4j::testing {
namespace {

const std::vector<Shape> shapes = {{1, 1, 1}, {1, 1, 37}, {7, 1, 3}, {129, 1, 8}, {2, 49, 5}, {3, 128, 16}, {257, 1, 33}};

double dot(const Doubles& a, const Doubles& b) {
    double sum = 0.0;
    for (size_t d = 0; d < a.size(); ++d) {
        sum += a[d] * b[d];
    }
    return sum;
}

Doubles scaled(double factor, Doubles a) {
    for (double& value : a) {
        value *= factor;
    }
    return a;
}

Doubles added(const Doubles& a, const Doubles& b) {
    Doubles sum(a);
    for (size_t d = 0; d < a.size(); ++d) {
        sum[d] += b[d];
    }
    return sum;
}

double length(const Doubles& a) {
    return std::sqrt(dot(a, a));
}

Doubles vector_of(const Floats& values, Shape shape, int64_t n) {
    Doubles vector;
    for (int64_t d = 0; d < shape.features; ++d) {
        vector.push_back(static_cast<double>(values[shape.at(n, d)]));
    }
    return vector;
}

// The replacement at (x, y), with rotation, scale and direction as they are at (z, e).
Doubles replaced(int32_t kind, const Doubles& z, const Doubles& e, const Doubles& x, const Doubles& y) {
    if (kind == VQ4J_DIRECTED) {
        const Doubles difference = added(e, scaled(-1.0, z));
        return added(x, scaled(length(added(y, scaled(-1.0, x))) / length(difference), difference));
    }
    const Doubles u = scaled(1.0 / length(z), z), v = scaled(1.0 / length(e), e), s = added(u, v);
    const Doubles turned =
        added(added(x, scaled(-2.0 * dot(s, x) / dot(s, s), s)), scaled(2.0 * dot(u, x), v));
    return scaled(length(e) / length(z), turned);
}

struct Gradients {
    Floats rows;
    Floats codes;
};

Gradients estimate(Implementation& on, const Floats& z, const Floats& e, const Floats& g, Shape shape, int32_t kind) {
    const Array<float> rows(on, z), replaced_by(on, e), grad(on, g), out_rows(on, shape.size()), out_codes(on, shape.size());
    CHECK_OK(on->estimate_gradient(rows, replaced_by, grad, shape.outer, shape.inner, shape.features, kind, out_rows,
        out_codes));
    // In place, and without room for what a rotation does not write.
    CHECK_OK(on->estimate_gradient(rows, replaced_by, grad, shape.outer, shape.inner, shape.features, kind, grad,
        kind == VQ4J_DIRECTED ? static_cast<float*>(out_codes) : nullptr));
    Gradients result = {out_rows.read(), {}};
    CHECK(grad.read() == result.rows);
    if (kind == VQ4J_DIRECTED) {
        result.codes = out_codes.read();
    }
    return result;
}

// Rows near and far from their codes, in most cases of several degrees between them.
Floats replacements(const Floats& z, Shape shape, unsigned seed) {
    Floats e = random_floats(shape.size(), seed);
    for (int64_t n = 0; n < shape.rows(); n += 2) {
        for (int64_t d = 0; d < shape.features; ++d) {
            e[shape.at(n, d)] = z[shape.at(n, d)] + 0.1f * e[shape.at(n, d)];
        }
    }
    for (int64_t n = 0; shape.features == 1 && n < shape.rows(); ++n) {
        e[shape.at(n, 0)] = std::copysign(e[shape.at(n, 0)], z[shape.at(n, 0)]);  // not opposite
    }
    return e;
}

void gradients_are_central_differences_of_what_is_frozen(Implementation& on) {
    for (const int32_t kind : {VQ4J_ROTATION, VQ4J_DIRECTED}) {
        for (const Shape shape : shapes) {
            const Floats z = random_floats(shape.size(), 1), g = random_floats(shape.size(), 2);
            const Floats e = replacements(z, shape, 3);
            const Gradients found = estimate(on, z, e, g, shape, kind);
            for (int64_t n = 0; n < shape.rows(); n += 1 + shape.rows() / 20) {
                const Doubles x = vector_of(z, shape, n), y = vector_of(e, shape, n), upstream = vector_of(g, shape, n);
                CHECK_CLOSE(replaced(kind, x, y, x, y), y, 1e-9);
                const double scale = 1.0 + length(y) / length(x);
                const double step = 1e-4 * std::min(length(x), 1.0);
                Floats of_row, of_code;
                Doubles expected_of_row, expected_of_code;
                for (int64_t d = 0; d < shape.features; ++d) {
                    Doubles step_along(x.size());
                    step_along[static_cast<size_t>(d)] = step;
                    const Doubles ahead = added(x, step_along), back = added(x, scaled(-1.0, step_along));
                    expected_of_row.push_back((dot(upstream, replaced(kind, x, y, ahead, y))
                                                  - dot(upstream, replaced(kind, x, y, back, y)))
                        / (2.0 * step * scale));
                    of_row.push_back(static_cast<float>(static_cast<double>(found.rows[shape.at(n, d)]) / scale));
                    if (kind == VQ4J_DIRECTED) {
                        expected_of_code.push_back((dot(upstream, replaced(kind, x, y, x, added(y, step_along)))
                                                       - dot(upstream, replaced(kind, x, y, x,
                                                             added(y, scaled(-1.0, step_along)))))
                            / (2.0 * step));
                        of_code.push_back(found.codes[shape.at(n, d)]);
                    }
                }
                const double size = std::max(1.0, length(upstream));
                CHECK_CLOSE(of_row, expected_of_row, 1e-4 * size);
                CHECK_CLOSE(of_code, expected_of_code, 1e-4 * size);
            }
        }
    }
}

// A rotation leaves lengths alone, and the angle that the gradient has with the vector it has with the code.
void rotation_keeps_length_and_angle(Implementation& on) {
    const Shape shape{200, 1, 7};
    const Floats z = random_floats(shape.size(), 4), e = random_floats(shape.size(), 5), g = random_floats(shape.size(), 6);
    const Gradients found = estimate(on, z, e, g, shape, VQ4J_ROTATION);
    for (int64_t n = 0; n < shape.rows(); ++n) {
        const Doubles x = vector_of(z, shape, n), y = vector_of(e, shape, n), upstream = vector_of(g, shape, n);
        const Doubles turned = scaled(length(x) / length(y), vector_of(found.rows, shape, n));
        CHECK_CLOSE(Doubles{length(turned)}, Doubles{length(upstream)}, 1e-4);
        CHECK_CLOSE(Doubles{dot(turned, x) / length(x)}, Doubles{dot(upstream, y) / length(y)}, 1e-4);
    }
}

// Rows of 2 features: z, e and g one after the other.
void vectors_without_a_direction_pass_straight_through(Implementation& on) {
    const Shape shape{5, 1, 2};
    const Floats g = {1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f, 7.0f, 8.0f, 9.0f, 10.0f};
    const Floats z = {0.0f, 0.0f, 1.0f, 2.0f, 3.0f, -1.0f, 5e-7f, 0.0f, 1e30f, 0.0f};
    const Floats e = {1.0f, 1.0f, 0.0f, 0.0f, -6.0f, 2.001f, 1.0f, 0.0f, 1.0f, 1.0f};
    CHECK(estimate(on, z, e, g, shape, VQ4J_ROTATION).rows == g);
    const Floats same = random_floats(shape.size(), 7);
    const Gradients directed = estimate(on, same, same, g, shape, VQ4J_DIRECTED);
    CHECK(directed.rows == g);
    CHECK(directed.codes == Floats(g.size(), 0.0f));
}

// Just inside the bounds the estimators are in force.
void directions_are_used_down_to_the_bounds(Implementation& on) {
    const Shape shape{2, 1, 2};
    const Floats z = {2e-6f, 0.0f, 1.0f, 0.0f}, e = {0.0f, 2e-6f, -1.0f, 0.02f}, g = {1.0f, 2.0f, 3.0f, 4.0f};
    const Floats turned = estimate(on, z, e, g, shape, VQ4J_ROTATION).rows;
    CHECK_CLOSE(Floats(turned.begin(), turned.begin() + 2), (Doubles{2.0, -1.0}), 1e-5);  // a quarter turn back
    CHECK(turned[2] < -2.9f);                                                             // almost half a turn
    const Gradients directed = estimate(on, {0.0f, 0.0f, 1.0f, 1.0f}, {2e-12f, 0.0f, 1.0f, 3.0f}, g, shape, VQ4J_DIRECTED);
    CHECK(directed.rows == Floats({0.0f, 2.0f, 3.0f, 0.0f}));
    CHECK(directed.codes == Floats({1.0f, 0.0f, 0.0f, 4.0f}));
}

void bad_gradients_and_kinds_are_refused(Implementation& on) {
    const Shape shape{3, 50, 6};
    Floats g = random_floats(shape.size(), 8);
    g[shape.at(141, 5)] = nan;
    g[shape.at(77, 0)] = -infinity;
    const Array<float> z(on, random_floats(shape.size(), 9)), e(on, random_floats(shape.size(), 10)), grad(on, g);
    const Array<float> out(on, shape.size()), codes(on, shape.size());
    for (const int32_t kind : {VQ4J_ROTATION, VQ4J_DIRECTED}) {
        CHECK_FAILS(on->estimate_gradient(z, e, grad, 3, 50, 6, kind, out, codes), VQ4J_NOT_FINITE, "gradient", "row 77");
    }
    CHECK_FAILS(on->estimate_gradient(z, e, grad, 3, 50, 6, 7, out, codes), VQ4J_INVALID_ARGUMENT, "VQ4J_ROTATION", "7");
    CHECK_FAILS(on->estimate_gradient(z, e, grad, 3, 50, 6, VQ4J_DIRECTED, out, nullptr), VQ4J_INVALID_ARGUMENT,
        "out_codes");
    CHECK_FAILS(on->estimate_gradient(z, e, nullptr, 3, 50, 6, VQ4J_ROTATION, out, codes), VQ4J_INVALID_ARGUMENT, "null");
}

}  // namespace
}  // namespace vq4j::testing

int main() {
    using namespace vq4j::testing;
    return run({
        TEST(gradients_are_central_differences_of_what_is_frozen),
        TEST(rotation_keeps_length_and_angle),
        TEST(vectors_without_a_direction_pass_straight_through),
        TEST(directions_are_used_down_to_the_bounds),
        TEST(bad_gradients_and_kinds_are_refused),
    });
}
