// Stable radix sort of the row numbers by code, 4 bits a pass, least significant digit first.
//
// A pass takes tiles of 2,048 rows, 8 consecutive rows a thread. Counters in shared memory, [digit][thread], give every row
// its place among the rows of its tile with the same digit; a scan of the tiles' digit counts, [digit][tile], gives every
// tile its place in the whole. No atomics: the order is that of the rows. 4 + 8 bytes a row read and written a pass;
// bound by memory.
#include "cuda/group_by_code.cuh"

#include <utility>

#include "cuda/scan.cuh"

namespace vq4j {
namespace grouping {

constexpr int digit_bits = 4;
constexpr int digits = 1 << digit_bits;
constexpr int threads = 256;
constexpr int rows_per_thread = 8;
constexpr int tile_rows = threads * rows_per_thread;

struct Pass {
    const int32_t* codes;
    const int64_t* order;  // null: the rows' own order
    int64_t rows_count;
    int shift;

    __device__ int digit(int64_t i) const { return codes[i] >> shift & (digits - 1); }
    __device__ int64_t row(int64_t i) const { return order == nullptr ? i : order[i]; }

    // The rows of the running thread.
    __device__ int64_t begin() const {
        const int64_t first = static_cast<int64_t>(blockIdx.x) * tile_rows + threadIdx.x * rows_per_thread;
        return first < rows_count ? first : rows_count;
    }
    __device__ int64_t end() const {
        const int64_t begin = this->begin();
        return begin + rows_per_thread < rows_count ? begin + rows_per_thread : rows_count;
    }

    // Counts the digits of the running thread's rows into its column.
    __device__ void count(int32_t (*counts)[threads]) const {
        for (int d = 0; d < digits; ++d) {
            counts[d][threadIdx.x] = 0;
        }
        for (int64_t i = begin(); i < end(); ++i) {
            ++counts[digit(i)][threadIdx.x];
        }
    }
};

__global__ void count_kernel(Pass pass, int64_t* tile_counts) {
    __shared__ int32_t counts[digits][threads];
    pass.count(counts);
    __syncthreads();
    if (threadIdx.x < digits) {
        int64_t sum = 0;
        for (int t = 0; t < threads; ++t) {
            sum += counts[threadIdx.x][t];
        }
        tile_counts[static_cast<int64_t>(threadIdx.x) * gridDim.x + blockIdx.x] = sum;
    }
}

__global__ void place_kernel(Pass pass, const int64_t* tile_starts, int32_t* codes, int64_t* order) {
    __shared__ int32_t counts[digits][threads];
    __shared__ int64_t starts[digits];
    pass.count(counts);
    __syncthreads();
    if (threadIdx.x < digits) {
        int32_t before = 0;
        for (int t = 0; t < threads; ++t) {
            const int32_t of_thread = counts[threadIdx.x][t];
            counts[threadIdx.x][t] = before;
            before += of_thread;
        }
        starts[threadIdx.x] = tile_starts[static_cast<int64_t>(threadIdx.x) * gridDim.x + blockIdx.x];
    }
    __syncthreads();
    for (int64_t i = pass.begin(); i < pass.end(); ++i) {
        const int digit = pass.digit(i);
        const int64_t place = starts[digit] + counts[digit][threadIdx.x]++;
        codes[place] = pass.codes[i];
        order[place] = pass.row(i);
    }
}

// starts[k]: how many of the sorted codes are below k.
struct FindStart {
    const int32_t* sorted;
    int64_t rows_count;
    int64_t* starts;

    __device__ void operator()(int64_t k) const { starts[k] = first_not_below(sorted, 0, rows_count, k); }
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
    const Scratch<int64_t> tile_starts(int64_t{digits} * tiles + 1, stream);
    const Scratch<int32_t> codes_b(rows_count, stream);
    const Scratch<int64_t> order_b(rows_count, stream);

    // The passes write in turn to two places; the last one to this object's.
    int32_t* to_codes = passes % 2 == 1 ? codes_.get() : codes_b.get();
    int64_t* to_order = passes % 2 == 1 ? order_.get() : order_b.get();
    int32_t* other_codes = passes % 2 == 1 ? codes_b.get() : codes_.get();
    int64_t* other_order = passes % 2 == 1 ? order_b.get() : order_.get();
    Pass pass{codes, nullptr, rows_count, 0};
    for (int p = 0; p < passes; ++p) {
        launch(count_kernel, tiles, threads, 0, stream, pass, tile_starts.get());
        exclusive_scan(tile_starts.get(), int64_t{digits} * tiles, stream);
        launch(place_kernel, tiles, threads, 0, stream, pass, tile_starts.get(), to_codes, to_order);
        pass = {to_codes, to_order, rows_count, pass.shift + digit_bits};
        std::swap(to_codes, other_codes);
        std::swap(to_order, other_order);
    }
}

GroupedRows::GroupedRows(const int32_t* codes, int64_t rows_count, int64_t codes_count, cudaStream_t stream)
    : sorted_(codes, rows_count, codes_count, stream), starts_(codes_count + 1, stream) {
    for_each(codes_count + 1, stream, grouping::FindStart{sorted_.codes(), rows_count, starts_.get()});
}

}  // namespace vq4j
