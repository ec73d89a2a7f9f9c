// Stable radix sort of the row numbers by code, 8 bits a pass, least significant digit first.
//
// A pass takes tiles of 2,048 rows. Each of the 8 warps of a block goes through 256 rows, 32 at a time; the lanes that have
// the same digit find one another, and a counter for each digit of each warp in shared memory gives every row its place among
// those of its digit. One block sums the tiles' counts up, a thread a digit, which gives every tile its place. The order is
// that of the rows, and no result depends on the order of threads. 4 + 8 bytes a row read and written a pass; bound by memory.
#include "cuda/group_by_code.cuh"

#include <utility>

#include "core/arithmetic.hpp"
#include "cuda/chunks.cuh"
#include "cuda/scan.cuh"

namespace vq4j {
namespace grouping {

constexpr int digit_bits = 8;
constexpr int digits = 1 << digit_bits;
constexpr int threads = digits;  // in places a thread a digit
constexpr int lanes = 32;
constexpr int warps = threads / lanes;
constexpr int warp_rows = 256;
constexpr int rows_per_lane = warp_rows / lanes;
constexpr int tile_rows = warps * warp_rows;
static_assert(threads == block_threads, "what sum_before needs");

using Counters = int32_t[warps][digits];

struct Pass {
    const int32_t* codes;
    const int64_t* order;  // null: the rows' own order
    int64_t rows_count;
    int shift;

    __device__ int digit(int64_t i) const { return codes[i] >> shift & (digits - 1); }
    __device__ int64_t row(int64_t i) const { return order == nullptr ? i : order[i]; }

    __device__ int64_t first_of_warp() const {
        return static_cast<int64_t>(blockIdx.x) * tile_rows + static_cast<int>(threadIdx.x) / lanes * warp_rows;
    }

    // Counts the digits of the running thread's warp, and notes how many rows of its own digit each row has before it there.
    __device__ void count(Counters& counters, int32_t (&before)[rows_per_lane]) const {
        const int warp = static_cast<int>(threadIdx.x) / lanes;
        const int lane = static_cast<int>(threadIdx.x) % lanes;
        const int64_t first = first_of_warp();
        for (int step = 0; step < rows_per_lane && first + step * lanes < rows_count; ++step) {
            const int64_t i = first + step * lanes + lane;
            const unsigned taking_part = __ballot_sync(0xffffffffu, i < rows_count);
            if (i < rows_count) {
                const int d = digit(i);
                const unsigned same = __match_any_sync(taking_part, d);
                const int earlier_lanes = __popc(same & ((1u << lane) - 1));
                const int32_t counted = counters[warp][d];
                before[step] = counted + earlier_lanes;
                __syncwarp(taking_part);
                if (earlier_lanes == 0) {
                    counters[warp][d] = counted + __popc(same);
                }
                __syncwarp(taking_part);
            }
        }
    }
};

__device__ void clear(Counters& counters) {
    for (int w = 0; w < warps; ++w) {
        counters[w][threadIdx.x] = 0;
    }
    __syncthreads();
}

// How many rows of each digit a tile has: [tile][digit].
__global__ void count_kernel(Pass pass, int64_t* tile_counts) {
    __shared__ Counters counters;
    int32_t before[rows_per_lane];
    clear(counters);
    pass.count(counters, before);
    __syncthreads();
    int64_t sum = 0;
    for (int w = 0; w < warps; ++w) {
        sum += counters[w][threadIdx.x];
    }
    tile_counts[static_cast<int64_t>(blockIdx.x) * digits + threadIdx.x] = sum;
}

// One block: where the rows of each digit of each tile begin.
__global__ void scan_kernel(int64_t* tile_counts, int64_t tiles) {
    __shared__ int64_t warp_sums[warps];
    int64_t* const of_digit = tile_counts + threadIdx.x;
    int64_t sum = 0;
    load_ahead(
        0, tiles, [&](int64_t tile) { return of_digit[tile * digits]; }, [&](int64_t count, int64_t) { sum += count; });
    int64_t total = 0;
    int64_t start = sum_before(sum, warp_sums, total);
    load_ahead(
        0, tiles, [&](int64_t tile) { return of_digit[tile * digits]; },
        [&](int64_t count, int64_t tile) {
            of_digit[tile * digits] = start;
            start += count;
        });
}

__global__ void place_kernel(Pass pass, const int64_t* tile_starts, int32_t* codes, int64_t* order) {
    __shared__ Counters counters;
    __shared__ int64_t starts[digits];
    int32_t before[rows_per_lane];
    clear(counters);
    pass.count(counters, before);
    __syncthreads();
    const int d = static_cast<int>(threadIdx.x);
    starts[d] = tile_starts[static_cast<int64_t>(blockIdx.x) * digits + d];
    int32_t of_warps_before = 0;
    for (int w = 0; w < warps; ++w) {
        const int32_t of_warp = counters[w][d];
        counters[w][d] = of_warps_before;
        of_warps_before += of_warp;
    }
    __syncthreads();
    const int64_t first = pass.first_of_warp();
    for (int step = 0; step < rows_per_lane; ++step) {
        const int64_t i = first + step * lanes + static_cast<int>(threadIdx.x) % lanes;
        if (i < pass.rows_count) {
            const int digit = pass.digit(i);
            const int64_t place = starts[digit] + counters[static_cast<int>(threadIdx.x) / lanes][digit] + before[step];
            codes[place] = pass.codes[i];
            order[place] = pass.row(i);
        }
    }
}

// starts[k]: how many of the sorted codes are below k. chunks[k]: how many chunks the rows of code k make.
struct FindStart {
    const int32_t* sorted;
    int64_t rows_count;
    int64_t codes_count;
    int64_t* starts;
    int64_t* chunks;

    __device__ void operator()(int64_t k) const {
        const int64_t start = first_not_below(sorted, 0, rows_count, k);
        starts[k] = start;
        if (k < codes_count) {
            chunks[k] = chunks_of(first_not_below(sorted, start, rows_count, k + 1) - start);
        }
    }
};

}  // namespace grouping

SortedCodes::SortedCodes(const int32_t* codes, int64_t rows_count, int64_t codes_count, cudaStream_t stream)
    : codes_(rows_count, stream), order_(rows_count, stream) {
    using namespace grouping;
    int passes = 1;
    while ((codes_count - 1) >> (passes * digit_bits) != 0) {
        ++passes;
    }
    const unsigned tiles = blocks_for(rows_count, tile_rows);
    const DeviceScratch<int64_t> tile_starts(int64_t{digits} * tiles, stream);
    const DeviceScratch<int32_t> codes_b(rows_count, stream);
    const DeviceScratch<int64_t> order_b(rows_count, stream);

    // The passes write in turn to two places; the last one to this object's.
    int32_t* to_codes = passes % 2 == 1 ? codes_.get() : codes_b.get();
    int64_t* to_order = passes % 2 == 1 ? order_.get() : order_b.get();
    int32_t* other_codes = passes % 2 == 1 ? codes_b.get() : codes_.get();
    int64_t* other_order = passes % 2 == 1 ? order_b.get() : order_.get();
    Pass pass{codes, nullptr, rows_count, 0};
    for (int i = 0; i < passes; ++i) {
        launch(count_kernel, tiles, threads, 0, stream, pass, tile_starts.get());
        launch(scan_kernel, 1, threads, 0, stream, tile_starts.get(), int64_t{tiles});
        launch(place_kernel, tiles, threads, 0, stream, pass, tile_starts.get(), to_codes, to_order);
        pass = {to_codes, to_order, rows_count, pass.shift + digit_bits};
        std::swap(to_codes, other_codes);
        std::swap(to_order, other_order);
    }
}

GroupedRows::GroupedRows(const int32_t* codes, int64_t rows_count, int64_t codes_count, cudaStream_t stream)
    : sorted_(codes, rows_count, codes_count, stream), starts_(codes_count + 1, stream), chunks_(codes_count + 1, stream) {
    for_each(codes_count + 1, stream,
        grouping::FindStart{sorted_.codes(), rows_count, codes_count, starts_.get(), chunks_.get()});
}

}  // namespace vq4j
