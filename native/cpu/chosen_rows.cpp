// Rows chosen by a value of theirs, and codes taken out and put back by the rows' numbers. Copies, bound by memory.
#include <algorithm>

#include "core/arguments.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

namespace vq4j {
namespace {

// copy(part, whole) for every code of the rows in order.
template <typename Copy>
void for_each_code(int64_t outer, int64_t inner, int64_t codes_of_row, const int64_t* order, int64_t count, Copy copy) {
    check_sizes({{"outer", outer}, {"inner", inner}, {"codes_of_row", codes_of_row}});
    check_sizes({{"count", count}, {"codes_of_row", codes_of_row}});
    const Layout layout = {outer, inner, codes_of_row};
    for (int64_t i = 0; i < count; ++i) {
        if (order[i] < 0 || order[i] >= layout.rows()) {
            row_out_of_range(order[i], i, layout.rows());
        }
    }
    parallel_ranges(count, codes_of_row, [=](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
            const int64_t at = layout.offset(order[i]);
            for (int64_t code = 0; code < codes_of_row; ++code) {
                copy(i * codes_of_row + code, at + code * layout.stride());
            }
        }
    });
}

}  // namespace
}  // namespace vq4j

using namespace vq4j;

int32_t vq4j_cpu_rows_above(const int32_t* values, int64_t rows_count, int32_t bound, int64_t* order, int64_t* count) {
    return guarded([&] {
        check_sizes({{"rows_count", rows_count}});
        check_present({values, order, count});
        int64_t chosen = 0;
        for (int64_t n = 0; n < rows_count; ++n) {
            if (values[n] > bound) {
                order[chosen++] = n;
            }
        }
        *count = chosen;
    });
}

int32_t vq4j_cpu_take_codes_of_rows(const int32_t* codes, int64_t outer, int64_t inner, int64_t codes_of_row,
    const int64_t* order, int64_t count, int32_t* out) {
    return guarded([&] {
        check_present({codes, order, out});
        for_each_code(outer, inner, codes_of_row, order, count,
            [=](int64_t part, int64_t whole) { out[part] = codes[whole]; });
    });
}

int32_t vq4j_cpu_put_codes_of_rows(const int32_t* part, const int64_t* order, int64_t count, int64_t outer, int64_t inner,
    int64_t codes_of_row, int32_t* out) {
    return guarded([&] {
        check_present({part, order, out});
        for_each_code(outer, inner, codes_of_row, order, count,
            [=](int64_t own, int64_t whole) { out[whole] = part[own]; });
    });
}

int32_t vq4j_cpu_fill_codes(int32_t code, int64_t count, int32_t* out) {
    return guarded([&] {
        check_sizes({{"count", count}});
        check_present({out});
        std::fill(out, out + count, code);
    });
}
