// Lengths and products of rows in fp64, where the product of two fp32 numbers is exact and no square overflows or
// vanishes: a row is zero here only if all its elements are.
#ifndef VQ4J_CORE_LENGTHS_HPP
#define VQ4J_CORE_LENGTHS_HPP

#include "core/arithmetic.hpp"
#include "vq4j/status.h"

namespace vq4j {

// Sum of term(d) over the features of one row, in stripes as striped_sum.
template <typename Term>
VQ4J_SHARED double striped_sum_in_fp64(int64_t features, Term term) {
    double lanes[stripes];
    for (int lane = 0; lane < stripes; ++lane) {
        lanes[lane] = 0.0;
    }
    int64_t d = 0;
    for (; d + stripes <= features; d += stripes) {
        for (int lane = 0; lane < stripes; ++lane) {
            lanes[lane] = lanes[lane] + term(d + lane);
        }
    }
    for (int lane = 0; d < features; ++d, ++lane) {
        lanes[lane] = lanes[lane] + term(d);
    }
    for (int width = stripes / 2; width > 0; width /= 2) {
        for (int lane = 0; lane < width; ++lane) {
            lanes[lane] = lanes[lane] + lanes[lane + width];
        }
    }
    return lanes[0];
}

// |z| of a row with elements z[d * stride].
VQ4J_SHARED double length_in_fp64(const float* row, int64_t stride, int64_t features) {
    return sqrt(striped_sum_in_fp64(features, [=](int64_t d) {
        const double value = static_cast<double>(row[d * stride]);
        return value * value;
    }));
}

// Whether all elements of a row of this length are finite: no sum of squares of finite ones overflows.
VQ4J_SHARED bool is_finite_length(double length) {
    return length < HUGE_VAL;
}

// 1 - cos of a row, whose length is given, and a contiguous code; never negative. A zero vector has cos = 0 with all.
VQ4J_SHARED float cosine_distance(const float* row, int64_t stride, double length, const float* code, int64_t features) {
    const double dot = striped_sum_in_fp64(features, [=](int64_t d) {
        return static_cast<double>(row[d * stride]) * static_cast<double>(code[d]);
    });
    const double lengths = length * length_in_fp64(code, 1, features);
    const double distance = lengths > 0.0 ? 1.0 - dot / lengths : 1.0;
    return static_cast<float>(distance > 0.0 ? distance : 0.0);
}

// Distance of one of the kinds of status.h; the row's length is used by VQ4J_COSINE only.
VQ4J_SHARED float code_distance(int32_t kind, const float* row, int64_t stride, double length, const float* code,
        int64_t features) {
    if (kind == VQ4J_COSINE) {
        return cosine_distance(row, stride, length, code, features);
    }
    const float squared = squared_distance(row, stride, code, features);
    return kind == VQ4J_EUCLIDEAN ? sqrtf(squared) : squared;
}

// What a row of one length is multiplied with to have another; zero rows stay zero.
VQ4J_SHARED double length_factor(double length, double wanted) {
    return length > 0.0 ? wanted / length : 0.0;
}

VQ4J_SHARED float scaled_in_fp64(float value, double factor) {
    return static_cast<float>(static_cast<double>(value) * factor);
}

}  // namespace vq4j

#endif
