// The k nearest codes of every row, nearest first, by the scores of assign.cu.
//
// A block takes 64 rows and runs through the codes 64 at a time, by the tiles of score_tile.cuh. The scores of a tile go to
// shared memory, where one thread a row compares them with the worst of the k that the row has so far. The codes of this
// list lie in the output, its scores in scratch memory. The N x K scores are never written. Bound by arithmetic and by the
// one thread a row that looks at the scores: about 1/D of the work each.
#include "core/arguments.hpp"
#include "core/top_k.hpp"
#include "cuda/score_tile.cuh"
#include "vq4j/cuda.h"

namespace vq4j::top_k {

template <typename Numbers>
__global__ void __launch_bounds__(ScoreTile::threads, 2) top_k_kernel(Numbers rows, Layout layout,
    PackedCodebook<const float> packed, int64_t codes_count, int64_t k, float* scores, int32_t* codes, BadRows bad) {
    __shared__ ScoreTile tile;
    __shared__ float score_tile[ScoreTile::rows][ScoreTile::codes + 1];

    const int t = static_cast<int>(threadIdx.x);
    const int64_t first_row = static_cast<int64_t>(blockIdx.x) * ScoreTile::rows;
    const bool has_row = t < ScoreTile::rows && first_row + t < layout.rows();
    TopK best = {k, scores + (first_row + t) * k, codes + (first_row + t) * k};
    if (has_row) {
        best.clear();
    }

    for (int64_t first_code = 0; first_code < codes_count; first_code += ScoreTile::codes) {
        constexpr int part = ScoreTile::part;
        float score[part][part];
        tile.score(rows, layout, packed, first_row, first_code, bad, score);
        for (int i = 0; i < part; ++i) {
            for (int j = 0; j < part; ++j) {
                score_tile[ScoreTile::down() + i][ScoreTile::across() + j] = score[i][j];
            }
        }
        __syncthreads();
        if (has_row) {
            // The codes that fill the last panel are behind all others in the order, and so not among the first k <= K.
            float least = best.least();
            for (int j = 0; j < ScoreTile::codes; ++j) {
                if (!(score_tile[t][j] < least)) {
                    best.offer(score_tile[t][j], static_cast<int32_t>(first_code) + j);
                    least = best.least();
                }
            }
        }
        // The next tile's scores are stored behind further barriers.
    }
}

template <typename Numbers>
void assign(Numbers rows, int64_t outer, int64_t inner, int64_t features, const void* packed, int64_t codes_count,
    int64_t k, int32_t* codes, cudaStream_t stream) {
    const Layout layout = checked_rows(outer, inner, features);
    check_codebook(codes_count, features);
    check_nearest(k, codes_count);
    check_sizes({{"outer", outer}, {"inner", inner}, {"k", k}});
    check_present({rows.values, packed, codes});
    const DeviceScratch<float> scores(layout.rows() * k, stream);
    const DeviceFirstBad bad(stream);
    launch(top_k_kernel<Numbers>, blocks_for(layout.rows(), ScoreTile::rows), ScoreTile::threads, 0, stream, rows, layout,
        packed_view(static_cast<const float*>(packed), codes_count, features), codes_count, k, scores.get(), codes,
        bad.rows());
    bad.require_finite("z");
}

}  // namespace vq4j::top_k

using namespace vq4j;

int32_t vq4j_cuda_assign_top_k(void* stream, const float* rows, int64_t outer, int64_t inner, int64_t features,
    const void* packed, int64_t codes_count, int64_t k, int32_t* codes) {
    return guarded([&] {
        top_k::assign(Floats{rows}, outer, inner, features, packed, codes_count, k, codes,
            static_cast<cudaStream_t>(stream));
    });
}

int32_t vq4j_cuda_assign_top_k_half(void* stream, const uint16_t* rows, int32_t type, int64_t outer, int64_t inner,
    int64_t features, const void* packed, int64_t codes_count, int64_t k, int32_t* codes, float* widened) {
    return guarded([&] {
        check_half_type(type);
        check_present({widened});
        with_halves(rows, type, widened, [&](auto halves) {
            top_k::assign(halves, outer, inner, features, packed, codes_count, k, codes,
                static_cast<cudaStream_t>(stream));
        });
    });
}
