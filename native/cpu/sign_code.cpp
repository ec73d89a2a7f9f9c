// Sign codes, their decoding, losses and gradient. The losses are summed in fp64 over chunks of 256 rows. Coding is
// bound by memory, 8 N D bytes, losses and gradient by the entropies in fp64.
#include <algorithm>

#include "core/codebook_free_arguments.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/input_rows.hpp"
#include "cpu/kernels.hpp"
#include "cpu/scratch.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

namespace vq4j {
namespace {

constexpr int64_t entropy_cost = 16;  // elements' worth of streaming time

void quantize(const InputRows& input, float scale, float* out, int32_t* codes) {
    const Layout layout = input.layout();
    const Kernels& table = kernels();
    FirstBad bad;
    parallel_ranges(layout.rows(), layout.features, [&](int64_t begin, int64_t end) {
        bad.note(table.sign_quantize(input.with(begin, end), scale, begin, end, out, codes));
    });
    bad.require_finite("z");
}

}  // namespace
}  // namespace vq4j

using namespace vq4j;

int32_t vq4j_cpu_sign_quantize(const float* rows, int64_t outer, int64_t inner, int64_t features, float scale,
    float* out, int32_t* codes) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_sign_code(features, scale);
        check_present({rows, codes});
        quantize({rows, layout}, scale, out, codes);
    });
}

int32_t vq4j_cpu_sign_quantize_half(const uint16_t* rows, int32_t type, int64_t outer, int64_t inner, int64_t features,
    float scale, float* out, int32_t* codes, float* widened) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_sign_code(features, scale);
        check_half_type(type);
        check_present({rows, codes, widened});
        quantize({rows, type, layout, widened}, scale, out, codes);
    });
}

int32_t vq4j_cpu_sign_decode(const int32_t* codes, int64_t outer, int64_t inner, int64_t features, float scale,
    float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_sign_code(features, scale);
        check_present({codes, out});
        const int64_t codes_count = int64_t{1} << features;
        FirstBad bad;
        parallel_ranges(layout.rows(), features, [&](int64_t begin, int64_t end) {
            for (int64_t n = begin; n < end; ++n) {
                if (codes[n] < 0 || codes[n] >= codes_count) {
                    bad.note(n);
                    return;
                }
                float* const row = out + layout.offset(n);
                for (int64_t d = 0; d < features; ++d) {
                    row[d * layout.stride()] = sign_value(codes[n] >> d & 1, scale);
                }
            }
        });
        bad.require_codes_in_range(codes, codes_count);
    });
}

int32_t vq4j_cpu_sign_losses(const float* rows, int64_t outer, int64_t inner, int64_t features, float scale,
    double sharpness, double* losses, double* mean_logits) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_sign_code(features, scale);
        check_sharpness(sharpness);
        check_present({rows, losses, mean_logits});
        const Kernels& table = kernels();
        const int64_t rows_count = layout.rows();
        const int64_t chunks = chunks_of(rows_count);
        const Scratch<SignSums> partial(chunks * features);
        parallel_ranges(chunks, entropy_cost * std::min(chunk_rows, rows_count) * features,
            [&](int64_t begin, int64_t end) {
                for (int64_t chunk = begin; chunk < end; ++chunk) {
                    table.sum_sign_losses({rows, layout}, scale, sharpness, chunk * chunk_rows,
                        std::min(rows_count, (chunk + 1) * chunk_rows), partial.get() + chunk * features);
                }
            });
        SignSums sums[sign_code_features] = {};
        for (int64_t chunk = 0; chunk < chunks; ++chunk) {
            for (int64_t d = 0; d < features; ++d) {
                sums[d] = add_terms(sums[d], partial.get()[chunk * features + d]);
            }
        }
        finish_sign_losses(sums, rows_count, features, losses, mean_logits);
    });
}

int32_t vq4j_cpu_sign_gradient(const float* rows, const float* grad, int64_t outer, int64_t inner, int64_t features,
    float scale, double sharpness, double commitment, double entropy, double diversity, const double* mean_logits,
    float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_sign_code(features, scale);
        check_sharpness(sharpness);
        check_present({rows, mean_logits, out});
        const SignGradient gradient{scale, sharpness, commitment, entropy, diversity};
        const Kernels& table = kernels();
        FirstBad bad;
        parallel_ranges(layout.rows(), entropy_cost * features, [&](int64_t begin, int64_t end) {
            bad.note(table.sign_gradient({rows, layout}, grad, gradient, mean_logits, begin, end, out));
        });
        bad.require_finite("gradient");
    });
}
