// Gradient through the replacement of vectors by codes: a thread a vector, which reads it three or four times, all but the
// first from the caches. Bound by memory.
#include "core/arguments.hpp"
#include "core/gradient_estimator.hpp"
#include "cuda/first_bad.cuh"
#include "vq4j/cuda.h"

namespace vq4j::estimate_gradient {

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
        for (int64_t d = 0; d < layout.features; ++d) {
            bad.note_unless_finite(grad[first + d * layout.stride()], n);
        }
        estimate_gradient_of_vector(rotates,
            {rows + first, replaced_by + first, grad + first, out_rows + first, rotates ? nullptr : out_codes + first,
                layout.stride(), layout.features});
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
        const FirstBad bad(s);
        for_each(layout.rows(), s,
            estimate_gradient::Estimate{rows, replaced_by, grad, layout, kind == VQ4J_ROTATION, out_rows, out_codes,
                bad.rows()});
        bad.require_finite("gradient");
    });
}
