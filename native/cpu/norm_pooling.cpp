// Pooling weighted by the lengths of vectors, and its gradient: the lengths of all pixels in one read of x, the weights of
// all windows, then a channel of an image at a time. Bound by memory for small windows.
#include <algorithm>

#include "core/lengths.hpp"
#include "core/norm_pooling_arguments.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/scratch.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

namespace vq4j {
namespace {

// Pixels whose lengths are summed together, channel after channel.
constexpr int64_t run = 512;

constexpr int64_t weight_cost = 8;  // elements' worth of streaming time, for the exponential

// The length of every pixel's vector, [batch][pixels].
void pixel_lengths(const float* x, int64_t batch, int64_t channels, int64_t pixels, double* lengths) {
    const int64_t runs = (pixels + run - 1) / run;
    FirstBad bad;
    parallel_ranges(batch * runs, run * channels, [&](int64_t first, int64_t last) {
        for (int64_t i = first; i < last; ++i) {
            const int64_t image = i / runs;
            const int64_t begin = i % runs * run;
            const int64_t count = std::min(run, pixels - begin);
            double* const sums = lengths + image * pixels + begin;
            std::fill(sums, sums + count, 0.0);
            for (int64_t c = 0; c < channels; ++c) {
                const float* const values = x + (image * channels + c) * pixels + begin;
                for (int64_t pixel = 0; pixel < count; ++pixel) {
                    const double value = static_cast<double>(values[pixel]);
                    sums[pixel] = sums[pixel] + value * value;
                }
            }
            for (int64_t pixel = 0; pixel < count; ++pixel) {
                sums[pixel] = std::sqrt(sums[pixel]);
                if (!is_finite_length(sums[pixel])) {
                    bad.note(image * pixels + begin + pixel);
                }
            }
        }
    });
    bad.require_finite("x");
}

// The weights of every window's taps, [batch][windows][taps].
void window_weights(const float* x, int64_t batch, int64_t channels, Pooling pooling, bool softmax, float* weights) {
    const Scratch<double> lengths(batch * pooling.pixels());
    pixel_lengths(x, batch, channels, pooling.pixels(), lengths.get());
    parallel_ranges(batch * pooling.windows(), pooling.taps() * weight_cost, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
            pooling_weights(pooling, softmax, lengths.get() + i / pooling.windows() * pooling.pixels(),
                i % pooling.windows(), weights + i * pooling.taps());
        }
    });
}

// body(channel of all images, the weights of its image) in parallel.
template <typename Body>
void for_each_channel(int64_t batch, int64_t channels, Pooling pooling, const float* weights, Body body) {
    parallel_ranges(batch * channels, pooling.pixels() + pooling.windows() * pooling.taps(),
        [&](int64_t begin, int64_t end) {
            for (int64_t channel = begin; channel < end; ++channel) {
                body(channel, weights + channel / channels * pooling.windows() * pooling.taps());
            }
        });
}

}  // namespace
}  // namespace vq4j

using namespace vq4j;

int32_t vq4j_cpu_norm_pooling(const float* x, int64_t batch, int64_t channels, int64_t height, int64_t width,
    int64_t kernel, int64_t stride, int64_t padding, int64_t dilation, int32_t kind, float* out) {
    return guarded([&] {
        const Pooling pooling =
            checked_pooling(batch, channels, height, width, kernel, stride, padding, dilation, kind);
        check_present({x, out});
        const Scratch<float> weights(batch * pooling.windows() * pooling.taps());
        window_weights(x, batch, channels, pooling, kind == VQ4J_POOL_SOFTMAX, weights.get());
        for_each_channel(batch, channels, pooling, weights.get(), [&](int64_t channel, const float* of_image) {
            for (int64_t window = 0; window < pooling.windows(); ++window) {
                out[channel * pooling.windows() + window] = pooled_element(pooling, of_image + window * pooling.taps(),
                    x + channel * pooling.pixels(), window);
            }
        });
    });
}

int32_t vq4j_cpu_norm_pooling_gradient(const float* x, const float* grad, int64_t batch, int64_t channels, int64_t height,
    int64_t width, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation, int32_t kind, float* out) {
    return guarded([&] {
        const Pooling pooling =
            checked_pooling(batch, channels, height, width, kernel, stride, padding, dilation, kind);
        check_present({x, grad, out});
        const Scratch<float> weights(batch * pooling.windows() * pooling.taps());
        window_weights(x, batch, channels, pooling, kind == VQ4J_POOL_SOFTMAX, weights.get());
        FirstBad bad;
        for_each_channel(batch, channels, pooling, weights.get(), [&](int64_t channel, const float* of_image) {
            // A channel is one task's own, so that the windows can add to the pixels in their order.
            const Scratch<double> sums(pooling.pixels());
            std::fill(sums.get(), sums.get() + pooling.pixels(), 0.0);
            for (int64_t window = 0; window < pooling.windows(); ++window) {
                const float value = grad[channel * pooling.windows() + window];
                if (!is_finite(value)) {
                    bad.note(channel / channels * pooling.windows() + window);
                }
                pooling.for_each_tap(window, [&](int64_t tap, int64_t pixel) {
                    if (pixel >= 0) {
                        sums.get()[pixel] = add_weighted(sums.get()[pixel], of_image[window * pooling.taps() + tap], value);
                    }
                });
            }
            for (int64_t pixel = 0; pixel < pooling.pixels(); ++pixel) {
                out[channel * pooling.pixels() + pixel] = static_cast<float>(sums.get()[pixel]);
            }
        });
        bad.require_finite("gradient");
    });
}
