// Rows taken in blocks whose features stand in columns, so that vectors run along the rows however few features there
// are and wherever their axis stands. A block stays in the first-level cache.
#ifndef VQ4J_CPU_ISA_ROW_BLOCK_HPP
#define VQ4J_CPU_ISA_ROW_BLOCK_HPP

#include "core/arithmetic.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/isa/runs.hpp"

namespace vq4j {
namespace {

constexpr int64_t column_rows = 64;
constexpr int64_t block_features = 31;  // at most

struct RowBlock {
    float column[block_features][column_rows];

    // The rows first ... first + count - 1. False where one has a NaN or an infinity.
    bool load(const float* data, Layout layout, int64_t first, int64_t count) {
        float(*const columns)[column_rows] = column;
        for_each_element(layout, first, first + count,
            [=](int64_t at, int64_t d, int64_t n) { columns[d][n - first] = data[at]; });
        bool bad = false;
        for (int64_t d = 0; d < layout.features; ++d) {
            for (int64_t i = 0; i < count; ++i) {
                bad |= !is_finite(column[d][i]);
            }
        }
        return !bad;
    }

    void store(Layout layout, int64_t first, int64_t count, float* out) const {
        const float(*const columns)[column_rows] = column;
        for_each_element(layout, first, first + count,
            [=](int64_t at, int64_t d, int64_t n) { out[at] = columns[d][n - first]; });
    }
};

// body(first, count) for the blocks of the rows begin ... end, until one returns a bad row.
template <typename Body>
VQ4J_SHARED int64_t for_each_row_block(int64_t begin, int64_t end, Body body) {
    for (int64_t first = begin; first < end; first += column_rows) {
        const int64_t bad = body(first, end - first < column_rows ? end - first : column_rows);
        if (bad != no_bad_row) {
            return bad;
        }
    }
    return no_bad_row;
}

}  // namespace
}  // namespace vq4j

#endif
