// Sums over workers. Fixed-point sums of rows by code: a thread an element with 64-bit integer atomics, whose sums do not
// depend on their order; of all rows a thread a chunk of 256 of one feature, with one atomic, as all elements would meet in D
// words. The largest magnitude: a block 4,096 elements, with one atomic. Bound by memory, 4 N D bytes, or by contention where
// few codes take most of the rows. The candidates for replaced codes: a block a code, which runs through the rows; bound by
// Philox, once for each row and marked code.
#include "core/fixed_point.hpp"

#include "core/arguments.hpp"
#include "core/half.hpp"
#include "cuda/chunks.cuh"
#include "cuda/elements.cuh"
#include "cuda/first_bad.cuh"
#include "vq4j/cuda.h"

namespace vq4j::fixed_point_sums {

constexpr int lanes = 32;
constexpr unsigned whole_warp = 0xffffffffu;
constexpr int elements_of_thread = 16;

// As bits: those of numbers that are not negative are ordered as the numbers are.
__global__ void __launch_bounds__(block_threads) largest_kernel(const float* rows, Layout layout, int* largest, BadRows bad) {
    __shared__ int of_block;
    const int t = static_cast<int>(threadIdx.x);
    if (t == 0) {
        of_block = 0;
    }
    __syncthreads();
    const int64_t first = static_cast<int64_t>(blockIdx.x) * block_threads * elements_of_thread + t;
    // Beyond the last element the first one is looked at again.
    const auto place = [&](int i) {
        const int64_t at = first + i * block_threads;
        return at < layout.rows() * layout.features ? at : 0;
    };
    float values[elements_of_thread];
    for (int i = 0; i < elements_of_thread; ++i) {
        values[i] = rows[place(i)];
    }
    int of_warp = 0;
    for (int i = 0; i < elements_of_thread; ++i) {
        if (!is_finite(values[i])) {
            bad.note(element_at(layout, place(i)).row);
        }
        const auto bits = static_cast<int>(bits_of_float(fabsf(values[i])));
        of_warp = bits > of_warp ? bits : of_warp;
    }
    for (int offset = lanes / 2; offset > 0; offset /= 2) {
        const int other = __shfl_xor_sync(whole_warp, of_warp, offset);
        of_warp = other > of_warp ? other : of_warp;
    }
    if (t % lanes == 0) {
        atomicMax(&of_block, of_warp);
    }
    __syncthreads();
    if (t == 0) {
        atomicMax(largest, of_block);
    }
}

// What an element adds to the sums.
struct Summand {
    const float* shift;
    bool squared;
    double scale;

    __device__ unsigned long long operator()(float value, int64_t feature) const {
        const float offset = shift == nullptr ? 0.0f : shift[feature];
        return static_cast<unsigned long long>(fixed_point(value, offset, squared, scale));
    }
};

struct Add {
    const float* rows;
    Layout layout;
    const int32_t* codes;
    Summand summand;
    unsigned long long* sums;

    __device__ void operator()(int64_t i) const {
        const Element element = element_at(layout, i);
        atomicAdd(sums + codes[element.row] * layout.features + element.feature, summand(rows[i], element.feature));
    }
};

// One feature of a chunk of rows, whose codes are all the first.
struct AddChunk {
    const float* rows;
    Layout layout;
    Summand summand;
    unsigned long long* sums;

    __device__ void operator()(int64_t i) const {
        const int64_t d = i % layout.features;
        const Chunk chunk = Segments{1, layout.rows()}.chunk(i / layout.features);
        unsigned long long sum = 0;
        load_ahead(
            chunk.begin, chunk.end, [&](int64_t n) { return rows[layout.offset(n) + d * layout.stride()]; },
            [&](float value, int64_t) { sum += summand(value, d); });
        atomicAdd(sums + d, sum);
    }
};

struct Convert {
    const int64_t* sums;
    double scale;
    double divisor;
    float* out;

    __device__ void operator()(int64_t i) const { out[i] = from_fixed_point(sums[i], scale, divisor); }
};

struct Hash {
    const float* rows;
    Layout layout;
    uint64_t* hashes;

    __device__ void operator()(int64_t n) const {
        hashes[n] = hash_of_row(rows + layout.offset(n), layout.stride(), layout.features);
    }
};

struct Tickets {
    const float* rows;
    Layout layout;
    uint64_t seed;
    int64_t* tickets;

    __device__ void operator()(int64_t n) const {
        tickets[n] = ticket(hash_of_row(rows + layout.offset(n), layout.stride(), layout.features), 0, seed, 0);
    }
};

// The largest ticket of all rows for code `blockIdx.x`, of equal ones the lowest row's.
__global__ void __launch_bounds__(block_threads) draw_kernel(const uint64_t* hashes, int64_t rows_count, const int32_t* mask,
    uint64_t seed, uint64_t step, int64_t* tickets, int64_t* chosen) {
    __shared__ int64_t best[block_threads];
    __shared__ int64_t row[block_threads];
    const int t = static_cast<int>(threadIdx.x);
    const int64_t k = blockIdx.x;
    const int64_t count = mask[k] != 0 ? rows_count : 0;
    best[t] = -1;
    row[t] = -1;
    for (int64_t n = t; n < count; n += block_threads) {
        const int64_t drawn = ticket(hashes[n], k, seed, step);
        if (drawn > best[t]) {
            best[t] = drawn;
            row[t] = n;
        }
    }
    for (int half = block_threads / 2; half > 0; half /= 2) {
        __syncthreads();
        const int other = t + half;
        if (t < half && (best[other] > best[t] || (best[other] == best[t] && row[other] < row[t]))) {
            best[t] = best[other];
            row[t] = row[other];
        }
    }
    if (t == 0) {
        tickets[k] = best[0];
        chosen[k] = row[0];
    }
}

}  // namespace vq4j::fixed_point_sums

using namespace vq4j;

int32_t vq4j_cuda_largest_magnitude(void* stream, const float* rows, int64_t outer, int64_t inner, int64_t features,
    float* largest) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_present({rows, largest});
        const auto s = static_cast<cudaStream_t>(stream);
        const DeviceFirstBad bad(s);
        fill(largest, 0, sizeof *largest, s);
        launch(fixed_point_sums::largest_kernel,
            blocks_for(layout.rows() * features, block_threads * fixed_point_sums::elements_of_thread), block_threads, 0, s,
            rows, layout, reinterpret_cast<int*>(largest), bad.rows());
        bad.require_finite("z");
    });
}

int32_t vq4j_cuda_fixed_point_scatter(void* stream, const float* rows, int64_t outer, int64_t inner, int64_t features,
    const int32_t* codes, int64_t codes_count, const float* shift, int32_t power, int32_t exponent, int64_t* sums) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_codebook(codes_count, features);
        check_present({rows, sums});
        check_power(power);
        check_exponent(exponent);
        const auto s = static_cast<cudaStream_t>(stream);
        fill(sums, 0, codes_count * features * static_cast<int64_t>(sizeof *sums), s);
        const fixed_point_sums::Summand summand{shift, power == 2, power_of_two(exponent)};
        auto* const bits = reinterpret_cast<unsigned long long*>(sums);
        if (codes == nullptr) {
            for_each(chunks_of(layout.rows()) * features, s, fixed_point_sums::AddChunk{rows, layout, summand, bits});
        } else {
            for_each(layout.rows() * features, s, fixed_point_sums::Add{rows, layout, codes, summand, bits});
        }
    });
}

int32_t vq4j_cuda_from_fixed_point(void* stream, const int64_t* sums, int64_t count, int32_t exponent, double divisor,
    float* out) {
    return guarded([&] {
        check_sizes({{"count", count}});
        check_present({sums, out});
        check_exponent(exponent);
        for_each(count, static_cast<cudaStream_t>(stream),
            fixed_point_sums::Convert{sums, power_of_two(exponent), divisor, out});
    });
}

int32_t vq4j_cuda_row_tickets(void* stream, const float* rows, int64_t outer, int64_t inner, int64_t features,
    uint64_t seed, int64_t* tickets) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_present({rows, tickets});
        for_each(layout.rows(), static_cast<cudaStream_t>(stream),
            fixed_point_sums::Tickets{rows, layout, seed, tickets});
    });
}

int32_t vq4j_cuda_draw_rows(void* stream, const float* rows, int64_t outer, int64_t inner, int64_t features,
    const int32_t* mask, int64_t codes_count, uint64_t seed, uint64_t step, int64_t* tickets, int64_t* chosen) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_codebook(codes_count, features);
        check_present({rows, mask, tickets, chosen});
        const auto s = static_cast<cudaStream_t>(stream);
        const DeviceScratch<uint64_t> hashes(layout.rows(), s);
        for_each(layout.rows(), s, fixed_point_sums::Hash{rows, layout, hashes.get()});
        launch(fixed_point_sums::draw_kernel, blocks_for(codes_count, 1), block_threads, 0, s, hashes.get(), layout.rows(),
            mask, seed, step, tickets, chosen);
    });
}
