// Pooling weighted by the lengths of vectors, and its gradient: a thread a pixel for the lengths, a thread a window for
// the weights, then a thread an element, which in the gradient gathers from the windows that reach it. Bound by memory for
// small windows.
#include "core/lengths.hpp"
#include "core/norm_pooling_arguments.hpp"
#include "cuda/first_bad.cuh"
#include "vq4j/cuda.h"

namespace vq4j::norm_pooling {

struct Length {
    const float* x;
    int64_t channels;
    int64_t pixels;
    double* lengths;  // [batch][pixels]
    BadRows bad;

    __device__ void operator()(int64_t i) const {
        const float* const values = x + i / pixels * channels * pixels + i % pixels;
        double sum = 0.0;
        for (int64_t c = 0; c < channels; ++c) {
            const double value = static_cast<double>(values[c * pixels]);
            sum = sum + value * value;
        }
        lengths[i] = sqrt(sum);
        if (!is_finite_length(lengths[i])) {
            bad.note(i);
        }
    }
};

struct WindowWeights {
    Pooling pooling;
    bool softmax;
    const double* lengths;
    float* weights;  // [batch][windows][taps]

    __device__ void operator()(int64_t i) const {
        pooling_weights(pooling, softmax, lengths + i / pooling.windows() * pooling.pixels(), i % pooling.windows(),
            weights + i * pooling.taps());
    }
};

struct Pooled {
    Pooling pooling;
    int64_t channels;
    const float* x;
    const float* weights;
    float* out;

    __device__ void operator()(int64_t i) const {
        const int64_t channel = i / pooling.windows();
        const int64_t window = i % pooling.windows();
        out[i] = pooled_element(pooling, weights + (channel / channels * pooling.windows() + window) * pooling.taps(),
            x + channel * pooling.pixels(), window);
    }
};

struct Gradient {
    Pooling pooling;
    int64_t channels;
    const float* weights;
    const float* grad;
    float* out;

    __device__ void operator()(int64_t i) const {
        const int64_t channel = i / pooling.pixels();
        out[i] = pooling_gradient_element(pooling, weights + channel / channels * pooling.windows() * pooling.taps(),
            grad + channel * pooling.windows(), i % pooling.pixels());
    }
};

struct CheckGradient {
    const float* grad;
    int64_t channels;
    int64_t windows;
    BadRows bad;

    __device__ void operator()(int64_t i) const {
        bad.note_unless_finite(grad[i], i / windows / channels * windows + i % windows);
    }
};

void window_weights(const float* x, int64_t batch, int64_t channels, Pooling pooling, int32_t kind, float* weights,
    cudaStream_t stream) {
    const DeviceScratch<double> lengths(batch * pooling.pixels(), stream);
    const DeviceFirstBad bad(stream);
    for_each(batch * pooling.pixels(), stream, Length{x, channels, pooling.pixels(), lengths.get(), bad.rows()});
    bad.require_finite("x");
    for_each(batch * pooling.windows(), stream,
        WindowWeights{pooling, kind == VQ4J_POOL_SOFTMAX, lengths.get(), weights});
}

}  // namespace vq4j::norm_pooling

using namespace vq4j;

int32_t vq4j_cuda_norm_pooling(void* stream, const float* x, int64_t batch, int64_t channels, int64_t height,
    int64_t width, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation, int32_t kind, float* out) {
    return guarded([&] {
        const Pooling pooling =
            checked_pooling(batch, channels, height, width, kernel, stride, padding, dilation, kind);
        check_present({x, out});
        const auto s = static_cast<cudaStream_t>(stream);
        const DeviceScratch<float> weights(batch * pooling.windows() * pooling.taps(), s);
        norm_pooling::window_weights(x, batch, channels, pooling, kind, weights.get(), s);
        for_each(batch * channels * pooling.windows(), s,
            norm_pooling::Pooled{pooling, channels, x, weights.get(), out});
    });
}

int32_t vq4j_cuda_norm_pooling_gradient(void* stream, const float* x, const float* grad, int64_t batch, int64_t channels,
    int64_t height, int64_t width, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation, int32_t kind,
    float* out) {
    return guarded([&] {
        const Pooling pooling =
            checked_pooling(batch, channels, height, width, kernel, stride, padding, dilation, kind);
        check_present({x, grad, out});
        const auto s = static_cast<cudaStream_t>(stream);
        const DeviceScratch<float> weights(batch * pooling.windows() * pooling.taps(), s);
        norm_pooling::window_weights(x, batch, channels, pooling, kind, weights.get(), s);
        const DeviceFirstBad bad(s);
        for_each(batch * channels * pooling.windows(), s,
            norm_pooling::CheckGradient{grad, channels, pooling.windows(), bad.rows()});
        for_each(batch * channels * pooling.pixels(), s,
            norm_pooling::Gradient{pooling, channels, weights.get(), grad, out});
        bad.require_finite("gradient");
    });
}
