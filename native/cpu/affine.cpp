// The affine reparameterisation of the codebook: its coefficients, the effective codebook, the gradient through it. Bound by
// memory; the sums of the gradient run over chunks of 256 codes, combined in fp64.
#include <algorithm>

#include "core/arguments.hpp"
#include "core/elements.hpp"
#include "core/segments.hpp"
#include "cpu/kernels.hpp"
#include "cpu/scratch.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

namespace vq4j {
namespace {

// out = scale * codebook + shift, or scale * codebook where shift is null, every code by its group.
void apply_by_group(const float* codebook, int64_t codes_count, int64_t features, int64_t groups, const float* scale,
    const float* shift, float* out) {
    const Kernels& table = kernels();
    const int64_t group_codes = codes_count / groups;
    parallel_ranges(codes_count, features, [&](int64_t begin, int64_t end) {
        for (int64_t k = begin; k < end;) {
            const int64_t group = k / group_codes;
            const int64_t last = std::min(end, (group + 1) * group_codes);
            table.affine(codebook, features, scale + group * features,
                shift == nullptr ? nullptr : shift + group * features, k, last, out);
            k = last;
        }
    });
}

void parameter_gradients(const float* grad, const float* codebook, Segments groups, int64_t features, float rate,
    float* grad_scale, float* grad_bias) {
    const Kernels& table = kernels();
    const int64_t chunks = groups.chunks();
    const Scratch<GradientSums> partial(groups.count * chunks * features);
    parallel_ranges(groups.count * chunks, std::min(chunk_rows, groups.rows) * features,
        [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) {
                const Chunk chunk = groups.chunk(i);
                table.sum_affine_gradients(grad, codebook, features, chunk.begin, chunk.end, partial.get() + i * features);
            }
        });
    for (int64_t i = 0; i < groups.count * features; ++i) {
        const GradientSums* const column = partial.get() + i / features * chunks * features + i % features;
        double grad_sum = 0.0;
        double product_sum = 0.0;
        for (int64_t chunk = 0; chunk < chunks; ++chunk) {
            grad_sum = grad_sum + static_cast<double>(column[chunk * features].grad);
            product_sum = product_sum + static_cast<double>(column[chunk * features].product);
        }
        if (grad_scale != nullptr) {
            grad_scale[i] = rate * static_cast<float>(product_sum);
        }
        if (grad_bias != nullptr) {
            grad_bias[i] = rate * static_cast<float>(grad_sum);
        }
    }
}

}  // namespace
}  // namespace vq4j

using namespace vq4j;

int32_t vq4j_cpu_affine_learned(const float* scale_parameter, const float* bias_parameter, int64_t count, float rate,
    float* scale, float* shift) {
    return guarded([&] {
        check_sizes({{"count", count}});
        check_present({scale_parameter, bias_parameter, scale, shift});
        for (int64_t i = 0; i < count; ++i) {
            scale[i] = affine_learned_scale(rate, scale_parameter[i]);
            shift[i] = rate * bias_parameter[i];
        }
    });
}

int32_t vq4j_cpu_affine_statistics(const float* mean_z, const float* var_z, const float* mean_c, const float* var_c,
    int64_t groups, int64_t features, float* scale, float* shift) {
    return guarded([&] {
        check_sizes({{"groups", groups}, {"features", features}});
        check_present({mean_z, var_z, mean_c, var_c, scale, shift});
        for (int64_t i = 0; i < groups * features; ++i) {
            const int64_t d = i % features;
            scale[i] = affine_statistics_scale(var_z[d], var_c[i]);
            shift[i] = affine_statistics_shift(mean_z[d], scale[i], mean_c[i]);
        }
    });
}

int32_t vq4j_cpu_affine(const float* codebook, int64_t codes_count, int64_t features, int64_t groups, const float* scale,
    const float* shift, float* out) {
    return guarded([&] {
        check_codebook(codes_count, features);
        check_divides("groups", groups, "codes_count", codes_count);
        check_present({codebook, scale, shift, out});
        apply_by_group(codebook, codes_count, features, groups, scale, shift, out);
    });
}

int32_t vq4j_cpu_affine_gradient(const float* grad, const float* codebook, int64_t codes_count, int64_t features,
    int64_t groups, const float* scale, float rate, float* out, float* grad_scale, float* grad_bias) {
    return guarded([&] {
        check_codebook(codes_count, features);
        check_divides("groups", groups, "codes_count", codes_count);
        check_present({grad, codebook, scale, out});
        if (grad_scale != nullptr || grad_bias != nullptr) {
            parameter_gradients(grad, codebook, {groups, codes_count / groups}, features, rate, grad_scale, grad_bias);
        }
        apply_by_group(grad, codes_count, features, groups, scale, nullptr, out);
    });
}
