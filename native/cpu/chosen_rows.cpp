// Rows chosen by a value of theirs; rows, and codes of rows, taken out and put back by the rows' numbers. Copies, bound by
// memory.
#include <algorithm>

#include "core/stage_arguments.hpp"
#include "cpu/kernels.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

namespace vq4j {
namespace {

// The order's row numbers are rows of the layout.
void check_order(const int64_t* order, int64_t count, Layout layout) {
    for (int64_t i = 0; i < count; ++i) {
        if (order[i] < 0 || order[i] >= layout.rows()) {
            row_out_of_range(order[i], i, layout.rows());
        }
    }
}

// copy(part, whole) for every element of the rows in order.
template <typename Copy>
void for_each_element_of_rows(const int64_t* order, int64_t count, Layout layout, Copy copy) {
    check_order(order, count, layout);
    parallel_ranges(count, layout.features, [=](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
            const int64_t at = layout.offset(order[i]);
            for (int64_t d = 0; d < layout.features; ++d) {
                copy(i * layout.features + d, at + d * layout.stride());
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

int32_t vq4j_cpu_take_rows(const float* rows, int64_t outer, int64_t inner, int64_t features, const int64_t* order,
    int64_t count, float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_sizes({{"count", count}, {"features", features}});
        check_present({rows, order, out});
        for_each_element_of_rows(order, count, layout, [=](int64_t part, int64_t whole) { out[part] = rows[whole]; });
    });
}

int32_t vq4j_cpu_take_rows_half(const uint16_t* rows, int32_t type, int64_t outer, int64_t inner, int64_t features,
    const int64_t* order, int64_t count, float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_half_type(type);
        check_sizes({{"count", count}, {"features", features}});
        check_present({rows, order, out});
        check_order(order, count, layout);
        const Kernels& table = kernels();
        parallel_ranges(count, features, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) {
                table.widen_rows(rows, type, layout, order[i], order[i] + 1, out + i * features);
            }
        });
    });
}

int32_t vq4j_cpu_put_rows(const float* part, const int64_t* order, int64_t count, int64_t outer, int64_t inner,
    int64_t features, float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_sizes({{"count", count}, {"features", features}});
        check_present({part, order, out});
        for_each_element_of_rows(order, count, layout, [=](int64_t own, int64_t whole) { out[whole] = part[own]; });
    });
}

int32_t vq4j_cpu_take_codes_of_rows(const int32_t* codes, int64_t outer, int64_t inner, int64_t codes_of_row,
    const int64_t* order, int64_t count, int32_t* out) {
    return guarded([&] {
        const Layout layout = checked_codes_of_rows(outer, inner, codes_of_row, count);
        check_present({codes, order, out});
        for_each_element_of_rows(order, count, layout, [=](int64_t part, int64_t whole) { out[part] = codes[whole]; });
    });
}

int32_t vq4j_cpu_put_codes_of_rows(const int32_t* part, const int64_t* order, int64_t count, int64_t outer, int64_t inner,
    int64_t codes_of_row, int32_t* out) {
    return guarded([&] {
        const Layout layout = checked_codes_of_rows(outer, inner, codes_of_row, count);
        check_present({part, order, out});
        for_each_element_of_rows(order, count, layout, [=](int64_t own, int64_t whole) { out[whole] = part[own]; });
    });
}

int32_t vq4j_cpu_fill_codes(int32_t code, int64_t count, int32_t* out) {
    return guarded([&] {
        check_sizes({{"count", count}});
        check_present({out});
        std::fill(out, out + count, code);
    });
}
