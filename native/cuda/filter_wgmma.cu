// The filter's sums by wgmma, on Hopper.
//
// A block takes 256 rows, 64 for each of its four warpgroups, and runs through the panels of 128 codes. One more warp
// fills a ring of four stages with the codes, up to 64 features a stage, by bulk copies; the warpgroups wait for a
// stage, multiply, and give it back, each at its own pace, so that while one compares (filter_scores.cuh) the others
// keep the tensor cores busy. The rows stay in shared memory for all panels up to 256 features; beyond they come with
// the codes. 2 N K D operations; L2 gives 2 bytes of code for each 256 multiply-adds, beyond 256 features 6 bytes. Sums
// are in registers, 64 of them a thread.
#include "cuda/filter_scores.cuh"
#include "cuda/hopper.cuh"

namespace vq4j::tensor_assignment {

constexpr int groups = 4;
constexpr int group_rows = 64;
constexpr int consumers = groups * 128;
constexpr int threads = consumers + 32;  // and the warp that copies
constexpr int block_tiles = wgmma_block_rows / tile_lines;
static_assert(groups * group_rows == wgmma_block_rows, "each row has a warpgroup");

constexpr int stages = 4;
constexpr int stage_tiles = 2;  // of a panel, and as many of rows; the last stage of a panel may have one
constexpr int tile_bytes = tile_halves * 2;

// Behind the tiles in shared memory.
struct BlockState {
    CandidateLists<consumers> lists;
    RowTerms row_terms[wgmma_block_rows];
    ByteBarrier full[stages];   // the stage's tiles have come
    ByteBarrier empty[stages];  // every consuming warp is done with them
    ByteBarrier rows;           // the rows have come
};

// What one block can have on Hopper.
constexpr int most_shared_bytes = 227 << 10;

// How the tiles lie in shared memory: the rows where they stay, then the stages, each of codes and, where they do not
// stay, rows.
struct SharedTiles {
    bool rows_stay;
    int steps;

    static constexpr int row_bytes_of_step = block_tiles * tile_bytes;

    __host__ __device__ constexpr int row_bytes() const { return rows_stay ? steps * row_bytes_of_step : 0; }
    __host__ __device__ constexpr int stage_bytes() const {
        return stage_tiles * (tile_bytes + (rows_stay ? 0 : row_bytes_of_step));
    }
    __host__ __device__ constexpr int bytes() const { return row_bytes() + stages * stage_bytes(); }
};

// The stage in use, and the parity of its phase.
struct Turn {
    int stage = 0;
    unsigned parity = 0;

    __device__ __forceinline__ void next() {
        if (++stage == stages) {
            stage = 0;
            parity ^= 1;
        }
    }
};

// One thread copies all tiles, as stages become free.
__device__ void copy_tiles(const FilterInput& in, SharedTiles layout, unsigned char* tiles, BlockState& state) {
    const uint16_t* const rows = in.rows + static_cast<int64_t>(blockIdx.x) * block_tiles * layout.steps * tile_halves;
    if (layout.rows_stay) {
        const auto bytes = static_cast<unsigned>(layout.row_bytes());
        arrive_and_expect(state.rows, bytes);
        copy_bulk(tiles, rows, bytes, state.rows);
    }
    const uint16_t* codes = in.codes;
    const int panels = in.panels();
    Turn turn;
    for (int panel = 0; panel < panels; ++panel) {
        for (int step = 0; step < layout.steps; step += stage_tiles) {
            const int count = layout.steps - step < stage_tiles ? layout.steps - step : stage_tiles;
            const auto bytes = static_cast<unsigned>(count * tile_bytes);
            wait_for_phase(state.empty[turn.stage], turn.parity ^ 1);
            ByteBarrier& full = state.full[turn.stage];
            unsigned char* const stage = tiles + layout.row_bytes() + turn.stage * layout.stage_bytes();
            arrive_and_expect(full, layout.rows_stay ? bytes : (1 + block_tiles) * bytes);
            copy_bulk(stage, codes, bytes, full);
            for (int tile = 0; tile < block_tiles && !layout.rows_stay; ++tile) {
                copy_bulk(stage + (1 + tile) * stage_tiles * tile_bytes,
                    rows + (static_cast<int64_t>(tile) * layout.steps + step) * tile_halves, bytes, full);
            }
            codes += count * tile_halves;
            turn.next();
        }
    }
}

// sum += the products of a group's rows and a panel's codes, in so many tiles of each.
template <int tiles>
__device__ __forceinline__ void multiply_tiles(PanelSums& sum, const unsigned char* rows, const unsigned char* codes) {
    fence_sums(sum);
    VQ4J_UNROLL
    for (int tile = 0; tile < tiles; ++tile) {
        VQ4J_UNROLL
        for (int begin = 0; begin < tile_features * 2; begin += 32) {  // 16 features
            multiply_accumulate_group(sum, matrix_in_tile(rows + tile * tile_bytes + begin),
                matrix_in_tile(codes + tile * tile_bytes + begin));
        }
    }
    commit_products();
    wait_for_products(sum);
}

__device__ __forceinline__ void filter_rows_of_group(const FilterInput& in, SharedTiles layout, unsigned char* tiles,
    BlockState& state, FilterOutput out) {
    const int t = static_cast<int>(threadIdx.x);
    const int lane = t % 32;
    const int first_line = t / 32 * warp_rows;
    const int64_t first_row = static_cast<int64_t>(blockIdx.x) * wgmma_block_rows;
    // Each warp writes and reads those of its own rows.
    if (lane < warp_rows) {
        state.row_terms[first_line + lane] = in.row_terms[first_row + first_line + lane];
    }
    __syncwarp();
    const int line = first_line + lane / 4;
    FilterRows<consumers> filter_rows(in, state.row_terms + line, in.begin + first_row + line, state.lists);

    // The group's rows are half of a tile. A shuffle tells the compiler that all lanes have the same number.
    const int group = __shfl_sync(all_lanes, t / 128, 0);
    const int row_tile = group / 2;
    const int within_tile = group % 2 * group_rows * tile_features * 2;
    const int stage_bytes = layout.stage_bytes();
    unsigned char* const ring = tiles + layout.row_bytes();
    if (layout.rows_stay) {
        wait_for_phase(state.rows, 0);
    }
    const int panels = in.panels();
    Turn turn;
    PanelSums sum;
    for (int panel = 0; panel < panels; ++panel) {
        filter_rows.start(sum, panel);
        for (int step = 0; step < layout.steps; step += stage_tiles) {
            unsigned char* const stage = ring + turn.stage * stage_bytes;
            const unsigned char* const rows = (layout.rows_stay ? tiles + (row_tile * layout.steps + step) * tile_bytes
                                                                : stage + (1 + row_tile) * stage_tiles * tile_bytes)
                + within_tile;
            wait_for_phase(state.full[turn.stage], turn.parity);
            // Two ways, so that nothing branches between products, which would make the compiler wait for some of them.
            if (step + 1 < layout.steps) {
                multiply_tiles<2>(sum, rows, stage);
            } else {
                multiply_tiles<1>(sum, rows, stage);
            }
            if (lane == 0) {
                arrive(state.empty[turn.stage]);
            }
            turn.next();
        }
        filter_rows.take(sum, panel);
    }
    filter_rows.decide(out);
}

// Compiled for sm_90a alone; elsewhere wgmma_serves says no. It cannot see where a driver was told to run PTX of another
// architecture in the place of what was compiled: then codes that nobody wrote are not taken for an answer.
__global__ void __launch_bounds__(threads, 1) filter_wgmma_kernel(FilterInput in, SharedTiles layout, FilterOutput out) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL) || defined(VQ4J_HOST_RUN)
    unsigned char* const tiles = dynamic_shared_memory();
    BlockState& state = *reinterpret_cast<BlockState*>(tiles + layout.bytes());
    if (threadIdx.x == 0) {
        for (int stage = 0; stage < stages; ++stage) {
            make_barrier(state.full[stage], 1);
            make_barrier(state.empty[stage], consumers / 32);
        }
        make_barrier(state.rows, 1);
        publish_barriers();
    }
    __syncthreads();
    if (threadIdx.x < consumers) {
        filter_rows_of_group(in, layout, tiles, state, out);
    } else if (threadIdx.x == consumers) {
        copy_tiles(in, layout, tiles, state);
    }
#elif defined(__CUDA_ARCH__)
    __trap();
#endif
}

void filter_by_wgmma(const FilterInput& in, int64_t rows, FilterOutput out, cudaStream_t stream) {
    const int steps = static_cast<int>(in.width) / tile_features;
    SharedTiles layout = {true, steps};
    if (steps > most_shared_bytes / SharedTiles::row_bytes_of_step
        || layout.bytes() + static_cast<int>(sizeof(BlockState)) > most_shared_bytes) {
        layout.rows_stay = false;
    }
    static_assert(SharedTiles{false, 1}.stage_bytes() * stages + sizeof(BlockState) <= most_shared_bytes, "fits");
    allow_shared_memory(filter_wgmma_kernel, most_shared_bytes);
    launch(filter_wgmma_kernel, blocks_for(rows, wgmma_block_rows), threads,
        static_cast<size_t>(layout.bytes()) + sizeof(BlockState), stream, in, layout, out);
}

}  // namespace vq4j::tensor_assignment
