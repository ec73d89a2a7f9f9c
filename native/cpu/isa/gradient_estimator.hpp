// Gradients through the replacement of vectors, vector by vector: three or four reads of each, all but the first from the
// caches. Bound by memory.
#ifndef VQ4J_CPU_ISA_GRADIENT_ESTIMATOR_HPP
#define VQ4J_CPU_ISA_GRADIENT_ESTIMATOR_HPP

#include "core/gradient_estimator.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/isa/runs.hpp"
#include "cpu/kernels.hpp"

namespace vq4j {
namespace {

// The range is checked before it is computed, since out_rows may be grad.
int64_t estimate_gradient(Rows rows, const float* replaced_by, const float* grad, bool rotates, int64_t begin, int64_t end,
    float* out_rows, float* out_codes) {
    const Layout layout = rows.layout;
    bool bad = false;
    for_each_element(layout, begin, end, [=, &bad](int64_t at, int64_t, int64_t) { bad |= !is_finite(grad[at]); });
    if (bad) {
        return first_not_finite(grad, layout, begin, end);
    }
    by_stride(layout, [=](auto stride) {
        for (int64_t n = begin; n < end; ++n) {
            const int64_t first = layout.offset(n);
            estimate_gradient_of_vector(rotates,
                {rows.data + first, replaced_by + first, grad + first, out_rows + first,
                    rotates ? nullptr : out_codes + first, stride, layout.features});
        }
    });
    return no_bad_row;
}

}  // namespace
}  // namespace vq4j

#endif
