// The k nearest codes of every row, nearest first, by the scores of assign.cu.
//
// A block takes 64 rows and runs through the codes 64 at a time; 256 threads hold 4 x 4 scores each in registers, started
// at -h, and walk through the features in steps of 16 held in shared memory. The scores of a tile go to shared memory,
// where one thread a row compares them with the worst of the k that the row has so far. The codes of this list lie
// in the output, its scores in scratch memory. The N x K scores are never written. Bound by arithmetic and by the one thread a
// row that looks at the scores: about 1/D of the work each.
#include "core/arguments.hpp"
#include "core/top_k.hpp"
#include "cuda/first_bad.cuh"
#include "cuda/packed_codebook.cuh"
#include "vq4j/cuda.h"

namespace vq4j::top_k {

constexpr int tile_rows = 64;
constexpr int tile_codes = 64;  // half a panel
constexpr int tile_features = 16;
constexpr int threads = 256;
constexpr int threads_across = 16;
constexpr int part = 4;  // a thread's rows, and codes

__global__ void __launch_bounds__(threads) top_k_kernel(const float* rows, Layout layout,
    PackedCodebook<const float> packed, int64_t codes_count, int64_t k, float* scores, int32_t* codes, BadRows bad) {
    __shared__ float z_tile[tile_features][tile_rows + 1];
    __shared__ float c_tile[tile_features][tile_codes];
    __shared__ float score_tile[tile_rows][tile_codes + 1];

    const int t = static_cast<int>(threadIdx.x);
    const int across = t % threads_across * part;
    const int down = t / threads_across * part;
    const int64_t first_row = static_cast<int64_t>(blockIdx.x) * tile_rows;
    const int64_t features = layout.features;
    const bool has_row = t < tile_rows && first_row + t < layout.rows();
    TopK best = {k, scores + (first_row + t) * k, codes + (first_row + t) * k};
    if (has_row) {
        best.clear();
    }

    for (int64_t first_code = 0; first_code < codes_count; first_code += tile_codes) {
        const float* const panel =
            packed.codes + first_code / panel_codes * panel_codes * features + first_code % panel_codes;
        float score[part][part];
        for (int j = 0; j < part; ++j) {
            for (int i = 0; i < part; ++i) {
                score[i][j] = packed.negative_h[first_code + across + j];
            }
        }
        for (int64_t first_feature = 0; first_feature < features; first_feature += tile_features) {
            // Features beyond the last, and rows beyond the last, are zeros: they leave every score as it is.
            for (int e = t; e < tile_rows * tile_features; e += threads) {
                // Threads run along memory: along the features of a row-major tensor, else along the rows.
                const int r = layout.inner == 1 ? e / tile_features : e % tile_rows;
                const int f = layout.inner == 1 ? e % tile_features : e / tile_rows;
                const int64_t n = first_row + r;
                const int64_t d = first_feature + f;
                float centred = 0.0f;
                if (n < layout.rows() && d < features) {
                    const float value = rows[layout.offset(n) + d * layout.stride()];
                    if (first_code == 0) {
                        bad.note_unless_finite(value, n);
                    }
                    centred = value - packed.centre[d];
                }
                z_tile[f][r] = centred;
            }
            for (int e = t; e < tile_codes * tile_features; e += threads) {
                const int f = e / tile_codes;
                const int64_t d = first_feature + f;
                c_tile[f][e % tile_codes] = d < features ? panel[d * panel_codes + e % tile_codes] : 0.0f;
            }
            __syncthreads();
            for (int f = 0; f < tile_features; ++f) {
                for (int i = 0; i < part; ++i) {
                    for (int j = 0; j < part; ++j) {
                        score[i][j] = fused_multiply_add(z_tile[f][down + i], c_tile[f][across + j], score[i][j]);
                    }
                }
            }
            __syncthreads();
        }

        for (int i = 0; i < part; ++i) {
            for (int j = 0; j < part; ++j) {
                score_tile[down + i][across + j] = score[i][j];
            }
        }
        __syncthreads();
        if (has_row) {
            // The codes that fill the last panel are behind all others in the order, and so not among the first k <= K.
            float least = best.least();
            for (int j = 0; j < tile_codes; ++j) {
                if (!(score_tile[t][j] < least)) {
                    best.offer(score_tile[t][j], static_cast<int32_t>(first_code) + j);
                    least = best.least();
                }
            }
        }
        // The next tile's scores are stored behind further barriers.
    }
}

}  // namespace vq4j::top_k

using namespace vq4j;

int32_t vq4j_cuda_assign_top_k(void* stream, const float* rows, int64_t outer, int64_t inner, int64_t features,
    const void* packed, int64_t codes_count, int64_t k, int32_t* codes) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_codebook(codes_count, features);
        check_nearest(k, codes_count);
        check_sizes({{"outer", outer}, {"inner", inner}, {"k", k}});
        check_present({rows, packed, codes});
        const auto s = static_cast<cudaStream_t>(stream);
        const Scratch<float> scores(layout.rows() * k, s);
        const FirstBad bad(s);
        launch(top_k::top_k_kernel, blocks_for(layout.rows(), top_k::tile_rows), top_k::threads, 0, s, rows, layout,
            packed_view(static_cast<const float*>(packed), codes_count, features), codes_count, k, scores.get(), codes,
            bad.rows());
        bad.require_finite("z");
    });
}
