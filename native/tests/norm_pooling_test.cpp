// Norm-weighted pooling and its gradient: against the definition in fp64, and all implementations against each other.
#include "checks.hpp"

namespace {

using namespace vq4j::testing;
using vq4j::testing::nan;  // not the function of <cmath>

struct Case {
    int64_t batch, channels, height, width;
    int64_t kernel, stride, padding, dilation;

    int64_t pixels() const { return height * width; }
    int64_t out_height() const { return (height + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1; }
    int64_t out_width() const { return (width + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1; }
    int64_t windows() const { return out_height() * out_width(); }
    int64_t size() const { return batch * channels * pixels(); }
    int64_t out_size() const { return batch * channels * windows(); }
};

const std::vector<Case> cases = {
    {1, 1, 1, 1, 1, 1, 0, 1},
    {2, 3, 8, 10, 2, 2, 0, 1},
    {2, 5, 7, 11, 3, 2, 1, 1},     // windows overlap and reach into the padding
    {1, 2, 9, 9, 2, 3, 0, 1},      // pixels between the windows
    {3, 7, 13, 6, 3, 1, 2, 2},     // dilation
    {1, 4, 2, 2, 2, 1, 1, 3},      // all taps of some windows are in the padding
    {2, 2, 31, 37, 5, 4, 2, 1},    // more pixels than a run
    {1, 40, 5, 3, 3, 7, 0, 1},     // a stride beyond the image
};

// Weights of one window by definition: a weight for each tap, negative pixels for the padding.
struct Window {
    std::vector<int64_t> pixels;
    Doubles weights;
};

Window window_of(const Case& c, const Floats& x, int64_t image, int64_t i, int64_t j, int32_t kind) {
    Window window;
    Doubles lengths;
    for (int64_t a = 0; a < c.kernel; ++a) {
        for (int64_t b = 0; b < c.kernel; ++b) {
            const int64_t row = i * c.stride - c.padding + a * c.dilation;
            const int64_t column = j * c.stride - c.padding + b * c.dilation;
            const bool inside = row >= 0 && row < c.height && column >= 0 && column < c.width;
            window.pixels.push_back(inside ? row * c.width + column : -1);
            double squared = 0.0;
            for (int64_t channel = 0; inside && channel < c.channels; ++channel) {
                const double value = static_cast<double>(
                    x[static_cast<size_t>((image * c.channels + channel) * c.pixels() + window.pixels.back())]);
                squared += value * value;
            }
            lengths.push_back(std::sqrt(squared));
        }
    }
    window.weights.resize(lengths.size());
    if (kind == VQ4J_POOL_SOFTMAX) {
        double sum = 0.0;
        for (size_t tap = 0; tap < lengths.size(); ++tap) {
            window.weights[tap] = std::exp(lengths[tap]);
            sum += window.weights[tap];
        }
        for (double& weight : window.weights) {
            weight /= sum;
        }
        return window;
    }
    size_t longest = lengths.size();
    for (size_t tap = 0; tap < lengths.size(); ++tap) {
        if (window.pixels[tap] >= 0 && (longest == lengths.size() || lengths[tap] > lengths[longest])) {
            longest = tap;
        }
    }
    if (longest < lengths.size()) {
        window.weights[longest] = 1.0;
    }
    return window;
}

struct Expected {
    Doubles out;
    Doubles gradient;
};

Expected expected_of(const Case& c, const Floats& x, const Floats& grad, int32_t kind) {
    Expected expected{Doubles(static_cast<size_t>(c.out_size())), Doubles(static_cast<size_t>(c.size()))};
    for (int64_t image = 0; image < c.batch; ++image) {
        for (int64_t w = 0; w < c.windows(); ++w) {
            const Window window = window_of(c, x, image, w / c.out_width(), w % c.out_width(), kind);
            for (int64_t channel = image * c.channels; channel < (image + 1) * c.channels; ++channel) {
                const auto to = static_cast<size_t>(channel * c.windows() + w);
                for (size_t tap = 0; tap < window.pixels.size(); ++tap) {
                    if (window.pixels[tap] >= 0) {
                        const auto from = static_cast<size_t>(channel * c.pixels() + window.pixels[tap]);
                        expected.out[to] += window.weights[tap] * static_cast<double>(x[from]);
                        expected.gradient[from] += window.weights[tap] * static_cast<double>(grad[to]);
                    }
                }
            }
        }
    }
    return expected;
}

int32_t pool(Implementation& on, const Case& c, const float* x, int32_t kind, float* out) {
    return on->norm_pooling(x, c.batch, c.channels, c.height, c.width, c.kernel, c.stride, c.padding, c.dilation, kind,
        out);
}

int32_t pool_gradient(Implementation& on, const Case& c, const float* x, const float* grad, int32_t kind, float* out) {
    return on->norm_pooling_gradient(x, grad, c.batch, c.channels, c.height, c.width, c.kernel, c.stride, c.padding,
        c.dilation, kind, out);
}

void pooling_and_its_gradient_follow_their_definition(Implementation& on) {
    for (const Case& c : cases) {
        for (const int32_t kind : {VQ4J_POOL_MAX, VQ4J_POOL_SOFTMAX}) {
            const Floats values = random_floats(c.size(), 1, 0.3f);
            const Floats upstream = random_floats(c.out_size(), 2);
            const Expected expected = expected_of(c, values, upstream, kind);
            const Array<float> x(on, values);
            const Array<float> grad(on, upstream);
            const Array<float> out(on, c.out_size());
            const Array<float> of_x(on, c.size());
            CHECK_OK(pool(on, c, x, kind, out));
            CHECK_CLOSE(out.read(), expected.out, 1e-6);
            CHECK_OK(pool_gradient(on, c, x, grad, kind, of_x));
            CHECK_CLOSE(of_x.read(), expected.gradient, 1e-6);
        }
    }
}

void the_first_of_equally_long_vectors_is_picked(Implementation& on) {
    // Two channels; the pixels 1 and 2 have length 5, pixel 0 has 4, pixel 3 has 3.
    const Case c{1, 2, 2, 2, 2, 1, 0, 1};
    const Array<float> x(on, Floats{4, -3, 5, 3, 0, 4, 0, 0});
    const Array<float> out(on, 2);
    CHECK_OK(pool(on, c, x, VQ4J_POOL_MAX, out));
    CHECK((out.read() == Floats{-3, 4}));
    const Array<float> grad(on, Floats{7, 8});
    const Array<float> of_x(on, 8);
    CHECK_OK(pool_gradient(on, c, x, grad, VQ4J_POOL_MAX, of_x));
    CHECK((of_x.read() == Floats{0, 7, 0, 0, 0, 8, 0, 0}));
}

void padding_is_never_picked_but_takes_part_in_the_softmax(Implementation& on) {
    const Case c{1, 1, 1, 1, 3, 1, 1, 1};
    const Array<float> zero(on, Floats{0.0f});
    const Array<float> one(on, Floats{1.0f});
    const Array<float> out(on, 1);
    CHECK_OK(pool_gradient(on, c, zero, one, VQ4J_POOL_MAX, out));
    CHECK(out.read() == Floats{1.0f});
    CHECK_OK(pool(on, c, one, VQ4J_POOL_SOFTMAX, out));
    CHECK_CLOSE(out.read(), Doubles{std::exp(1.0) / (std::exp(1.0) + 8.0)}, 1e-7);
}

void lengths_far_apart_do_not_overflow(Implementation& on) {
    const Case c{1, 1, 1, 2, 1, 1, 0, 1};
    const Case both{1, 2, 2, 2, 2, 1, 0, 1};
    const Array<float> single(on, Floats{1e30f, 1e-30f});
    const Array<float> out(on, 2);
    CHECK_OK(pool(on, c, single, VQ4J_POOL_SOFTMAX, out));
    CHECK((out.read() == Floats{1e30f, 1e-30f}));
    const Array<float> x(on, Floats{3e38f, 1, 1, 1, 3e38f, 1, 1, 1});
    CHECK_OK(pool(on, both, x, VQ4J_POOL_SOFTMAX, out));
    CHECK((out.read() == Floats{3e38f, 3e38f}));
}

void bad_input_is_named(Implementation& on) {
    const Case c{2, 3, 4, 5, 2, 2, 0, 1};
    Floats values = random_floats(c.size(), 3);
    const Array<float> good(on, values);
    values[static_cast<size_t>((1 * 3 + 2) * 20 + 7)] = nan;  // pixel 27
    values[static_cast<size_t>((1 * 3 + 0) * 20 + 9)] = infinity;
    const Array<float> bad(on, values);
    Floats upstream(static_cast<size_t>(c.out_size()));
    const Array<float> zeros(on, upstream);
    upstream[static_cast<size_t>((1 * 3 + 1) * 4 + 2)] = infinity;  // window 6
    upstream[static_cast<size_t>((1 * 3 + 0) * 4 + 3)] = nan;
    const Array<float> grad(on, upstream);
    const Array<float> out(on, c.size());
    for (const int32_t kind : {VQ4J_POOL_MAX, VQ4J_POOL_SOFTMAX}) {
        CHECK_FAILS(pool(on, c, bad, kind, out), VQ4J_NOT_FINITE, "x", "row 27");
        CHECK_FAILS(pool_gradient(on, c, bad, zeros, kind, out), VQ4J_NOT_FINITE, "x", "row 27");
        CHECK_FAILS(pool_gradient(on, c, good, grad, kind, out), VQ4J_NOT_FINITE, "gradient", "row 6");
    }
    CHECK_FAILS(pool(on, {2, 3, 4, 5, 0, 2, 0, 1}, good, VQ4J_POOL_MAX, out), VQ4J_INVALID_ARGUMENT, "kernel", "0");
    CHECK_FAILS(pool(on, {2, 3, 4, 5, 2, 0, 0, 1}, good, VQ4J_POOL_MAX, out), VQ4J_INVALID_ARGUMENT, "stride", "0");
    CHECK_FAILS(pool(on, {2, 3, 4, 5, 2, 2, 2, 1}, good, VQ4J_POOL_MAX, out), VQ4J_INVALID_ARGUMENT, "padding", "2");
    CHECK_FAILS(pool(on, {2, 3, 4, 5, 2, 2, -1, 1}, good, VQ4J_POOL_MAX, out), VQ4J_INVALID_ARGUMENT, "padding", "-1");
    CHECK_FAILS(pool(on, {2, 3, 4, 5, 2, 2, 0, 0}, good, VQ4J_POOL_MAX, out), VQ4J_INVALID_ARGUMENT, "dilation", "0");
    CHECK_FAILS(pool(on, {2, 3, 4, 5, 2, 2, 0, 4}, good, VQ4J_POOL_MAX, out), VQ4J_INVALID_ARGUMENT, "window of 5", "4");
    CHECK_FAILS(pool(on, c, good, 2, out), VQ4J_INVALID_ARGUMENT, "kind", "2");
    CHECK_FAILS(pool(on, c, nullptr, VQ4J_POOL_MAX, out), VQ4J_INVALID_ARGUMENT, "null");
}

}  // namespace

int main() {
    return run({
        TEST(pooling_and_its_gradient_follow_their_definition),
        TEST(the_first_of_equally_long_vectors_is_picked),
        TEST(padding_is_never_picked_but_takes_part_in_the_softmax),
        TEST(lengths_far_apart_do_not_overflow),
        TEST(bad_input_is_named),
    });
}
