// k-means++ seeding: K draws one after the other, a kernel each. A block takes a chunk of 256 rows, lowers their weights (the
// squared distances to the nearest code drawn) by the last code, and sums them in fp64; the block that finishes last draws the
// next row from the chunks' sums and copies it to the codebook. The rows are read K times; bound by memory, and where they are
// few by the draws. All draws are one batch: a bad row is found at the first, and named after the last.
#include "core/arguments.hpp"
#include "core/seeding.hpp"
#include "cuda/chunk_distances.cuh"
#include "cuda/first_bad.cuh"
#include "cuda/last_block.cuh"
#include "vq4j/cuda.h"

namespace vq4j::seeding {

constexpr int threads = ChunkDistances::threads;

// Chunk sums that are brought to shared memory for the one thread that runs through them: all of a seeding with 64 rows a
// code of up to 8,192 codes. More are read where they lie.
constexpr int64_t most_sums_brought = 2048;

struct Draw {
    ChunkDistances rows;
    int64_t draw;  // of the last code
    int64_t codes_count;
    uint64_t seed;
    float* codebook;
    float* weights;
    double* chunk_sums;
    FinishedBlocks finished;
    BadRows bad;

    __device__ int64_t chunks() const { return chunks_of(rows.layout.rows()); }
    __device__ int rows_of(int64_t chunk) const {
        const int64_t left = rows.layout.rows() - chunk * chunk_rows;
        return static_cast<int>(left < chunk_rows ? left : chunk_rows);
    }
};

__global__ void __launch_bounds__(threads) draw_kernel(Draw draw) {
    __shared__ float weights[chunk_rows];
    __shared__ double sums[most_sums_brought];
    __shared__ DrawnChunk drawn;
    __shared__ int64_t row;
    __shared__ bool is_last;
    const int t = static_cast<int>(threadIdx.x);
    const Layout layout = draw.rows.layout;
    const int64_t first = static_cast<int64_t>(blockIdx.x) * chunk_rows;
    const int count = draw.rows_of(blockIdx.x);
    const bool is_first = draw.draw == 0;
    draw.rows.measure(
        first, count, [&](int64_t) { return draw.codebook + draw.draw * layout.features; },
        [&](int64_t n, int64_t, float z, float) {
            if (is_first) {
                draw.bad.note_unless_finite(z, n);
            }
        },
        weights);
    __syncthreads();
    if (t < count) {
        if (!is_first && !(weights[t] < draw.weights[first + t])) {
            weights[t] = draw.weights[first + t];
        }
        draw.weights[first + t] = weights[t];
    }
    __syncthreads();
    if (t == 0) {
        draw.chunk_sums[blockIdx.x] = sum_of_distances(weights, 0, count);
    }

    const int64_t next = draw.draw + 1;
    if (next == draw.codes_count || !draw.finished.this_is_last(is_last)) {
        return;
    }
    const bool brings = draw.chunks() <= most_sums_brought;
    for (int64_t i = t; brings && i < draw.chunks(); i += threads) {
        sums[i] = draw.chunk_sums[i];
    }
    __syncthreads();
    if (t == 0) {
        drawn = draw_chunk(next, draw.seed, brings ? sums : draw.chunk_sums, draw.chunks());
    }
    __syncthreads();
    if (drawn.chunk >= 0 && t < draw.rows_of(drawn.chunk)) {
        weights[t] = draw.weights[drawn.chunk * chunk_rows + t];
    }
    __syncthreads();
    if (t == 0) {
        row = drawn.chunk < 0
            ? draw_any_row(next, draw.seed, layout.rows())
            : drawn.chunk * chunk_rows + draw_row_of_chunk(drawn, weights, draw.rows_of(drawn.chunk));
    }
    __syncthreads();
    for (int64_t d = t; d < layout.features; d += threads) {
        draw.codebook[next * layout.features + d] = draw.rows.rows[layout.offset(row) + d * layout.stride()];
    }
}

struct CopyRow {
    const float* rows;
    Layout layout;
    int64_t row;
    float* code;

    __device__ void operator()(int64_t d) const { code[d] = rows[layout.offset(row) + d * layout.stride()]; }
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
        const auto draw_all = [&] {
            const DeviceScratch<float> weights(rows_count, s);
            const DeviceScratch<double> sums(chunks_of(rows_count), s);
            const DeviceFinishedBlocks finished(s, codes_count);
            const DeviceFirstBad bad(s);
            for_each(features, s, seeding::CopyRow{rows, layout, draw_any_row(0, seed, rows_count), codebook});
            // The last code's draw has nothing to lower, but that the rows are looked at once.
            for (int64_t k = 0; k == 0 || k + 1 < codes_count; ++k) {
                launch(seeding::draw_kernel, blocks_for(rows_count, chunk_rows), seeding::threads, 0, s,
                    seeding::Draw{{rows, layout}, k, codes_count, seed, codebook, weights.get(), sums.get(),
                        finished.of(k), bad.rows()});
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
