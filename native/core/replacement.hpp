// The new vector of a code that is replaced.
#ifndef VQ4J_CORE_REPLACEMENT_HPP
#define VQ4J_CORE_REPLACEMENT_HPP

#include "core/elements.hpp"
#include "core/layout.hpp"
#include "core/random.hpp"

namespace vq4j {

// Code k becomes a random row plus noise, mapped back through its group's affine where there is one (scale not null), so
// that the effective code lands on the row.
VQ4J_SHARED void replace_code(const float* rows, Layout layout, int64_t k, const float* scale, const float* shift,
    int64_t group_codes, float noise, uint64_t seed, uint64_t step, float* codebook) {
    const int64_t features = layout.features;
    const int64_t n = uniform_below(seed, static_cast<uint64_t>(k), purpose::replacement_row + step, layout.rows());
    const float* row = rows + layout.offset(n);
    const float amount = noise * sqrtf(squared_length(row, layout.stride(), features));
    for (int64_t d = 0; d < features; ++d) {
        const uint64_t index = static_cast<uint64_t>(k * features + d);
        const float drawn = normal(seed, index, purpose::replacement_noise + step);
        float value = noisy_element(row[d * layout.stride()], amount, drawn);
        if (scale != nullptr) {
            const int64_t coefficient = k / group_codes * features + d;
            value = inverse_affine_element(value, scale[coefficient], shift[coefficient]);
        }
        codebook[k * features + d] = value;
    }
}

}  // namespace vq4j

#endif
