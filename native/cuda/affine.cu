// The affine reparameterisation of the codebook: its coefficients, the effective codebook, the gradient through it. A thread
// an element; the sums of the gradient a thread a chunk of 256 codes of one feature, combined in fp64. Bound by memory, at
// codebook size by the launch.
#include "core/arguments.hpp"
#include "core/elements.hpp"
#include "cuda/chunks.cuh"
#include "vq4j/cuda.h"

namespace vq4j::affine_codebook {

struct Learned {
    const float* scale_parameter;
    const float* bias_parameter;
    float rate;
    float* scale;
    float* shift;

    __device__ void operator()(int64_t i) const {
        scale[i] = affine_learned_scale(rate, scale_parameter[i]);
        shift[i] = rate * bias_parameter[i];
    }
};

struct FromStatistics {
    const float* mean_z;
    const float* var_z;
    const float* mean_c;
    const float* var_c;
    int64_t features;
    float* scale;
    float* shift;

    __device__ void operator()(int64_t i) const {
        const int64_t d = i % features;
        const float s = affine_statistics_scale(var_z[d], var_c[i]);
        scale[i] = s;
        shift[i] = affine_statistics_shift(mean_z[d], s, mean_c[i]);
    }
};

// The coefficients of an element of the codebook.
struct Coefficients {
    int64_t features;
    int64_t group_codes;

    __device__ int64_t of(int64_t i) const { return i / features / group_codes * features + i % features; }
};

struct Apply {
    const float* codebook;
    Coefficients coefficients;
    const float* scale;
    const float* shift;
    float* out;

    __device__ void operator()(int64_t i) const {
        const int64_t c = coefficients.of(i);
        out[i] = affine_element(scale[c], codebook[i], shift[c]);
    }
};

struct CodebookGradient {
    const float* grad;
    Coefficients coefficients;
    const float* scale;
    float* out;

    __device__ void operator()(int64_t i) const { out[i] = scale[coefficients.of(i)] * grad[i]; }
};

struct Sums {
    float grad;
    float product;  // grad * code
};

struct SumChunk {
    const float* grad;
    const float* codebook;
    int64_t features;
    Segments groups;
    Sums* partial;  // [groups][chunks][D]

    __device__ void operator()(int64_t i) const {
        const Chunk chunk = groups.chunk(i / features);
        Sums sums{0.0f, 0.0f};
        for (int64_t k = chunk.begin; k < chunk.end; ++k) {
            const int64_t at = k * features + i % features;
            sums.grad = sums.grad + grad[at];
            sums.product = fused_multiply_add(grad[at], codebook[at], sums.product);
        }
        partial[i] = sums;
    }
};

struct ParameterGradients {
    const Sums* partial;
    int64_t chunks;
    int64_t features;
    float rate;
    float* grad_scale;
    float* grad_bias;

    __device__ void operator()(int64_t i) const {
        const Sums* column = partial + i / features * chunks * features + i % features;
        double grad = 0.0;
        double product = 0.0;
        for (int64_t chunk = 0; chunk < chunks; ++chunk) {
            grad = grad + static_cast<double>(column[chunk * features].grad);
            product = product + static_cast<double>(column[chunk * features].product);
        }
        if (grad_scale != nullptr) {
            grad_scale[i] = rate * static_cast<float>(product);
        }
        if (grad_bias != nullptr) {
            grad_bias[i] = rate * static_cast<float>(grad);
        }
    }
};

}  // namespace vq4j::affine_codebook

using namespace vq4j;

int32_t vq4j_cuda_affine_learned(void* stream, const float* scale_parameter, const float* bias_parameter, int64_t count,
    float rate, float* scale, float* shift) {
    return guarded([&] {
        check_sizes({{"count", count}});
        check_present({scale_parameter, bias_parameter, scale, shift});
        for_each(count, static_cast<cudaStream_t>(stream),
            affine_codebook::Learned{scale_parameter, bias_parameter, rate, scale, shift});
    });
}

int32_t vq4j_cuda_affine_statistics(void* stream, const float* mean_z, const float* var_z, const float* mean_c,
    const float* var_c, int64_t groups, int64_t features, float* scale, float* shift) {
    return guarded([&] {
        check_sizes({{"groups", groups}, {"features", features}});
        check_present({mean_z, var_z, mean_c, var_c, scale, shift});
        for_each(groups * features, static_cast<cudaStream_t>(stream),
            affine_codebook::FromStatistics{mean_z, var_z, mean_c, var_c, features, scale, shift});
    });
}

int32_t vq4j_cuda_affine(void* stream, const float* codebook, int64_t codes_count, int64_t features, int64_t groups,
    const float* scale, const float* shift, float* out) {
    return guarded([&] {
        check_codebook(codes_count, features);
        check_divides("groups", groups, "codes_count", codes_count);
        check_present({codebook, scale, shift, out});
        for_each(codes_count * features, static_cast<cudaStream_t>(stream),
            affine_codebook::Apply{codebook, {features, codes_count / groups}, scale, shift, out});
    });
}

int32_t vq4j_cuda_affine_gradient(void* stream, const float* grad, const float* codebook, int64_t codes_count,
    int64_t features, int64_t groups, const float* scale, float rate, float* out, float* grad_scale, float* grad_bias) {
    return guarded([&] {
        check_codebook(codes_count, features);
        check_divides("groups", groups, "codes_count", codes_count);
        check_present({grad, codebook, scale, out});
        const auto s = static_cast<cudaStream_t>(stream);
        if (grad_scale != nullptr || grad_bias != nullptr) {
            const Segments segments{groups, codes_count / groups};
            const int64_t partials = groups * segments.chunks() * features;
            const DeviceScratch<affine_codebook::Sums> partial(partials, s);
            for_each(partials, s, affine_codebook::SumChunk{grad, codebook, features, segments, partial.get()});
            for_each(groups * features, s,
                affine_codebook::ParameterGradients{partial.get(), segments.chunks(), features, rate, grad_scale,
                    grad_bias});
        }
        for_each(codes_count * features, s,
            affine_codebook::CodebookGradient{grad, {features, codes_count / groups}, scale, out});
    });
}
