// Gradient through the replacement of vectors by codes: a thread a vector, which reads it several times, all but the first
// from the caches. Bound by memory.
#include "core/arguments.hpp"
#include "core/gradient_estimator.hpp"
#include "cuda/first_bad.cuh"
#include "vq4j/cuda.h"

namespace vq4j::estimate_gradient {

// Elements of one vector, `stride` apart.
struct Vector {
    const float* z;
    const float* e;
    const float* g;
    int64_t stride;
    int64_t features;
};

__device__ void rotate(Vector v, float* out) {
    const float z_square = squared_length(v.z, v.stride, v.features);
    const float e_square = squared_length(v.e, v.stride, v.features);
    const InverseLengths inverse = inverse_lengths(z_square, e_square);
    const auto sum_of = [=](int64_t d) {
        return sum_of_directions(v.z[d * v.stride], v.e[d * v.stride], inverse.z, inverse.e);
    };
    const float sum_square = striped_sum(v.features, [=](float total, int64_t d) {
        return fused_multiply_add(sum_of(d), sum_of(d), total);
    });
    const float sum_g = striped_sum(v.features, [=](float total, int64_t d) {
        return fused_multiply_add(sum_of(d), v.g[d * v.stride], total);
    });
    const float e_g = dot_product(v.e, v.g, v.stride, v.features);
    const Rotation turned = rotation(z_square, e_square, inverse, sum_square, sum_g, e_g);
    for (int64_t d = 0; d < v.features; ++d) {
        out[d * v.stride] = rotated_gradient_element(v.g[d * v.stride], v.z[d * v.stride], sum_of(d), turned.of_sum,
            turned.of_z, turned.ratio);
    }
}

__device__ void direct(Vector v, float* out, float* out_codes) {
    const auto difference = [=](int64_t d) { return v.e[d * v.stride] - v.z[d * v.stride]; };
    const float square = striped_sum(v.features, [=](float total, int64_t d) {
        return fused_multiply_add(difference(d), difference(d), total);
    });
    const float along = striped_sum(v.features, [=](float total, int64_t d) {
        return fused_multiply_add(difference(d), v.g[d * v.stride], total);
    });
    const float share = share_along_direction(square, along);
    for (int64_t d = 0; d < v.features; ++d) {
        const float of_code = share * difference(d);
        out[d * v.stride] = v.g[d * v.stride] - of_code;
        out_codes[d * v.stride] = of_code;
    }
}

struct Estimate {
    const float* rows;
    const float* replaced_by;
    const float* grad;
    Layout layout;
    bool rotates;
    float* out_rows;
    float* out_codes;
    BadRows bad;

    __device__ void operator()(int64_t n) const {
        const int64_t first = layout.offset(n);
        const Vector v = {rows + first, replaced_by + first, grad + first, layout.stride(), layout.features};
        for (int64_t d = 0; d < v.features; ++d) {
            bad.note_unless_finite(v.g[d * v.stride], n);
        }
        if (rotates) {
            rotate(v, out_rows + first);
        } else {
            direct(v, out_rows + first, out_codes + first);
        }
    }
};

}  // namespace vq4j::estimate_gradient

using namespace vq4j;

int32_t vq4j_cuda_estimate_gradient(void* stream, const float* rows, const float* replaced_by, const float* grad,
    int64_t outer, int64_t inner, int64_t features, int32_t kind, float* out_rows, float* out_codes) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_estimator(kind, out_codes);
        check_present({rows, replaced_by, grad, out_rows});
        const auto s = static_cast<cudaStream_t>(stream);
        const DeviceFirstBad bad(s);
        for_each(layout.rows(), s,
            estimate_gradient::Estimate{rows, replaced_by, grad, layout, kind == VQ4J_ROTATION, out_rows, out_codes,
                bad.rows()});
        bad.require_finite("gradient");
    });
}
