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
    int64_t offsets[rows];  // of the rows in memory; negative beyond the last row

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
        // Threads run along memory: along the features of a row-major tensor, else along the rows.
        constexpr int loads = rows * features / threads;
        const auto row_of = [&](int i) {
            return layout.inner == 1 ? t / features + i * (threads / features) : t % rows;
        };
        const auto feature_of = [&](int i) {
            return layout.inner == 1 ? t % features : t / rows + i * (threads / rows);
        };
        if (t < rows) {
            offsets[t] = first_row + t < layout.rows() ? layout.offset(first_row + t) : -1;
        }
        for (int j = 0; j < part; ++j) {
            for (int i = 0; i < part; ++i) {
                score[i][j] = packed.negative_h[first_code + across() + j];
            }
        }
        __syncthreads();
        for (int64_t first_feature = 0; first_feature < layout.features; first_feature += features) {
            // Rows beyond the last are zeros.
            const int64_t left = layout.features - first_feature;
            const int in_use = left < features ? static_cast<int>(left) : features;
            // Beyond the last feature or row the first one is loaded for nothing: without branches all loads of a thread
            // stand together, before a value is checked or kept.
            float values[loads];
            float centres[loads];
            for (int i = 0; i < loads; ++i) {
                const int64_t d = feature_of(i) < left ? first_feature + feature_of(i) : 0;
                const int64_t offset = offsets[row_of(i)];
                values[i] = data[(offset < 0 ? 0 : offset) + d * layout.stride()];
                centres[i] = packed.centre[d];
            }
            for (int i = 0; i < loads; ++i) {
                const int r = row_of(i);
                const int f = feature_of(i);
                const bool is_element = offsets[r] >= 0 && f < left;
                if (is_element && first_code == 0) {
                    bad.note_unless_finite(values[i], first_row + r);
                    data.keep(offsets[r] + (first_feature + f) * layout.stride(), values[i]);
                }
                z[f][r] = is_element ? values[i] - centres[i] : 0.0f;
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
