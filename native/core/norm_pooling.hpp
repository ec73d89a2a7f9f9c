// Pooling of the vectors of a B x C x H x W tensor, weighted by their lengths. The channels of a pixel are one vector; a
// window covers kernel x kernel pixels, its taps, `dilation` apart. A window's weights are the same for all channels.
// All sums are in fp64 of exact products, so that their bits depend on their order alone.
#ifndef VQ4J_CORE_NORM_POOLING_HPP
#define VQ4J_CORE_NORM_POOLING_HPP

#include "core/elementary_functions.hpp"

namespace vq4j {

struct Pooling {
    int64_t height;
    int64_t width;
    int64_t kernel;
    int64_t stride;
    int64_t padding;
    int64_t dilation;
    int64_t windows_down;
    int64_t windows_across;

    // Of one image.
    VQ4J_SHARED_MEMBER int64_t pixels() const { return height * width; }
    VQ4J_SHARED_MEMBER int64_t windows() const { return windows_down * windows_across; }
    VQ4J_SHARED_MEMBER int64_t taps() const { return kernel * kernel; }

    // body(tap, pixel) for the taps of a window, in order; the pixel is negative for a tap in the padding.
    template <typename Body>
    VQ4J_SHARED_MEMBER void for_each_tap(int64_t window, Body body) const {
        const int64_t top = window / windows_across * stride - padding;
        const int64_t left = window % windows_across * stride - padding;
        for (int64_t i = 0; i < kernel; ++i) {
            const int64_t y = top + i * dilation;
            const bool row_inside = y >= 0 && y < height;
            for (int64_t j = 0; j < kernel; ++j) {
                const int64_t x = left + j * dilation;
                body(i * kernel + j, row_inside && x >= 0 && x < width ? y * width + x : -1);
            }
        }
    }

    // The tap of a window, counted along one axis, that falls on a position; negative if none does.
    VQ4J_SHARED_MEMBER int64_t tap_on(int64_t position, int64_t window) const {
        const int64_t offset = position + padding - window * stride;
        return offset >= 0 && offset % dilation == 0 && offset / dilation < kernel ? offset / dilation : -1;
    }

    // The first window, counted along one axis, that may reach a position.
    VQ4J_SHARED_MEMBER int64_t first_window(int64_t position) const {
        const int64_t beyond = position + padding - (kernel - 1) * dilation;
        return beyond > 0 ? (beyond + stride - 1) / stride : 0;
    }
};

// exp of how much longer a vector is than the longest of its window, at most 0; beyond -700 as at -700.
VQ4J_SHARED double softmax_term(double difference) {
    const ExponentialParts parts = exponential_parts(difference > -700.0 ? difference : -700.0);
    return parts.scale + parts.scale * parts.rest;
}

// Weights of a window's taps. Softmax: exp of the vectors' lengths over their sum, where a tap in the padding counts as a
// vector of length 0; otherwise 1 for the first longest vector that is not padding. Taps in the padding get 0.
VQ4J_SHARED void pooling_weights(Pooling pooling, bool softmax, const double* lengths, int64_t window, float* weights) {
    double longest = softmax ? 0.0 : -1.0;
    int64_t winner = -1;
    pooling.for_each_tap(window, [&](int64_t tap, int64_t pixel) {
        if (pixel >= 0 && lengths[pixel] > longest) {
            longest = lengths[pixel];
            winner = tap;
        }
    });
    if (!softmax) {
        pooling.for_each_tap(window, [&](int64_t tap, int64_t) { weights[tap] = tap == winner ? 1.0f : 0.0f; });
        return;
    }
    double sum = 0.0;
    pooling.for_each_tap(window, [&](int64_t, int64_t pixel) {
        sum = sum + softmax_term((pixel >= 0 ? lengths[pixel] : 0.0) - longest);
    });
    pooling.for_each_tap(window, [&](int64_t tap, int64_t pixel) {
        weights[tap] = pixel >= 0 ? static_cast<float>(softmax_term(lengths[pixel] - longest) / sum) : 0.0f;
    });
}

VQ4J_SHARED double add_weighted(double sum, float weight, float value) {
    return sum + static_cast<double>(weight) * static_cast<double>(value);
}

// One channel of a window's vector.
VQ4J_SHARED float pooled_element(Pooling pooling, const float* weights, const float* channel, int64_t window) {
    double sum = 0.0;
    pooling.for_each_tap(window, [&](int64_t tap, int64_t pixel) {
        if (pixel >= 0) {
            sum = add_weighted(sum, weights[tap], channel[pixel]);
        }
    });
    return static_cast<float>(sum);
}

// The gradient of one channel of a pixel: the gradients of the windows that reach it, in their order, times its weights.
VQ4J_SHARED float pooling_gradient_element(Pooling pooling, const float* weights, const float* grad, int64_t pixel) {
    const int64_t y = pixel / pooling.width;
    const int64_t x = pixel % pooling.width;
    double sum = 0.0;
    for (int64_t i = pooling.first_window(y);
            i < pooling.windows_down && i * pooling.stride <= y + pooling.padding; ++i) {
        const int64_t tap_down = pooling.tap_on(y, i);
        for (int64_t j = pooling.first_window(x); tap_down >= 0 && j < pooling.windows_across
                && j * pooling.stride <= x + pooling.padding; ++j) {
            const int64_t tap_across = pooling.tap_on(x, j);
            if (tap_across >= 0) {
                const int64_t window = i * pooling.windows_across + j;
                const int64_t tap = tap_down * pooling.kernel + tap_across;
                sum = add_weighted(sum, weights[window * pooling.taps() + tap], grad[window]);
            }
        }
    }
    return static_cast<float>(sum);
}

}  // namespace vq4j

#endif
