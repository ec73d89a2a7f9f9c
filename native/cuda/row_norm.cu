// Rows scaled by their length, and the gradient: a thread a row, two reads of it, the second from the caches. Bound by
// memory.
#include "core/arguments.hpp"
#include "core/elements.hpp"
#include "cuda/first_bad.cuh"
#include "cuda/numbers.cuh"
#include "vq4j/cuda.h"

namespace vq4j::row_norm {

template <typename Numbers>
struct Scale {
    Numbers rows;
    Layout layout;
    bool unit;
    float* out;
    BadRows bad;

    __device__ void operator()(int64_t n) const {
        const int64_t first = layout.offset(n);
        const float squared = striped_sum(layout.features, [&](float sum, int64_t d) {
            const float value = rows[first + d * layout.stride()];
            return fused_multiply_add(value, value, sum);
        });
        const float factor = row_norm_factor(unit, squared);
        for (int64_t d = 0; d < layout.features; ++d) {
            const int64_t at = first + d * layout.stride();
            const float value = rows[at];
            bad.note_unless_finite(value, n);
            rows.keep(at, value);
            out[at] = value * factor;
        }
    }
};

struct Gradient {
    const float* rows;
    const float* grad;
    Layout layout;
    bool unit;
    float* out;

    __device__ void operator()(int64_t n) const {
        const int64_t stride = layout.stride();
        const float* z = rows + layout.offset(n);
        const float* g = grad + layout.offset(n);
        const float squared = squared_length(z, stride, layout.features);
        const float factor = row_norm_factor(unit, squared);
        const float radial =
            row_norm_is_radial(unit, squared) ? dot_product(z, g, stride, layout.features) / squared : 0.0f;
        for (int64_t d = 0; d < layout.features; ++d) {
            out[layout.offset(n) + d * stride] = row_norm_gradient_element(g[d * stride], z[d * stride], factor, radial);
        }
    }
};

template <typename Numbers>
void scale(Numbers rows, int64_t outer, int64_t inner, int64_t features, int32_t kind, float* out, cudaStream_t stream) {
    const Layout layout = checked_rows(outer, inner, features);
    check_row_norm(kind);
    check_present({rows.values, out});
    const DeviceFirstBad bad(stream);
    for_each(layout.rows(), stream, Scale<Numbers>{rows, layout, kind == VQ4J_UNIT, out, bad.rows()});
    bad.require_finite("z");
}

}  // namespace vq4j::row_norm

using namespace vq4j;

int32_t vq4j_cuda_row_norm(void* stream, const float* rows, int64_t outer, int64_t inner, int64_t features, int32_t kind,
    float* out) {
    return guarded([&] {
        row_norm::scale(Floats{rows}, outer, inner, features, kind, out, static_cast<cudaStream_t>(stream));
    });
}

int32_t vq4j_cuda_row_norm_half(void* stream, const uint16_t* rows, int32_t type, int64_t outer, int64_t inner,
    int64_t features, int32_t kind, float* out, float* widened) {
    return guarded([&] {
        check_half_type(type);
        check_present({widened});
        with_halves(rows, type, widened, [&](auto halves) {
            row_norm::scale(halves, outer, inner, features, kind, out, static_cast<cudaStream_t>(stream));
        });
    });
}

int32_t vq4j_cuda_row_norm_gradient(void* stream, const float* rows, const float* grad, int64_t outer, int64_t inner,
    int64_t features, int32_t kind, float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_row_norm(kind);
        check_present({rows, grad, out});
        for_each(layout.rows(), static_cast<cudaStream_t>(stream),
            row_norm::Gradient{rows, grad, layout, kind == VQ4J_UNIT, out});
    });
}
