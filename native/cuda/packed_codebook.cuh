// The packed codebook of the CUDA kernels: the centre, -h of every code, and the centred codes in panels of 128, features
// slow and codes fast, so that a tile's loads run along memory. The last panel is filled with codes that no row chooses
// (zeros with -h = -infinity).
#ifndef VQ4J_CUDA_PACKED_CODEBOOK_CUH
#define VQ4J_CUDA_PACKED_CODEBOOK_CUH

#include "core/arithmetic.hpp"

namespace vq4j {

constexpr int panel_codes = 128;

template <typename Float>
struct PackedCodebook {
    Float* centre;      // D
    Float* negative_h;  // panels * 128
    Float* codes;       // [panels][D][128]

    __device__ Float& element(int64_t k, int64_t d, int64_t features) const {
        return codes[(k / panel_codes * features + d) * panel_codes + k % panel_codes];
    }
};

inline int64_t panels_of(int64_t codes_count) {
    return (codes_count + panel_codes - 1) / panel_codes;
}

// The centre takes a multiple of 64 bytes.
inline int64_t packed_centre_floats(int64_t features) {
    return (features + 15) / 16 * 16;
}

template <typename Float>
PackedCodebook<Float> packed_view(Float* memory, int64_t codes_count, int64_t features) {
    Float* negative_h = memory + packed_centre_floats(features);
    return {memory, negative_h, negative_h + panels_of(codes_count) * panel_codes};
}

}  // namespace vq4j

#endif
