// The arithmetic that the CPU and the CUDA kernels share, so that both give the same bits.
//
// Rules: fp32 with explicit fused multiply-adds, contraction switched off in the compilers; sums of a row over its
// features run in 16 stripes; sums over rows run in chunks of 256 rows, combined in chunk order in fp64. A kernel is free
// in its tiling and its number of threads as long as it keeps these shapes.
//
// All functions have internal linkage: the units compiled for wide instruction sets must not lend their bodies to others.
#ifndef VQ4J_CORE_ARITHMETIC_HPP
#define VQ4J_CORE_ARITHMETIC_HPP

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__CUDACC__)
#define VQ4J_SHARED __host__ __device__ static __forceinline__
#define VQ4J_SHARED_MEMBER __host__ __device__ __forceinline__
#else
#define VQ4J_SHARED static inline __attribute__((always_inline))
#define VQ4J_SHARED_MEMBER inline __attribute__((always_inline))
#endif

namespace vq4j {

// Rows in a chunk of a reduction, counted from the start of what is reduced.
constexpr int64_t chunk_rows = 256;

// Partial sums of a reduction over the features of one row.
constexpr int stripes = 16;

VQ4J_SHARED float fused_multiply_add(float a, float b, float c) {
    return fmaf(a, b, c);
}

VQ4J_SHARED int64_t chunks_of(int64_t rows) {
    return (rows + chunk_rows - 1) / chunk_rows;
}

VQ4J_SHARED bool is_finite(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (bits & 0x7f800000u) != 0x7f800000u;
}

// The 16 stripes of a row's reduction, added as a balanced tree.
VQ4J_SHARED float add_stripes(float* lanes) {
    for (int width = stripes / 2; width > 0; width /= 2) {
        for (int lane = 0; lane < width; ++lane) {
            lanes[lane] = lanes[lane] + lanes[lane + width];
        }
    }
    return lanes[0];
}

// Reduction over the features of one row: stripe d mod 16 takes accumulate(stripe, d), d ascending.
template <typename Accumulate>
VQ4J_SHARED float striped_sum(int64_t features, Accumulate accumulate) {
    float lanes[stripes];
    for (int lane = 0; lane < stripes; ++lane) {
        lanes[lane] = 0.0f;
    }
    int64_t d = 0;
    for (; d + stripes <= features; d += stripes) {
        for (int lane = 0; lane < stripes; ++lane) {
            lanes[lane] = accumulate(lanes[lane], d + lane);
        }
    }
    for (int lane = 0; d < features; ++d, ++lane) {
        lanes[lane] = accumulate(lanes[lane], d);
    }
    return add_stripes(lanes);
}

// |z - e|^2 of a row with elements z[d * stride] and a contiguous code.
VQ4J_SHARED float squared_distance(const float* row, int64_t stride, const float* code, int64_t features) {
    return striped_sum(features, [=](float sum, int64_t d) {
        const float difference = row[d * stride] - code[d];
        return fused_multiply_add(difference, difference, sum);
    });
}

// |z|^2 of a row with elements z[d * stride].
VQ4J_SHARED float squared_length(const float* row, int64_t stride, int64_t features) {
    return striped_sum(features, [=](float sum, int64_t d) {
        return fused_multiply_add(row[d * stride], row[d * stride], sum);
    });
}

// h = |c|^2 / 2 of a centred code: the one chain of the canonical score, ascending.
VQ4J_SHARED float half_squared_length(const float* centred_code, int64_t features) {
    float sum = 0.0f;
    for (int64_t d = 0; d < features; ++d) {
        sum = fused_multiply_add(centred_code[d], centred_code[d], sum);
    }
    return 0.5f * sum;
}

// The larger score wins, the lower index on a tie; NaN never wins against the start (-infinity, lowest index).
VQ4J_SHARED bool beats(float score, int64_t index, float best_score, int64_t best_index) {
    return score > best_score || (score == best_score && index < best_index);
}

// ---- loss and gradients ----------------------------------------------------------------------------------------

// These formulas and those of core/elements.hpp that are templates serve single numbers and the CPU's vectors.

// Gradient of one input element: g + coefficient * (z - e).
template <typename Float>
VQ4J_SHARED Float input_gradient_element(Float grad, Float z, Float e, Float coefficient) {
    return fused_multiply_add(coefficient, z - e, grad);
}

// One row's share of an element of the codebook's gradient, nu * g + coefficient * (e - z), added to a sum.
template <typename Float>
VQ4J_SHARED Float add_codebook_gradient(Float sum, Float grad, Float z, Float e, Float coefficient, Float nu) {
    return sum + fused_multiply_add(coefficient, e - z, nu * grad);
}

// ---- moments ---------------------------------------------------------------------------------------------------

// Chunks whose moments are combined first: one chain through all chunks would be the longest part of a pass on a GPU.
constexpr int64_t span_chunks = 64;
constexpr int64_t span_rows = span_chunks * chunk_rows;

VQ4J_SHARED int64_t spans_of(int64_t chunks) {
    return (chunks + span_chunks - 1) / span_chunks;
}

// Count, mean and sum of squared deviations; combined by the formula of Chan, Golub and LeVeque.
struct Moments {
    double count;
    double mean;
    double squares;
};

// Moments of one chunk of one column from the sums of x - shift and (x - shift)^2; shift is the chunk's first value.
VQ4J_SHARED Moments chunk_moments(int64_t count, float shift, float sum, float sum_of_squares) {
    const double n = static_cast<double>(count);
    const double offset = static_cast<double>(sum) / n;
    const double squares = static_cast<double>(sum_of_squares) - static_cast<double>(sum) * offset;
    return {n, static_cast<double>(shift) + offset, squares > 0.0 ? squares : 0.0};
}

VQ4J_SHARED Moments combine(Moments a, Moments b) {
    if (a.count == 0.0) {
        return b;
    }
    const double count = a.count + b.count;
    const double difference = b.mean - a.mean;
    const double weight = b.count / count;
    const double mean = a.mean + difference * weight;
    const double squares = a.squares + b.squares + difference * difference * (a.count * weight);
    return {count, mean, squares};
}

// ---- norms -----------------------------------------------------------------------------------------------------

constexpr float unit_norm_floor = 1e-12f;
constexpr float max_norm_radius = 10.0f;

// What a row is multiplied with by a row norm, from its squared length. unit: length 1; otherwise at most length 10.
VQ4J_SHARED float row_norm_factor(bool unit, float squared) {
    const float length = sqrtf(squared);
    if (unit) {
        return 1.0f / (length > unit_norm_floor ? length : unit_norm_floor);
    }
    return length > max_norm_radius ? max_norm_radius / length : 1.0f;
}

// Whether the factor depends on the row, so that the gradient loses its radial part.
VQ4J_SHARED bool row_norm_is_radial(bool unit, float squared) {
    return sqrtf(squared) > (unit ? unit_norm_floor : max_norm_radius);
}

VQ4J_SHARED float inverse_deviation(float variance, float epsilon) {
    return 1.0f / sqrtf(variance + epsilon);
}

// ---- affine ----------------------------------------------------------------------------------------------------

constexpr float affine_variance_floor = 1e-8f;

VQ4J_SHARED float affine_element(float scale, float code, float shift) {
    return fused_multiply_add(scale, code, shift);
}

// ---- optimisers ------------------------------------------------------------------------------------------------

// Hyperparameters of one Adam step, rounded once from the doubles of the API.
struct AdamStep {
    float decay;
    float one_minus_beta1;
    float beta2;
    float one_minus_beta2;
    float step_size;
    float root_bias_correction2;
    float epsilon;
    float coupled_decay;
};

VQ4J_SHARED AdamStep adam_hyperparameters(int64_t step, double learning_rate, double beta1, double beta2, double epsilon,
        double weight_decay, bool decoupled) {
    // Powers by repeated squaring: the same bits with every C library.
    const auto power = [](double base, int64_t exponent) {
        double result = 1.0;
        for (; exponent > 0; exponent >>= 1, base *= base) {
            if (exponent & 1) {
                result *= base;
            }
        }
        return result;
    };
    AdamStep s;
    s.decay = static_cast<float>(decoupled ? 1.0 - learning_rate * weight_decay : 1.0);
    s.one_minus_beta1 = static_cast<float>(1.0 - beta1);
    s.beta2 = static_cast<float>(beta2);
    s.one_minus_beta2 = static_cast<float>(1.0 - beta2);
    s.step_size = static_cast<float>(learning_rate / (1.0 - power(beta1, step)));
    s.root_bias_correction2 = static_cast<float>(sqrt(1.0 - power(beta2, step)));
    s.epsilon = static_cast<float>(epsilon);
    s.coupled_decay = static_cast<float>(decoupled ? 0.0 : weight_decay);
    return s;
}

VQ4J_SHARED void adam_element(const AdamStep& s, float gradient, float& parameter, float& first, float& second) {
    float value = parameter * s.decay;
    const float g = fused_multiply_add(s.coupled_decay, parameter, gradient);
    first = fused_multiply_add(s.one_minus_beta1, g - first, first);
    second = fused_multiply_add(s.one_minus_beta2, g * g, s.beta2 * second);
    const float denominator = sqrtf(second) / s.root_bias_correction2 + s.epsilon;
    value = value - s.step_size * (first / denominator);
    parameter = value;
}

// velocity is the caller's zero where there is no momentum.
VQ4J_SHARED void sgd_element(float learning_rate, float momentum, float weight_decay, float gradient, float& parameter,
        float& velocity) {
    const float g = fused_multiply_add(weight_decay, parameter, gradient);
    velocity = fused_multiply_add(momentum, velocity, g);
    parameter = fused_multiply_add(-learning_rate, velocity, parameter);
}

}  // namespace vq4j

#endif
