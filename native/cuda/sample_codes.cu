// A random code of every row, by the scores of assign.cu with noise.
//
// A block takes 64 rows and runs through the codes 64 at a time, by the tiles of score_tile.cuh. A thread keeps the best
// of each of its 4 rows, and calls the generator and takes logarithms only where bounds leave a score a chance; the 16
// threads that share a row compare theirs at the end. The N x K scores are never written. Bound by the generator.
#include "core/arguments.hpp"
#include "core/code_sampling.hpp"
#include "cuda/score_tile.cuh"
#include "vq4j/cuda.h"

namespace vq4j::sampling {

template <typename Numbers>
__global__ void __launch_bounds__(ScoreTile::threads, 2) sample_kernel(Numbers rows, Layout layout,
    PackedCodebook<const float> packed, int64_t codes_count, CodeSampling sampling, int32_t* codes, BadRows bad) {
    constexpr int part = ScoreTile::part;
    static_assert(part == codes_a_draw, "a draw is a thread's codes of a row");
    __shared__ ScoreTile tile;
    __shared__ double row_scores[ScoreTile::rows][ScoreTile::threads_across + 1];
    __shared__ int32_t row_codes[ScoreTile::rows][ScoreTile::threads_across + 1];

    const int64_t first_row = static_cast<int64_t>(blockIdx.x) * ScoreTile::rows;
    SampledCode best[part];
    for (int i = 0; i < part; ++i) {
        best[i] = {-INFINITY, 0};
    }
    for (int64_t first_code = 0; first_code < codes_count; first_code += ScoreTile::codes) {
        float score[part][part];
        tile.score(rows, layout, packed, first_row, first_code, bad, score);
        for (int i = 0; i < part; ++i) {
            best[i].offer(sampling, first_row + ScoreTile::down() + i, first_code + ScoreTile::across(), score[i]);
        }
    }
    for (int i = 0; i < part; ++i) {
        row_scores[ScoreTile::down() + i][ScoreTile::across() / part] = best[i].score;
        row_codes[ScoreTile::down() + i][ScoreTile::across() / part] = best[i].code;
    }
    __syncthreads();
    const int t = static_cast<int>(threadIdx.x);
    if (t < ScoreTile::rows && first_row + t < layout.rows()) {
        double score = row_scores[t][0];
        int32_t code = row_codes[t][0];
        for (int other = 1; other < ScoreTile::threads_across; ++other) {
            const double next = row_scores[t][other];
            if (next > score || (next == score && row_codes[t][other] < code)) {
                score = next;
                code = row_codes[t][other];
            }
        }
        codes[first_row + t] = code;
    }
}

template <typename Numbers>
void sample(Numbers rows, int64_t outer, int64_t inner, int64_t features, const void* packed, int64_t codes_count,
    double temperature, uint64_t seed, uint64_t step, int32_t* codes, cudaStream_t stream) {
    const Layout layout = checked_rows(outer, inner, features);
    check_codebook(codes_count, features);
    check_sizes({{"outer", outer}, {"inner", inner}, {"codes_count", codes_count}});
    check_temperature(temperature);
    check_present({rows.values, packed, codes});
    const DeviceFirstBad bad(stream);
    launch(sample_kernel<Numbers>, blocks_for(layout.rows(), ScoreTile::rows), ScoreTile::threads, 0, stream, rows, layout,
        packed_view(static_cast<const float*>(packed), codes_count, features), codes_count,
        code_sampling(codes_count, temperature, seed, step), codes, bad.rows());
    bad.require_finite("z");
}

}  // namespace vq4j::sampling

using namespace vq4j;

int32_t vq4j_cuda_sample_codes(void* stream, const float* rows, int64_t outer, int64_t inner, int64_t features,
    const void* packed, int64_t codes_count, double temperature, uint64_t seed, uint64_t step, int32_t* codes) {
    return guarded([&] {
        sampling::sample(Floats{rows}, outer, inner, features, packed, codes_count, temperature, seed, step, codes,
            static_cast<cudaStream_t>(stream));
    });
}

int32_t vq4j_cuda_sample_codes_half(void* stream, const uint16_t* rows, int32_t type, int64_t outer, int64_t inner,
    int64_t features, const void* packed, int64_t codes_count, double temperature, uint64_t seed, uint64_t step,
    int32_t* codes, float* widened) {
    return guarded([&] {
        check_half_type(type);
        check_present({widened});
        with_halves(rows, type, widened, [&](auto halves) {
            sampling::sample(halves, outer, inner, features, packed, codes_count, temperature, seed, step, codes,
                static_cast<cudaStream_t>(stream));
        });
    });
}
