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

// z.g of two rows with the same stride.
VQ4J_SHARED float dot_product(const float* z, const float* g, int64_t stride, int64_t features) {
    return striped_sum(features, [=](float sum, int64_t d) {
        return fused_multiply_add(z[d * stride], g[d * stride], sum);
    });
}

// The larger score wins, the lower index on a tie; NaN never wins against the start (-infinity, lowest index).
VQ4J_SHARED bool beats(float score, int64_t index, float best_score, int64_t best_index) {
    return score > best_score || (score == best_score && index < best_index);
}

}  // namespace vq4j

#endif
