// The packed codebook of the CPU kernels: the centre, -h of every code, and the centred codes in panels, features slow and
// codes fast, so that a step over the features loads whole vectors of codes. The last panel is filled with codes that no
// row chooses (zeros with -h = -infinity).
#ifndef VQ4J_CPU_PACKED_CODEBOOK_HPP
#define VQ4J_CPU_PACKED_CODEBOOK_HPP

#include "core/arithmetic.hpp"

namespace vq4j {

// How many codes a panel of an instruction set holds, and how many rows a tile of its assignment.
struct PanelShape {
    int64_t codes;
    int64_t rows;
};

template <typename Float>
struct PackedCodebook {
    Float* centre;      // D
    Float* negative_h;  // panels * panel codes
    Float* codes;       // [panels][D][panel codes]
    float* filter;      // codebook_filter.hpp
};

VQ4J_SHARED int64_t panels_of(int64_t codes_count, int64_t panel_codes) {
    return (codes_count + panel_codes - 1) / panel_codes;
}

// The centre takes a multiple of 64 bytes.
VQ4J_SHARED int64_t packed_centre_floats(int64_t features) {
    return (features + 15) / 16 * 16;
}

// How many floats the centre and the panels are.
VQ4J_SHARED int64_t panels_floats(int64_t codes_count, int64_t features, int64_t panel_codes) {
    return packed_centre_floats(features) + panels_of(codes_count, panel_codes) * panel_codes * (features + 1);
}

template <typename Float>
VQ4J_SHARED PackedCodebook<Float> packed_view(Float* memory, int64_t codes_count, int64_t features, int64_t panel_codes) {
    const int64_t codes = panels_of(codes_count, panel_codes) * panel_codes;
    Float* negative_h = memory + packed_centre_floats(features);
    // A packed codebook is complete without its filter, which assign adds to one that is const.
    float* const filter = const_cast<float*>(negative_h + codes + codes * features);
    return {memory, negative_h, negative_h + codes, filter};
}

// The centre of a codebook, D. Throws when a code is not finite.
void centre_codebook(const float* codebook, int64_t codes_count, int64_t features, float* centre);

// Fills the panels from a codebook and the centre that stands in `packed`.
void pack_panels(const float* codebook, int64_t codes_count, int64_t features, PackedCodebook<float> packed);

}  // namespace vq4j

#endif
