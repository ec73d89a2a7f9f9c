// Entropy of the histogram of codes and the number of codes that occur, whatever the number of codes that could: the
// codes are sorted by radix, 11 bits a pass, and their runs counted. On the caller's thread; 8 bytes a row and pass.
#include "core/code_usage.hpp"

#include <algorithm>
#include <utility>

#include "core/arguments.hpp"
#include "cpu/scratch.hpp"
#include "vq4j/cpu.h"

namespace vq4j {
namespace {

constexpr int digit_bits = 11;
constexpr int64_t digits = int64_t{1} << digit_bits;

// The sorted codes, in one of two places of room for rows_count codes each.
const int32_t* sorted(const int32_t* codes, int64_t rows_count, int64_t codes_count, int32_t* to, int32_t* other) {
    for (int shift = 0; shift == 0 || (codes_count - 1) >> shift != 0; shift += digit_bits) {
        int64_t places[digits] = {};
        for (int64_t n = 0; n < rows_count; ++n) {
            ++places[codes[n] >> shift & (digits - 1)];
        }
        int64_t before = 0;
        for (int64_t& place : places) {
            before += std::exchange(place, before);
        }
        for (int64_t n = 0; n < rows_count; ++n) {
            to[places[codes[n] >> shift & (digits - 1)]++] = codes[n];
        }
        codes = to;
        std::swap(to, other);
    }
    return codes;
}

}  // namespace
}  // namespace vq4j

using namespace vq4j;

int32_t vq4j_cpu_code_usage(const int32_t* codes, int64_t rows_count, int64_t codes_count, double* entropy,
    int64_t* used) {
    return guarded([&] {
        check_sizes({{"rows_count", rows_count}});
        check_codes_count(codes_count);
        check_present({codes, entropy, used});
        for (int64_t n = 0; n < rows_count; ++n) {
            if (codes[n] < 0 || codes[n] >= codes_count) {
                code_out_of_range(codes[n], n, codes_count);
            }
        }
        const Scratch<int32_t> first(rows_count);
        const Scratch<int32_t> second(rows_count);
        const int32_t* const in_order = sorted(codes, rows_count, codes_count, first.get(), second.get());
        double sum = 0.0;
        double of_chunk = 0.0;
        int64_t chunk = 0;
        *used = 0;
        for (int64_t begin = 0; begin < rows_count;) {
            const int64_t end = std::find_if(in_order + begin, in_order + rows_count,
                                    [&](int32_t code) { return code != in_order[begin]; })
                - in_order;
            if (begin / chunk_rows != chunk) {
                sum = sum + std::exchange(of_chunk, 0.0);
                chunk = begin / chunk_rows;
            }
            of_chunk = of_chunk + usage_entropy_term(end - begin, rows_count);
            ++*used;
            begin = end;
        }
        *entropy = sum + of_chunk;
    });
}
