// The rows farthest from their codes: their keys selected in linear time, then the selected ones sorted.
#include <algorithm>
#include <functional>

#include "core/arguments.hpp"
#include "core/replacement.hpp"
#include "cpu/scratch.hpp"
#include "vq4j/cpu.h"

using namespace vq4j;

int32_t vq4j_cpu_farthest_rows(const float* distances, int64_t rows_count, int64_t count, const int64_t* wanted,
    int64_t* order) {
    return guarded([&] {
        check_selection(rows_count, count);
        check_present({distances, order});
        if (wanted != nullptr && *wanted == 0) {
            std::fill_n(order, count, int64_t{0});
            return;
        }
        const Scratch<uint64_t> keys(rows_count);
        uint64_t* const first = keys.get();
        for (int64_t n = 0; n < rows_count; ++n) {
            first[n] = distance_key(distances[n], n);
        }
        std::nth_element(first, first + count - 1, first + rows_count, std::greater<uint64_t>());
        std::sort(first, first + count, std::greater<uint64_t>());
        std::transform(first, first + count, order, [](uint64_t key) { return number_of_key(key); });
    });
}
