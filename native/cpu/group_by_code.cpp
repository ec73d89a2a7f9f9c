// Stable counting sort of the row numbers by code: slices of rows are counted and placed in parallel, each slice from its
// own counters. 4 bytes a row read twice, 8 written.
#include "cpu/group_by_code.hpp"

#include <algorithm>

#include "cpu/thread_pool.hpp"

namespace vq4j {

GroupedRows::GroupedRows(const int32_t* codes, int64_t rows_count, int64_t codes_count)
    : order_(rows_count), starts_(codes_count + 1) {
    // A slice has so many rows that its counters do not weigh against them.
    const int64_t slice_rows = std::max(int64_t{1} << 15, 4 * codes_count);
    const int64_t slices = (rows_count + slice_rows - 1) / slice_rows;
    const Scratch<int64_t> places(slices * codes_count);  // [slices][K]
    const auto for_each_slice = [&](auto body) {
        parallel_for(slices, [&](int64_t slice) {
            const int64_t end = std::min(rows_count, (slice + 1) * slice_rows);
            body(places.get() + slice * codes_count, slice * slice_rows, end);
        });
    };
    for_each_slice([&](int64_t* counts, int64_t begin, int64_t end) {
        std::fill(counts, counts + codes_count, 0);
        for (int64_t n = begin; n < end; ++n) {
            ++counts[codes[n]];
        }
    });
    int64_t place = 0;
    for (int64_t k = 0; k < codes_count; ++k) {
        starts_.get()[k] = place;
        for (int64_t slice = 0; slice < slices; ++slice) {
            int64_t& count = places.get()[slice * codes_count + k];
            const int64_t rows_of_code = count;
            count = place;
            place += rows_of_code;
        }
    }
    starts_.get()[codes_count] = place;
    int64_t* const order = order_.get();
    for_each_slice([&](int64_t* next, int64_t begin, int64_t end) {
        for (int64_t n = begin; n < end; ++n) {
            order[next[codes[n]]++] = n;
        }
    });
}

}  // namespace vq4j
