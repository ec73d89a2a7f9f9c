// k-means++ seeding: K draws one after the other. After each, a thread a row lowers the row's weight (its squared distance
// to the nearest code drawn), a thread a chunk sums the weights in fp64, and one thread picks the next row. The rows are
// read K times. All draws are one batch: a bad row is found at the first, and named after the last.
#include "core/arguments.hpp"
#include "core/random.hpp"
#include "cuda/chunks.cuh"
#include "cuda/first_bad.cuh"
#include "vq4j/cuda.h"

namespace vq4j::seeding {

struct Pick {
    int64_t draw;
    uint64_t seed;
    int64_t rows_count;
    const float* weights;
    const double* chunk_sums;
    int64_t* picked;

    __device__ void operator()(int64_t) const {
        *picked = pick_row(draw, seed, rows_count, weights, chunk_sums);
    }
};

struct CopyRow {
    const float* rows;
    Layout layout;
    const int64_t* picked;
    float* code;

    __device__ void operator()(int64_t d) const { code[d] = rows[layout.offset(*picked) + d * layout.stride()]; }
};

struct LowerWeight {
    const float* rows;
    Layout layout;
    const float* code;
    bool first;
    float* weights;
    BadRows bad;

    __device__ void operator()(int64_t n) const {
        const float* row = rows + layout.offset(n);
        if (first) {
            for (int64_t d = 0; d < layout.features; ++d) {
                bad.note_unless_finite(row[d * layout.stride()], n);
            }
        }
        const float distance = squared_distance(row, layout.stride(), code, layout.features);
        weights[n] = first || distance < weights[n] ? distance : weights[n];
    }
};

}  // namespace vq4j::seeding

using namespace vq4j;

int32_t vq4j_cuda_seed_codebook(void* stream, const float* rows, int64_t outer, int64_t inner, int64_t features,
    int64_t codes_count, uint64_t seed, float* codebook) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_codebook(codes_count, features);
        check_present({rows, codebook});
        const int64_t rows_count = layout.rows();
        check_enough_rows(rows_count, codes_count);
        const auto s = static_cast<cudaStream_t>(stream);
        const Segments whole{1, rows_count};
        const auto draw_all = [&] {
            const DeviceScratch<float> weights(rows_count, s);
            const DeviceScratch<double> sums(whole.chunks(), s);
            const DeviceScratch<int64_t> picked(1, s);
            const DeviceFirstBad bad(s);
            for (int64_t k = 0; k < codes_count; ++k) {
                float* code = codebook + k * features;
                for_each(1, s, seeding::Pick{k, seed, rows_count, weights.get(), sums.get(), picked.get()});
                for_each(features, s, seeding::CopyRow{rows, layout, picked.get(), code});
                for_each(rows_count, s, seeding::LowerWeight{rows, layout, code, k == 0, weights.get(), bad.rows()});
                for_each(whole.chunks(), s, SumOneChunk{weights.get(), whole, sums.get()});
            }
            bad.require_finite("z");
        };
        if (Batch::open(s) != nullptr) {
            draw_all();
        } else {
            run_together(s, draw_all);
        }
    });
}
