// Rows scaled by their length, and the gradient: two reads of a row, the second from the caches. Bound by memory.
#include "core/arguments.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/kernels.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

using namespace vq4j;

int32_t vq4j_cpu_row_norm(const float* rows, int64_t outer, int64_t inner, int64_t features, int32_t kind, float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_row_norm(kind);
        check_present({rows, out});
        const Kernels& table = kernels();
        FirstBad bad;
        parallel_ranges(layout.rows(), features, [&](int64_t begin, int64_t end) {
            bad.note(table.row_norm({rows, layout}, kind == VQ4J_UNIT, begin, end, out));
        });
        bad.require_finite("z");
    });
}

int32_t vq4j_cpu_row_norm_gradient(const float* rows, const float* grad, int64_t outer, int64_t inner, int64_t features,
    int32_t kind, float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_row_norm(kind);
        check_present({rows, grad, out});
        const Kernels& table = kernels();
        parallel_ranges(layout.rows(), features, [&](int64_t begin, int64_t end) {
            table.row_norm_gradient({rows, layout}, grad, kind == VQ4J_UNIT, begin, end, out);
        });
    });
}
