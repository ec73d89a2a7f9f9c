// Rows scaled by their length, and the gradient: two reads of a row, the second from the caches. Bound by memory.
#include "core/arguments.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/input_rows.hpp"
#include "cpu/kernels.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

namespace vq4j {
namespace {

void row_norm(const InputRows& input, int32_t kind, float* out) {
    const Layout layout = input.layout();
    const Kernels& table = kernels();
    FirstBad bad;
    parallel_ranges(layout.rows(), layout.features, [&](int64_t begin, int64_t end) {
        bad.note(table.row_norm(input.with(begin, end), kind == VQ4J_UNIT, begin, end, out));
    });
    bad.require_finite("z");
}

}  // namespace
}  // namespace vq4j

using namespace vq4j;

int32_t vq4j_cpu_row_norm(const float* rows, int64_t outer, int64_t inner, int64_t features, int32_t kind, float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_row_norm(kind);
        check_present({rows, out});
        row_norm({rows, layout}, kind, out);
    });
}

int32_t vq4j_cpu_row_norm_half(const uint16_t* rows, int32_t type, int64_t outer, int64_t inner, int64_t features,
    int32_t kind, float* out, float* widened) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_row_norm(kind);
        check_half_type(type);
        check_present({rows, out, widened});
        row_norm({rows, type, layout, widened}, kind, out);
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
