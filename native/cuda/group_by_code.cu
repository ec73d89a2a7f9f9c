// Stable radix sort of the row numbers by code, at most 10 bits a pass, least significant digit first.
//
// A pass takes tiles of 2,048 rows. Each of the 8 warps of a block goes through 256 rows, 32 at a time; the lanes that have
// the same digit find one another, and a counter for each digit of each warp in shared memory gives every row its place among
// those of its digit. Each block of the second kernel adds up what the tiles before its own have of every digit; where there
// are many tiles, a kernel of its own does, 32 digits a block. The order is that of the rows, and no result depends on the
// order of threads. Up to 1,024 codes one pass sorts, and where the codes begin falls off. 4 + 8 bytes a row read and written
// a pass; bound by memory.
#include "cuda/group_by_code.cuh"

#include <utility>

#include "core/arithmetic.hpp"
#include "cuda/chunks.cuh"
#include "cuda/scan.cuh"

namespace vq4j {
namespace grouping {

constexpr int most_digit_bits = 10;
constexpr int most_digits = 1 << most_digit_bits;
constexpr int threads = 256;
constexpr int lanes = 32;
constexpr int warps = threads / lanes;
constexpr int warp_rows = 256;
constexpr int rows_per_lane = warp_rows / lanes;
constexpr int tile_rows = warps * warp_rows;
constexpr int64_t most_summed_tiles = 32;  // that every block sums up itself
static_assert(threads == block_threads, "what sum_before needs");

using Counters = uint16_t[warps][most_digits];

struct Pass {
    const int32_t* codes;
    const int64_t* order;  // null: the rows' own order
    int64_t rows_count;
    int shift;
    int digits;

    __device__ int digit(int64_t i) const { return codes[i] >> shift & (digits - 1); }
    __device__ int64_t row(int64_t i) const { return order == nullptr ? i : order[i]; }

    __device__ int64_t first_of_warp() const {
        return static_cast<int64_t>(blockIdx.x) * tile_rows + static_cast<int>(threadIdx.x) / lanes * warp_rows;
    }

    __device__ void clear(Counters& counters) const {
        for (int w = 0; w < warps; ++w) {
            for (int d = static_cast<int>(threadIdx.x); d < digits; d += threads) {
                counters[w][d] = 0;
            }
        }
        __syncthreads();
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
                    counters[warp][d] = static_cast<uint16_t>(counted + __popc(same));
                }
                __syncwarp(taking_part);
            }
        }
    }
};

// How many rows of each digit a tile has: [tile][digit].
__global__ void __launch_bounds__(threads) count_kernel(Pass pass, int64_t* tile_counts) {
    __shared__ Counters counters;
    int32_t before[rows_per_lane];
    pass.clear(counters);
    pass.count(counters, before);
    __syncthreads();
    for (int d = static_cast<int>(threadIdx.x); d < pass.digits; d += threads) {
        int64_t sum = 0;
        for (int w = 0; w < warps; ++w) {
            sum += counters[w][d];
        }
        tile_counts[static_cast<int64_t>(blockIdx.x) * pass.digits + d] = sum;
    }
}

// Replaces the counts of 32 digits by those of the tiles before; of all tiles: [tiles][digit]. Each warp has a stretch of
// the tiles.
__global__ void __launch_bounds__(threads) sum_tiles_kernel(int64_t* tile_counts, int64_t tiles, int digits) {
    __shared__ int64_t stretch_sums[warps][lanes];
    const int warp = static_cast<int>(threadIdx.x) / lanes;
    const int lane = static_cast<int>(threadIdx.x) % lanes;
    const int64_t d = static_cast<int64_t>(blockIdx.x) * lanes + lane;
    const int64_t stretch = (tiles + warps - 1) / warps;
    const int64_t begin = d < digits && warp * stretch < tiles ? warp * stretch : tiles;
    const int64_t end = begin + stretch < tiles ? begin + stretch : tiles;
    const auto count_of = [=](int64_t tile) { return tile_counts[tile * digits + d]; };
    int64_t sum = 0;
    load_ahead(begin, end, count_of, [&](int64_t count, int64_t) { sum += count; });
    stretch_sums[warp][lane] = sum;
    __syncthreads();
    int64_t running = 0;
    for (int w = 0; w < warp; ++w) {
        running += stretch_sums[w][lane];
    }
    if (warp == warps - 1 && d < digits) {
        tile_counts[tiles * digits + d] = running + sum;
    }
    load_ahead(begin, end, count_of, [&](int64_t count, int64_t tile) {
        tile_counts[tile * digits + d] = running;
        running += count;
    });
}

// What is known of the groups.
struct Groups {
    int64_t* starts;    // [K + 1]; null: they are not wanted
    int64_t* further;   // [K + 1]
    unsigned* counters; // [K][counters_of_code]
    int64_t codes_count;
    int64_t counters_of_code;
};

VQ4J_SHARED int64_t further_chunks(int64_t rows_of_code) {
    return rows_of_code > chunk_rows ? chunks_of(rows_of_code) - 1 : 0;
}

// values[i] becomes the sum of those before, of `count` in shared memory; the sum of all is the result. All threads call it.
__device__ int64_t sum_up(int64_t* values, int count, int64_t* warp_sums) {
    int64_t done = 0;
    for (int first = 0; first < count; first += threads) {
        const int i = first + static_cast<int>(threadIdx.x);
        const int64_t value = i < count ? values[i] : 0;
        int64_t total = 0;
        const int64_t before = sum_before(value, warp_sums, total);
        if (i < count) {
            values[i] = done + before;
        }
        done += total;
        __syncthreads();
    }
    return done;
}

// One block; totals[k] is where code k begins.
__device__ void write_groups(const Groups& groups, int64_t rows_count, const int64_t* totals, int64_t* room,
    int64_t* warp_sums) {
    const int codes_count = static_cast<int>(groups.codes_count);
    for (int64_t i = threadIdx.x; i < codes_count * groups.counters_of_code; i += threads) {
        groups.counters[i] = 0;
    }
    for (int k = static_cast<int>(threadIdx.x); k <= codes_count; k += threads) {
        const int64_t start = k < codes_count ? totals[k] : rows_count;
        groups.starts[k] = start;
        if (k < codes_count) {
            room[k] = further_chunks((k + 1 < codes_count ? totals[k + 1] : rows_count) - start);
        }
    }
    __syncthreads();
    const int64_t all = sum_up(room, codes_count, warp_sums);
    for (int k = static_cast<int>(threadIdx.x); k <= codes_count; k += threads) {
        groups.further[k] = k < codes_count ? room[k] : all;
    }
}

// tile_counts are those of each tile or, where they are summed, those of the tiles before and of all.
// codes may be null.
__global__ void __launch_bounds__(threads) place_kernel(Pass pass, const int64_t* tile_counts, bool summed, int32_t* codes,
    int64_t* order, Groups groups) {
    __shared__ Counters counters;
    __shared__ int64_t totals[most_digits];
    __shared__ int64_t starts[most_digits];
    __shared__ int64_t warp_sums[warps];
    int32_t before[rows_per_lane];
    pass.clear(counters);
    pass.count(counters, before);
    const int64_t tile = blockIdx.x;
    const int64_t tiles = gridDim.x;
    for (int d = static_cast<int>(threadIdx.x); d < pass.digits; d += threads) {
        if (summed) {
            starts[d] = tile_counts[tile * pass.digits + d];
            totals[d] = tile_counts[tiles * pass.digits + d];
            continue;
        }
        int64_t of_tiles_before = 0;
        int64_t total = 0;
        load_ahead(
            0, tiles, [&](int64_t other) { return tile_counts[other * pass.digits + d]; },
            [&](int64_t count, int64_t other) {
                of_tiles_before += other < tile ? count : 0;
                total += count;
            });
        starts[d] = of_tiles_before;
        totals[d] = total;
    }
    __syncthreads();
    sum_up(totals, pass.digits, warp_sums);
    for (int d = static_cast<int>(threadIdx.x); d < pass.digits; d += threads) {
        starts[d] += totals[d];
        int32_t of_warps_before = 0;
        for (int w = 0; w < warps; ++w) {
            const int32_t of_warp = counters[w][d];
            counters[w][d] = static_cast<uint16_t>(of_warps_before);
            of_warps_before += of_warp;
        }
    }
    __syncthreads();
    const int64_t first = pass.first_of_warp();
    for (int step = 0; step < rows_per_lane; ++step) {
        const int64_t i = first + step * lanes + static_cast<int>(threadIdx.x) % lanes;
        if (i < pass.rows_count) {
            const int digit = pass.digit(i);
            const int64_t place = starts[digit] + counters[static_cast<int>(threadIdx.x) / lanes][digit] + before[step];
            if (codes != nullptr) {
                codes[place] = pass.codes[i];
            }
            order[place] = pass.row(i);
        }
    }
    __syncthreads();
    if (groups.starts != nullptr && blockIdx.x == 0) {
        write_groups(groups, pass.rows_count, totals, starts, warp_sums);
    }
}

int bits_of(int64_t codes_count) {
    int bits = 1;
    while ((codes_count - 1) >> bits != 0) {
        ++bits;
    }
    return bits;
}

void sort_by_digit(const Pass& pass, int64_t* tile_counts, int32_t* codes, int64_t* order, const Groups& groups,
    cudaStream_t stream) {
    const unsigned tiles = blocks_for(pass.rows_count, tile_rows);
    const bool summed = tiles > most_summed_tiles;
    launch(count_kernel, tiles, threads, 0, stream, pass, tile_counts);
    if (summed) {
        launch(sum_tiles_kernel, blocks_for(pass.digits, lanes), threads, 0, stream, tile_counts, int64_t{tiles}, pass.digits);
    }
    launch(place_kernel, tiles, threads, 0, stream, pass, tile_counts, summed, codes, order, groups);
}

// Room for the counts of all tiles, and of what they sum up to.
int64_t tile_counts_of(int64_t rows_count, int digits) {
    return (int64_t{blocks_for(rows_count, tile_rows)} + 1) * digits;
}

// The groups of sorted codes; further[k] is still the number of further chunks of code k itself.
struct FindGroup {
    const int32_t* sorted;
    int64_t rows_count;
    Groups groups;

    __device__ void operator()(int64_t k) const {
        const int64_t start = first_not_below(sorted, 0, rows_count, k);
        groups.starts[k] = start;
        if (k < groups.codes_count) {
            groups.further[k] = further_chunks(first_not_below(sorted, start, rows_count, k + 1) - start);
            for (int64_t i = 0; i < groups.counters_of_code; ++i) {
                groups.counters[k * groups.counters_of_code + i] = 0;
            }
        }
    }
};

// Sorts by passes of about as many bits each; `codes` and `order` are the result's.
void sort(const int32_t* unsorted, int64_t rows_count, int64_t codes_count, int32_t* codes, int64_t* order,
    cudaStream_t stream) {
    const int bits = bits_of(codes_count);
    const int passes = (bits + most_digit_bits - 1) / most_digit_bits;
    const int digit_bits = (bits + passes - 1) / passes;
    const DeviceScratch<int64_t> tile_counts(tile_counts_of(rows_count, 1 << digit_bits), stream);
    const DeviceScratch<int32_t> codes_b(rows_count, stream);
    const DeviceScratch<int64_t> order_b(rows_count, stream);

    // The passes write in turn to two places; the last one to the result's.
    int32_t* to_codes = passes % 2 == 1 ? codes : codes_b.get();
    int64_t* to_order = passes % 2 == 1 ? order : order_b.get();
    int32_t* other_codes = passes % 2 == 1 ? codes_b.get() : codes;
    int64_t* other_order = passes % 2 == 1 ? order_b.get() : order;
    Pass pass{unsorted, nullptr, rows_count, 0, 1 << digit_bits};
    for (int i = 0; i < passes; ++i) {
        sort_by_digit(pass, tile_counts.get(), to_codes, to_order, {}, stream);
        pass = {to_codes, to_order, rows_count, pass.shift + digit_bits, pass.digits};
        std::swap(to_codes, other_codes);
        std::swap(to_order, other_order);
    }
}

}  // namespace grouping

SortedCodes::SortedCodes(const int32_t* codes, int64_t rows_count, int64_t codes_count, cudaStream_t stream)
    : codes_(rows_count, stream), order_(rows_count, stream) {
    grouping::sort(codes, rows_count, codes_count, codes_.get(), order_.get(), stream);
}

GroupedRows::GroupedRows(const int32_t* codes, int64_t rows_count, int64_t codes_count, int64_t counters_of_code,
    cudaStream_t stream)
    : order_(rows_count, stream), starts_(codes_count + 1, stream), further_(codes_count + 1, stream),
      counters_(codes_count * counters_of_code, stream) {
    using namespace grouping;
    const Groups groups{starts_.get(), further_.get(), counters_.get(), codes_count, counters_of_code};
    if (codes_count <= most_digits) {
        const int digits = 1 << bits_of(codes_count);
        const DeviceScratch<int64_t> tile_counts(tile_counts_of(rows_count, digits), stream);
        sort_by_digit({codes, nullptr, rows_count, 0, digits}, tile_counts.get(), nullptr, order_.get(), groups, stream);
        return;
    }
    const DeviceScratch<int32_t> sorted(rows_count, stream);
    sort(codes, rows_count, codes_count, sorted.get(), order_.get(), stream);
    for_each(codes_count + 1, stream, FindGroup{sorted.get(), rows_count, groups});
    exclusive_scan(further_.get(), codes_count, stream);
}

}  // namespace vq4j
