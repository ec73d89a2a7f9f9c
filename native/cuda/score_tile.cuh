// Canonical scores of 64 rows and 64 codes: 256 threads hold 4 x 4 of them each in registers, started at -h, and walk
// through the features in steps of 16 held in shared memory.
#ifndef VQ4J_CUDA_SCORE_TILE_CUH
#define VQ4J_CUDA_SCORE_TILE_CUH

#include "core/layout.hpp"
#include "cuda/first_bad.cuh"
#include "cuda/numbers.cuh"
#include "cuda/packed_codebook.cuh"

namespace vq4j {

struct ScoreTile {
    static constexpr int rows = 64;
    static constexpr int codes = 64;  // half a panel
    static constexpr int features = 16;
    static constexpr int threads = 256;
    static constexpr int threads_across = 16;
    static constexpr int part = 4;  // a thread's rows, and codes

    float z[features][rows + 1];
    float c[features][codes];

    // Where the calling thread's codes and rows begin in the tile.
    static __device__ int across() { return static_cast<int>(threadIdx.x) % threads_across * part; }
    static __device__ int down() { return static_cast<int>(threadIdx.x) / threads_across * part; }

    // For all threads of the block. Rows are checked, and kept, with the first codes. Rows beyond the last score as zeros.
    template <typename Numbers>
    __device__ void score(Numbers data, Layout layout, PackedCodebook<const float> packed, int64_t first_row,
        int64_t first_code, BadRows bad, float (&score)[part][part]) {
        const int t = static_cast<int>(threadIdx.x);
        const float* const panel =
            packed.codes + first_code / panel_codes * panel_codes * layout.features + first_code % panel_codes;
        for (int j = 0; j < part; ++j) {
            for (int i = 0; i < part; ++i) {
                score[i][j] = packed.negative_h[first_code + across() + j];
            }
        }
        for (int64_t first_feature = 0; first_feature < layout.features; first_feature += features) {
            // Rows beyond the last are zeros.
            const int64_t left = layout.features - first_feature;
            const int in_use = left < features ? static_cast<int>(left) : features;
            for (int e = t; e < rows * features; e += threads) {
                // Threads run along memory: along the features of a row-major tensor, else along the rows.
                const int r = layout.inner == 1 ? e / features : e % rows;
                const int f = layout.inner == 1 ? e % features : e / rows;
                const int64_t n = first_row + r;
                const int64_t d = first_feature + f;
                float centred = 0.0f;
                if (n < layout.rows() && d < layout.features) {
                    const int64_t at = layout.offset(n) + d * layout.stride();
                    const float value = data[at];
                    if (first_code == 0) {
                        bad.note_unless_finite(value, n);
                        data.keep(at, value);
                    }
                    centred = value - packed.centre[d];
                }
                z[f][r] = centred;
            }
            for (int e = t; e < codes * features; e += threads) {
                const int f = e / codes;
                const int64_t d = first_feature + f;
                c[f][e % codes] = d < layout.features ? panel[d * panel_codes + e % codes] : 0.0f;
            }
            __syncthreads();
            for (int f = 0; f < in_use; ++f) {
                for (int i = 0; i < part; ++i) {
                    for (int j = 0; j < part; ++j) {
                        score[i][j] = fused_multiply_add(z[f][down() + i], c[f][across() + j], score[i][j]);
                    }
                }
            }
            __syncthreads();
        }
    }
};

}  // namespace vq4j

#endif
