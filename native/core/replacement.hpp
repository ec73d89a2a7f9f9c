// The new vectors of codes that are replaced, and the order of the rows and codes they may come from.
#ifndef VQ4J_CORE_REPLACEMENT_HPP
#define VQ4J_CORE_REPLACEMENT_HPP

#include "core/elements.hpp"
#include "core/layout.hpp"
#include "core/random.hpp"

namespace vq4j {

// Where the codes of a replacement lie and how they are mapped back, so that the effective code lands on a vector.
struct CodePlaces {
    const float* scale;  // groups x D, null without an affine
    const float* shift;
    int64_t group_codes;
    int64_t features;
    float* codebook;
};

// Code k becomes vector[d * stride] plus noise * |vector| * N(0, 1), mapped back through its group's affine. A vector whose
// squared length overflows has no noise, which would not be finite.
VQ4J_SHARED void place_code(const float* vector, int64_t stride, int64_t k, float noise, uint64_t seed, uint64_t step,
    CodePlaces to) {
    const float amount = noise * sqrtf(squared_length(vector, stride, to.features));
    for (int64_t d = 0; d < to.features; ++d) {
        float value = vector[d * stride];
        if (noise != 0.0f && is_finite(amount)) {
            const uint64_t index = static_cast<uint64_t>(k * to.features + d);
            value = noisy_element(value, amount, normal(seed, index, purpose::replacement_noise + step));
        }
        if (to.scale != nullptr) {
            const int64_t coefficient = k / to.group_codes * to.features + d;
            value = inverse_affine_element(value, to.scale[coefficient], to.shift[coefficient]);
        }
        to.codebook[k * to.features + d] = value;
    }
}

// Code k becomes a random row plus noise.
VQ4J_SHARED void replace_code(const float* rows, Layout layout, int64_t k, float noise, uint64_t seed, uint64_t step,
    CodePlaces to) {
    const int64_t n = uniform_below(seed, static_cast<uint64_t>(k), purpose::replacement_row + step, layout.rows());
    place_code(rows + layout.offset(n), layout.stride(), k, noise, seed, step, to);
}

// What sorts rows by distance, the farthest first, then the lowest row: greater keys come first, and no two are equal.
// The bits of floats that are not negative ascend with them; the sign of a negative zero is dropped.
VQ4J_SHARED uint64_t distance_key(float distance, int64_t row) {
    uint32_t bits;
    memcpy(&bits, &distance, sizeof bits);
    return (static_cast<uint64_t>(bits & 0x7fffffffu) << 32) | (0xffffffffu - static_cast<uint32_t>(row));
}

// The same of codes by how often they are used.
VQ4J_SHARED uint64_t usage_key(int64_t count, int64_t code) {
    return (static_cast<uint64_t>(count) << 32) | (0xffffffffu - static_cast<uint32_t>(code));
}

// The row or code of a key.
VQ4J_SHARED int64_t number_of_key(uint64_t key) {
    return static_cast<int64_t>(0xffffffffu - static_cast<uint32_t>(key));
}

}  // namespace vq4j

#endif
