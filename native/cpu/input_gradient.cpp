// Gradient of the input, straight-through plus commitment. Bound by memory, 12 N D bytes.
#include "core/arguments.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/kernels.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

using namespace vq4j;

int32_t vq4j_cpu_input_gradient(const float* rows, const float* grad, int64_t outer, int64_t inner, int64_t features,
    const float* codebook, const int32_t* codes, float coefficient, float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_present({rows, codebook, codes, out});
        const Kernels& table = kernels();
        FirstBad bad;
        parallel_ranges(layout.rows(), features, [&](int64_t begin, int64_t end) {
            bad.note(table.input_gradient({rows, layout}, grad, codebook, codes, coefficient, begin, end, out));
        });
        bad.require_finite("gradient");
    });
}
