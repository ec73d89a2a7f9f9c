// The filter's sums by mma.sync, on every GPU from Turing on.
//
// A block takes 128 rows and runs through the panels of 128 codes, 32 features at a time in two stages of shared memory that
// are filled while the other is used. A warp has 16 rows to itself, 16 x 128 sums in registers, so that what it knows of a
// row stays within 4 lanes. 2 N K D operations; rows and codes come from L2, 128 D bytes for each 128 scores of a row; below
// about 64 features the comparisons (filter_scores.cuh) take longer than the products.
#include "cuda/filter_scores.cuh"

namespace vq4j::tensor_assignment {

constexpr int threads = 256;
static_assert(threads / 32 * warp_rows == tile_lines, "a block has the rows of a tile");

__device__ __forceinline__ void copy_tile(uint16_t* to, const uint16_t* from) {
    const int t = static_cast<int>(threadIdx.x);
    for (int i = 0; i < tile_halves / 8 / threads; ++i) {
        copy_async(to + (t + i * threads) * 8, from + (t + i * threads) * 8);
    }
}

// Shared memory for one block on Turing, for two or more elsewhere.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
constexpr int blocks_at_once = 1;
#else
constexpr int blocks_at_once = 2;
#endif

__global__ void __launch_bounds__(threads, blocks_at_once) filter_mma_kernel(FilterInput in, FilterOutput out) {
    alignas(128) __shared__ uint16_t row_stages[2][tile_halves];
    alignas(128) __shared__ uint16_t code_stages[2][tile_halves];
    __shared__ CandidateLists<threads> lists;
    __shared__ RowTerms row_terms[tile_lines];

    const int t = static_cast<int>(threadIdx.x);
    const int lane = t % 32;
    const int first_line = t / 32 * warp_rows;
    const int64_t first_row = static_cast<int64_t>(blockIdx.x) * tile_lines;
    const int steps_of_panel = in.steps();
    const int panels = in.panels();

    // Each warp writes and reads those of its own rows.
    if (lane < warp_rows) {
        row_terms[first_line + lane] = in.row_terms[first_row + first_line + lane];
    }
    __syncwarp();
    const int line = first_line + lane / 4;
    FilterRows<threads> filter_rows(in, row_terms + line, in.begin + first_row + line, lists);

    // Where the lane reads parts 0 and 1 of the stages; 2 and 3 have the second bit of the part exchanged.
    const int row_place = place_of_part(first_line + lane % 16, lane / 16);
    const int code_place = place_of_part(lane / 16 * 8 + lane % 8, lane / 8 % 2);
    const int first_row_tile = static_cast<int>(blockIdx.x) * steps_of_panel;
    int code_tile = 0;  // the next
    const auto fill = [&](int stage, int part_of_panel) {
        copy_tile(row_stages[stage], in.rows + static_cast<int64_t>(first_row_tile + part_of_panel) * tile_halves);
        copy_tile(code_stages[stage], in.codes + static_cast<int64_t>(code_tile) * tile_halves);
        commit_copies();
        ++code_tile;
    };

    PanelSums sum;
    fill(0, 0);
    filter_rows.start(sum, 0);
    int stage = 0;
    for (int panel = 0, part_of_panel = 0; panel < panels;) {
        // Behind the barrier the stage is complete, and nobody uses the other one.
        wait_for_copies<0>();
        __syncthreads();
        const int this_panel = panel;
        if (++part_of_panel == steps_of_panel) {
            part_of_panel = 0;
            ++panel;
        }
        if (panel < panels) {
            fill(1 - stage, part_of_panel);
        }

        VQ4J_UNROLL
        for (int part = 0; part < tile_features / 8; part += 2) {
            uint32_t a[4];
            load_matrices(a, row_stages[stage] + (row_place ^ part * 8));
            VQ4J_UNROLL
            for (int j = 0; j < products; j += 2) {
                uint32_t b[4];
                load_matrices(b, code_stages[stage] + (code_place ^ part * 8) + j * 8 * tile_features);
                multiply_accumulate_16(sum[j], a, b);
                multiply_accumulate_16(sum[j + 1], a, b + 2);
            }
        }
        stage = 1 - stage;
        if (panel != this_panel) {
            filter_rows.take(sum, this_panel);
            if (panel < panels) {
                filter_rows.start(sum, panel);
            }
        }
    }
    filter_rows.decide(out);
}

void filter_by_mma(const FilterInput& in, int64_t rows, FilterOutput out, cudaStream_t stream) {
    launch(filter_mma_kernel, blocks_for(rows, tile_lines), threads, 0, stream, in, out);
}

}  // namespace vq4j::tensor_assignment
