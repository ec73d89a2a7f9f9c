// How often each code occurs. One pass on the caller's thread: 4 bytes a row.
#include <algorithm>

#include "core/arguments.hpp"
#include "vq4j/cpu.h"

using namespace vq4j;

int32_t vq4j_cpu_count_codes(const int32_t* codes, int64_t rows_count, int64_t codes_count, int64_t* counts) {
    return guarded([&] {
        check_sizes({{"rows_count", rows_count}});
        check_sizes({{"codes_count", codes_count}});
        check_present({codes, counts});
        std::fill(counts, counts + codes_count, 0);
        for (int64_t n = 0; n < rows_count; ++n) {
            if (codes[n] < 0 || codes[n] >= codes_count) {
                code_out_of_range(codes[n], n, codes_count);
            }
            ++counts[codes[n]];
        }
    });
}
