// Sums over workers: fixed-point sums of rows by code, a thread an element with 64-bit integer atomics, whose sums do not
// depend on their order; the candidates for replaced codes, a thread a code. Bound by memory, or by contention where few
// codes take most of the rows.
#include "core/fixed_point.hpp"

#include "core/arguments.hpp"
#include "cuda/elements.cuh"
#include "cuda/first_bad.cuh"
#include "vq4j/cuda.h"

namespace vq4j::fixed_point_sums {

// The bits of numbers that are not negative are ordered as the numbers are.
struct Largest {
    const float* rows;
    Layout layout;
    int* largest;
    BadRows bad;

    __device__ void operator()(int64_t i) const {
        bad.note_unless_finite(rows[i], element_at(layout, i).row);
        const float magnitude = fabsf(rows[i]);
        int bits;
        memcpy(&bits, &magnitude, sizeof bits);
        atomicMax(largest, bits);
    }
};

struct Add {
    const float* rows;
    Layout layout;
    const int32_t* codes;
    const float* shift;
    bool squared;
    double scale;
    unsigned long long* sums;

    __device__ void operator()(int64_t i) const {
        const Element element = element_at(layout, i);
        const int64_t code = codes == nullptr ? 0 : codes[element.row];
        const float offset = shift == nullptr ? 0.0f : shift[element.feature];
        const int64_t summand = fixed_point(rows[i], offset, squared, scale);
        atomicAdd(sums + code * layout.features + element.feature, static_cast<unsigned long long>(summand));
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

struct Draw {
    const uint64_t* hashes;
    int64_t rows_count;
    const int32_t* mask;
    uint64_t seed;
    uint64_t step;
    int64_t* tickets;
    int64_t* chosen;

    __device__ void operator()(int64_t k) const {
        int64_t best = -1;
        int64_t row = -1;
        for (int64_t n = 0; mask[k] != 0 && n < rows_count; ++n) {
            const int64_t drawn = ticket(hashes[n], k, seed, step);
            if (drawn > best) {
                best = drawn;
                row = n;
            }
        }
        tickets[k] = best;
        chosen[k] = row;
    }
};

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
        for_each(layout.rows() * features, s,
            fixed_point_sums::Largest{rows, layout, reinterpret_cast<int*>(largest), bad.rows()});
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
        for_each(layout.rows() * features, s,
            fixed_point_sums::Add{rows, layout, codes, shift, power == 2, power_of_two(exponent),
                reinterpret_cast<unsigned long long*>(sums)});
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
        for_each(codes_count, s,
            fixed_point_sums::Draw{hashes.get(), layout.rows(), mask, seed, step, tickets, chosen});
    });
}
