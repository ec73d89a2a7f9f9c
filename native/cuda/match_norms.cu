// Rows scaled to the lengths of other rows: a thread a row, two reads of it, the second from the caches. Bound by memory.
#include "core/arguments.hpp"
#include "core/lengths.hpp"
#include "cuda/first_bad.cuh"
#include "vq4j/cuda.h"

namespace vq4j::match_norms {

struct Scale {
    const float* rows;
    const float* target;
    Layout layout;
    float* out;
    BadRows bad;
    BadRows bad_target;

    __device__ void operator()(int64_t n) const {
        const int64_t first = layout.offset(n);
        const double length = length_in_fp64(rows + first, layout.stride(), layout.features);
        const double wanted = length_in_fp64(target + first, layout.stride(), layout.features);
        if (!is_finite_length(length)) {
            bad.note(n);
        }
        if (!is_finite_length(wanted)) {
            bad_target.note(n);
        }
        const double factor = length_factor(length, wanted);
        for (int64_t d = 0; d < layout.features; ++d) {
            const int64_t at = first + d * layout.stride();
            out[at] = scaled_in_fp64(rows[at], factor);
        }
    }
};

}  // namespace vq4j::match_norms

using namespace vq4j;

int32_t vq4j_cuda_match_norms(void* stream, const float* rows, const float* target, int64_t outer, int64_t inner,
    int64_t features, float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_present({rows, target, out});
        const auto s = static_cast<cudaStream_t>(stream);
        const DeviceFirstBad bad(s);
        const DeviceFirstBad bad_target(s);
        for_each(layout.rows(), s, match_norms::Scale{rows, target, layout, out, bad.rows(), bad_target.rows()});
        bad.require_finite("z");
        bad_target.require_finite("target");
    });
}
