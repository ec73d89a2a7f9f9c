// Kernels on the lengths of rows and on their distances to codes: a row at a time. Bound by memory.
#ifndef VQ4J_CPU_ISA_LENGTHS_HPP
#define VQ4J_CPU_ISA_LENGTHS_HPP

#include "core/lengths.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/isa/runs.hpp"
#include "cpu/kernels.hpp"

namespace vq4j {
namespace {

void code_distances(Rows rows, const float* codebook, const int32_t* codes, int64_t k, int32_t kind, int64_t begin,
    int64_t end, float* distances) {
    const int64_t features = rows.layout.features;
    by_stride(rows.layout, [=](auto stride) {
        for (int64_t n = begin; n < end; ++n) {
            const float* const row = rows.row(n);
            const double length = kind == VQ4J_COSINE ? length_in_fp64(row, stride, features) : 0.0;
            for (int64_t i = n * k; i < (n + 1) * k; ++i) {
                const float* const code = codebook + codes[i] * features;
                distances[i] = code_distance(kind, row, stride, length, code, features);
            }
        }
    });
}

FirstBadRows match_norms(Rows rows, const float* target, int64_t begin, int64_t end, float* out) {
    const int64_t features = rows.layout.features;
    return by_stride(rows.layout, [=](auto stride) {
        FirstBadRows bad = {no_bad_row, no_bad_row};
        for (int64_t n = end - 1; n >= begin; --n) {
            const int64_t first = rows.layout.offset(n);
            const double length = length_in_fp64(rows.data + first, stride, features);
            const double wanted = length_in_fp64(target + first, stride, features);
            bad.of_rows = is_finite_length(length) ? bad.of_rows : n;
            bad.of_target = is_finite_length(wanted) ? bad.of_target : n;
            const double factor = length_factor(length, wanted);
            for (int64_t d = 0; d < features; ++d) {
                out[first + d * stride] = scaled_in_fp64(rows.data[first + d * stride], factor);
            }
        }
        return bad;
    });
}

}  // namespace
}  // namespace vq4j

#endif
