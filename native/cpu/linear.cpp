// Linear maps of rows, blocks of them in parallel, and the gradient of their weights, chunks of rows in parallel;
// isa/linear.hpp has the kernels.
#include "core/arguments.hpp"
#include "core/linear.hpp"
#include "cpu/kernels.hpp"
#include "cpu/packed_codebook.hpp"
#include "cpu/score_blocks.hpp"
#include "cpu/scratch.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

namespace vq4j {
namespace {

// The weights as the codes of a packed codebook, and the bias as its -h.
void pack_weights(const float* weight, const float* bias, LinearSize size, bool transposed, PackedCodebook<float> packed) {
    const int64_t stored_features = transposed ? size.out_features : size.features;
    for (int64_t i = 0; i < size.weights(); ++i) {
        if (!is_finite(weight[i])) {
            not_finite("weight", i / stored_features);
        }
    }
    const Scratch<float> turned(transposed ? size.weights() : 1);
    for (int64_t i = 0; transposed && i < size.weights(); ++i) {
        turned.get()[i % size.out_features * size.features + i / size.out_features] = weight[i];
    }
    std::fill(packed.centre, packed.centre + size.features, 0.0f);
    pack_panels(transposed ? turned.get() : weight, size.out_features, size.features, packed);
    for (int64_t o = 0; o < size.out_features; ++o) {
        packed.negative_h[o] = bias == nullptr ? 0.0f : bias[o];
    }
}

void linear(const InputRows& input, const float* weight, const float* bias, int64_t out_features, bool transposed,
    float* out) {
    const int64_t features = input.layout().features;
    const Kernels& table = kernels();
    const Scratch<float> memory(panels_floats(out_features, features, table.panel.codes));
    const auto packed = packed_view(memory.get(), out_features, features, table.panel.codes);
    const auto view = packed_view(static_cast<const float*>(memory.get()), out_features, features, table.panel.codes);
    pack_weights(weight, bias, {features, out_features}, transposed, packed);
    score_blocks(input, [&](Rows rows, int64_t begin, int64_t end, float* workspace) {
        return table.linear(rows, view, out_features, begin, end, workspace, out);
    });
}

}  // namespace
}  // namespace vq4j

using namespace vq4j;

int32_t vq4j_cpu_linear(const float* rows, int64_t outer, int64_t inner, int64_t features, const float* weight,
    const float* bias, int64_t out_features, int32_t transposed, float* out) {
    return guarded([&] {
        const Layout layout = checked_linear(outer, inner, features, out_features);
        check_present({rows, weight, out});
        linear({rows, layout}, weight, bias, out_features, transposed != 0, out);
    });
}

int32_t vq4j_cpu_linear_half(const uint16_t* rows, int32_t type, int64_t outer, int64_t inner, int64_t features,
    const float* weight, const float* bias, int64_t out_features, int32_t transposed, float* out, float* widened) {
    return guarded([&] {
        const Layout layout = checked_linear(outer, inner, features, out_features);
        check_half_type(type);
        check_present({rows, weight, out, widened});
        linear({rows, type, layout, widened}, weight, bias, out_features, transposed != 0, out);
    });
}

int32_t vq4j_cpu_linear_gradient(const float* rows, const float* grad, int64_t outer, int64_t inner, int64_t features,
    int64_t out_features, float* grad_weight, float* grad_bias) {
    return guarded([&] {
        const Layout layout = checked_linear(outer, inner, features, out_features);
        check_present({rows, grad, grad_weight});
        const Kernels& table = kernels();
        const Layout grad_layout{outer, inner, out_features};
        const LinearSize size{features, out_features};
        const int64_t at_once = chunks_at_once(size, layout.rows());
        const Scratch<double> totals(size.gradients());
        const Scratch<float> partial(at_once * size.gradients());
        std::fill(totals.get(), totals.get() + size.gradients(), 0.0);
        for (int64_t first = 0; first < chunks_of(layout.rows()); first += at_once) {
            const int64_t chunks = std::min(at_once, chunks_of(layout.rows()) - first);
            parallel_for(chunks, [&](int64_t i) {
                const bool copies = inner != 1;
                const Scratch<float> z(copies ? chunk_rows * features : 1);
                const Scratch<float> g(copies ? chunk_rows * out_features : 1);
                float* const sums = partial.get() + i * size.gradients();
                table.sum_linear_gradients({rows, layout}, {grad, grad_layout}, (first + i) * chunk_rows,
                    std::min(layout.rows(), (first + i + 1) * chunk_rows), z.get(), g.get(), sums,
                    sums + size.weights());
            });
            parallel_ranges(size.gradients(), chunks, [&](int64_t begin, int64_t end) {
                for (int64_t i = 0; i < chunks; ++i) {
                    const float* const sums = partial.get() + i * size.gradients();
                    for (int64_t e = begin; e < end; ++e) {
                        totals.get()[e] = totals.get()[e] + static_cast<double>(sums[e]);
                    }
                }
            });
        }
        const auto rounded = [](double total) { return static_cast<float>(total); };
        std::transform(totals.get(), totals.get() + size.weights(), grad_weight, rounded);
        if (grad_bias != nullptr) {
            std::transform(totals.get() + size.weights(), totals.get() + size.gradients(), grad_bias, rounded);
        }
    });
}
