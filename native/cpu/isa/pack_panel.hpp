// The panels of a packed codebook, for the scores of assign.hpp: centred codes, or directions, transposed in
// registers. One read of the codes, one write of the panels.
#ifndef VQ4J_CPU_ISA_PACK_PANEL_HPP
#define VQ4J_CPU_ISA_PACK_PANEL_HPP

#include "core/lengths.hpp"
#include "cpu/isa/assign.hpp"

namespace vq4j {
namespace {

// The panel's codes, centred and transposed, and their -h: one chain a code, ascending features.
void pack_panel(const float* codebook, int64_t codes_count, int64_t features, const float* centre, int64_t panel,
    PackedCodebook<float> packed) {
    for (int64_t first = panel * tile_codes; first < (panel + 1) * tile_codes; first += lanes) {
        const int64_t count = codes_count - first < lanes ? codes_count - first : lanes;
        float* const codes = packed.codes + panel * tile_codes * features + first % tile_codes;
        Floats sums = all(0.0f);
        for_each_vector(features, [&](int64_t d, auto access) {
            Floats tile[lanes];
#pragma GCC unroll 16
            for (int64_t i = 0; i < lanes; ++i) {
                tile[i] = i < count ? access.load(codebook + (first + i) * features + d) - access.load(centre + d)
                                    : all(0.0f);
            }
            transpose(tile);
            Floats chain = sums;
#pragma GCC unroll 16
            for (int64_t i = 0; i < lanes; ++i) {
                if (i < features - d) {
                    store(codes + (d + i) * tile_codes, tile[i]);
                    chain = multiply_add(tile[i], tile[i], chain);
                }
            }
            sums = chain;
        });
        // Beyond the codebook: -infinity, which no row chooses.
        const Floats negative_h = all(-0.5f) * sums;
        const Floats none = all(-std::numeric_limits<float>::infinity());
        store(packed.negative_h + first, choose_first(count < 0 ? 0 : count, negative_h, none));
    }
}

// The directions of the panel's codes, transposed, with h = 0. Returns the first bad code, or no_bad_row.
int64_t pack_direction_panel(const float* codebook, int64_t codes_count, int64_t features, int64_t panel,
    PackedCodebook<float> packed) {
    const int64_t first = panel * tile_codes;
    float* const codes = packed.codes + first * features;
    int64_t bad = no_bad_row;
    for (int64_t i = tile_codes - 1; i >= 0; --i) {
        const bool exists = first + i < codes_count;
        const float* const code = codebook + (first + i) * features;
        const double length = exists ? length_in_fp64(code, 1, features) : 0.0;
        const double factor = length_factor(length, 1.0);
        bad = is_finite_length(length) ? bad : first + i;
        for (int64_t d = 0; d < features; ++d) {
            codes[d * tile_codes + i] = exists ? scaled_in_fp64(code[d], factor) : 0.0f;
        }
        packed.negative_h[first + i] = exists ? 0.0f : -std::numeric_limits<float>::infinity();
    }
    return bad;
}

}  // namespace
}  // namespace vq4j

#endif
