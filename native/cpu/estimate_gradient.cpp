// Gradient through the replacement of vectors by codes; isa/gradient_estimator.hpp has the kernel. Bound by memory,
// 16 N D bytes with rotation, 20 N D without.
#include "core/arguments.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/kernels.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

using namespace vq4j;

int32_t vq4j_cpu_estimate_gradient(const float* rows, const float* replaced_by, const float* grad, int64_t outer,
    int64_t inner, int64_t features, int32_t kind, float* out_rows, float* out_codes) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_estimator(kind, out_codes);
        check_present({rows, replaced_by, grad, out_rows});
        const Kernels& table = kernels();
        FirstBad bad;
        parallel_ranges(layout.rows(), features, [&](int64_t begin, int64_t end) {
            bad.note(table.estimate_gradient({rows, layout}, replaced_by, grad, kind == VQ4J_ROTATION, begin, end,
                out_rows, out_codes));
        });
        bad.require_finite("gradient");
    });
}
