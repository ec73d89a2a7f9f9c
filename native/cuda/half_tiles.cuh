// Rows and codes in fp16 as the kernels of the filter read them: tiles of 128 vectors by 32 features, and what the
// bound needs of each vector (core/tensor_filter.hpp).
//
// A tile is 8 KiB without gaps, a vector a line of 64 bytes. It lies in device memory as it does in shared memory: the
// four 16-byte parts of a line are exchanged by the line's second and third bit, so that the same part of 8 lines lies
// in different banks. That is what the PTX manual calls a 64-byte swizzle, which wgmma reads as it is: tiles are copied
// as plain bytes.
#ifndef VQ4J_CUDA_HALF_TILES_CUH
#define VQ4J_CUDA_HALF_TILES_CUH

#include "core/layout.hpp"
#include "core/tensor_filter.hpp"
#include "cuda/first_bad.cuh"
#include "cuda/numbers.cuh"
#include "cuda/packed_codebook.cuh"

namespace vq4j::tensor_assignment {

constexpr int tile_lines = panel_codes;
constexpr int tile_features = static_cast<int>(filter_features);
constexpr int tile_halves = tile_lines * tile_features;

// Where in a tile a part of 8 features begins.
__device__ __forceinline__ int place_of_part(int line, int part) {
    return line * tile_features + (part ^ (line >> 1 & 3)) * 8;
}

// The largest terms, and h, of 32 codes.
struct GroupBound {
    CodeTerms terms;
    float h;
};
constexpr int group_codes = 32;
constexpr int groups_of_panel = panel_codes / group_codes;

// Codes of the packed codebook: its panels, padded ones included, tile by tile.
struct HalfCodes {
    uint16_t* tiles;
    CodeTerms* terms;       // a code each
    GroupBound* groups;     // 32 codes each
    unsigned* radius_bits;  // the length of the longest code, as bits
};

// Rounds all codes.
void round_codes(PackedCodebook<const float> packed, int64_t codes_count, int64_t features, HalfCodes codes,
    cudaStream_t stream);

// Rounds `count` rows of the tensor from `begin` on, a multiple of 32. Those beyond the last are zeros without a bound.
void round_rows(AnyNumbers numbers, Layout layout, const float* centre, int64_t begin, int64_t count,
    const unsigned* radius_bits, uint16_t* tiles, RowTerms* terms, BadRows bad, cudaStream_t stream);

}  // namespace vq4j::tensor_assignment

#endif
