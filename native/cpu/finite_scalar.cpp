// Finite scalar quantization, its decoding and its gradient. Bound by tanh in fp64; the decoding by integer divisions.
#include "core/codebook_free_arguments.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/input_rows.hpp"
#include "cpu/kernels.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

namespace vq4j {
namespace {

constexpr int64_t element_cost = 8;  // elements' worth of streaming time

void quantize(const InputRows& input, const int32_t* levels, float* out, int32_t* codes) {
    const Layout layout = input.layout();
    const FiniteScalarGrid grid = checked_finite_scalar_grid(levels, layout.features);
    const Kernels& table = kernels();
    FirstBad bad;
    parallel_ranges(layout.rows(), element_cost * layout.features, [&](int64_t begin, int64_t end) {
        bad.note(table.finite_scalar_quantize(input.with(begin, end), grid, begin, end, out, codes));
    });
    bad.require_finite("z");
}

}  // namespace
}  // namespace vq4j

using namespace vq4j;

int32_t vq4j_cpu_finite_scalar_quantize(const float* rows, int64_t outer, int64_t inner, int64_t features,
    const int32_t* levels, float* out, int32_t* codes) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_present({rows, levels, codes});
        quantize({rows, layout}, levels, out, codes);
    });
}

int32_t vq4j_cpu_finite_scalar_quantize_half(const uint16_t* rows, int32_t type, int64_t outer, int64_t inner,
    int64_t features, const int32_t* levels, float* out, int32_t* codes, float* widened) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_half_type(type);
        check_present({rows, levels, codes, widened});
        quantize({rows, type, layout, widened}, levels, out, codes);
    });
}

int32_t vq4j_cpu_finite_scalar_decode(const int32_t* codes, int64_t outer, int64_t inner, int64_t features,
    const int32_t* levels, float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_present({codes, levels, out});
        const FiniteScalarGrid grid = checked_finite_scalar_grid(levels, features);
        FirstBad bad;
        parallel_ranges(layout.rows(), element_cost * features, [&](int64_t begin, int64_t end) {
            for (int64_t n = begin; n < end; ++n) {
                if (codes[n] < 0 || codes[n] >= grid.codes_count) {
                    bad.note(n);
                    return;
                }
                float* const row = out + layout.offset(n);
                for (int64_t d = 0; d < features; ++d) {
                    const FiniteScalarAxis& axis = grid.axes[d];
                    row[d * layout.stride()] = finite_scalar_value(axis, finite_scalar_digit_of_code(axis, codes[n]));
                }
            }
        });
        bad.require_codes_in_range(codes, grid.codes_count);
    });
}

int32_t vq4j_cpu_finite_scalar_gradient(const float* rows, const float* grad, int64_t outer, int64_t inner,
    int64_t features, const int32_t* levels, float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_present({rows, grad, levels, out});
        const FiniteScalarGrid grid = checked_finite_scalar_grid(levels, features);
        const Kernels& table = kernels();
        FirstBad bad;
        parallel_ranges(layout.rows(), element_cost * features, [&](int64_t begin, int64_t end) {
            bad.note(table.finite_scalar_gradient({rows, layout}, grad, grid, begin, end, out));
        });
        bad.require_finite("gradient");
    });
}
