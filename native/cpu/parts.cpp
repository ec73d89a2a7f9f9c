// Parts of tensors, taken out and put back: features of a group, codes of a stage, rows that a mask leaves. Copies, bound
// by memory.
#include <cstring>

#include "core/arguments.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/kernels.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

namespace vq4j {
namespace {

// copy(part, whole, elements) for every stretch of memory that a part of the features shares with the whole.
template <typename Copy>
void for_each_stretch(int64_t outer, int64_t inner, int64_t features, int64_t first, int64_t count, Copy copy) {
    check_sizes({{"outer", outer}, {"inner", inner}, {"features", features}});
    check_part(first, count, "features", features);
    parallel_ranges(outer, count * inner, [=](int64_t begin, int64_t end) {
        for (int64_t o = begin; o < end; ++o) {
            copy(o * count * inner, (o * features + first) * inner, count * inner);
        }
    });
}

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
void for_each_row_element(const int64_t* order, int64_t count, Layout layout, Copy copy) {
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

// body(own, among, codes) for every stretch of a stage's codes and its place among those of all stages.
template <typename Body>
void for_each_code_stretch(int64_t outer, int64_t inner, int64_t stages, int64_t stage, Body body) {
    check_sizes({{"outer", outer}, {"inner", inner}, {"stages", stages}});
    check_part(stage, 1, "stages", stages);
    parallel_ranges(outer, inner, [=](int64_t begin, int64_t end) {
        for (int64_t o = begin; o < end; ++o) {
            body(o * inner, (o * stages + stage) * inner);
        }
    });
}

}  // namespace
}  // namespace vq4j

using namespace vq4j;

int32_t vq4j_cpu_take_features(const float* rows, int64_t outer, int64_t inner, int64_t features, int64_t first,
    int64_t count, float* out) {
    return guarded([&] {
        check_present({rows, out});
        for_each_stretch(outer, inner, features, first, count, [=](int64_t part, int64_t whole, int64_t elements) {
            std::memcpy(out + part, rows + whole, static_cast<size_t>(elements) * sizeof(float));
        });
    });
}

int32_t vq4j_cpu_take_features_half(const uint16_t* rows, int32_t type, int64_t outer, int64_t inner, int64_t features,
    int64_t first, int64_t count, float* out, float* widened) {
    return guarded([&] {
        check_half_type(type);
        check_present({rows, out});
        const Kernels& table = kernels();
        for_each_stretch(outer, inner, features, first, count, [&](int64_t part, int64_t whole, int64_t elements) {
            table.widen(rows + whole, type, elements, out + part);
            if (widened != nullptr) {
                std::memcpy(widened + whole, out + part, static_cast<size_t>(elements) * sizeof(float));
            }
        });
    });
}

int32_t vq4j_cpu_put_features(const float* part, int64_t outer, int64_t inner, int64_t features, int64_t first,
    int64_t count, float* out) {
    return guarded([&] {
        check_present({part, out});
        for_each_stretch(outer, inner, features, first, count, [=](int64_t own, int64_t whole, int64_t elements) {
            std::memcpy(out + whole, part + own, static_cast<size_t>(elements) * sizeof(float));
        });
    });
}

int32_t vq4j_cpu_put_codes(const int32_t* codes, int64_t outer, int64_t inner, int64_t stages, int64_t stage,
    int32_t offset, int32_t* out) {
    return guarded([&] {
        check_present({codes, out});
        for_each_code_stretch(outer, inner, stages, stage, [=](int64_t own, int64_t among) {
            for (int64_t i = 0; i < inner; ++i) {
                out[among + i] = codes[own + i] < 0 ? codes[own + i] : codes[own + i] + offset;
            }
        });
    });
}

int32_t vq4j_cpu_take_codes(const int32_t* codes, int64_t outer, int64_t inner, int64_t stages, int64_t stage,
    int32_t offset, int32_t* out) {
    return guarded([&] {
        check_present({codes, out});
        for_each_code_stretch(outer, inner, stages, stage, [=](int64_t own, int64_t among) {
            for (int64_t i = 0; i < inner; ++i) {
                out[own + i] = codes[among + i] - offset;
            }
        });
    });
}

int32_t vq4j_cpu_take_rows(const float* rows, int64_t outer, int64_t inner, int64_t features, const int64_t* order,
    int64_t count, float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_sizes({{"count", count}, {"features", features}});
        check_present({rows, order, out});
        for_each_row_element(order, count, layout, [=](int64_t part, int64_t whole) { out[part] = rows[whole]; });
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
        for_each_row_element(order, count, layout, [=](int64_t own, int64_t whole) { out[whole] = part[own]; });
    });
}

int32_t vq4j_cpu_weighted_sum(float a, const float* x, float b, const float* y, int64_t count, float* out) {
    return guarded([&] {
        check_sizes({{"count", count}});
        check_present({x, y, out});
        const Kernels& table = kernels();
        parallel_ranges(count, 1, [&](int64_t begin, int64_t end) {
            table.weighted_sum(a, x + begin, b, y + begin, end - begin, out + begin);
        });
    });
}
