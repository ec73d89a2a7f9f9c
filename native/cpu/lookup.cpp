// The codes' vectors, in the layout of the rows: written, taken from the rows, added to a sum. Bound by memory, 4 N D bytes
// written, and as many or twice as many read.
#include <algorithm>

#include "core/arguments.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

namespace vq4j {
namespace {

// Features that strided rows are taken by: the lines of that many places stay in the first-level cache.
constexpr int64_t strip_features = 16;

// put(at, e) for every element of the rows begin ... end; `at` is the element's place, e its code's.
template <typename Put>
void for_each_code_element(const float* codebook, const int32_t* codes, Layout layout, int64_t begin, int64_t end,
    Put put) {
    const int64_t features = layout.features;
    const int64_t strip = layout.stride() == 1 ? features : strip_features;
    for (int64_t first = 0; first < features; first += strip) {
        const int64_t last = std::min(features, first + strip);
        for (int64_t n = begin; n < end; ++n) {
            const float* const code = codebook + codes[n] * features;
            const int64_t at = layout.offset(n);
            for (int64_t d = first; d < last; ++d) {
                put(at + d * layout.stride(), code[d]);
            }
        }
    }
}

// The same for all rows, in parallel; nothing is put for a range with a code out of range, and the first is named.
template <typename Put>
void with_codes(const float* codebook, int64_t codes_count, const int32_t* codes, Layout layout, Put put) {
    check_codebook(codes_count, layout.features);
    FirstBad bad;
    parallel_ranges(layout.rows(), layout.features, [&](int64_t begin, int64_t end) {
        const auto out_of_range = [=](int32_t code) { return code < 0 || code >= codes_count; };
        const int32_t* const found = std::find_if(codes + begin, codes + end, out_of_range);
        if (found != codes + end) {
            bad.note(found - codes);
        } else if (layout.stride() == 1) {
            for_each_code_element(codebook, codes, {layout.rows(), 1, layout.features}, begin, end, put);
        } else {
            for_each_code_element(codebook, codes, layout, begin, end, put);
        }
    });
    bad.require_codes_in_range(codes, codes_count);
}

}  // namespace
}  // namespace vq4j

using namespace vq4j;

int32_t vq4j_cpu_lookup(const float* codebook, int64_t codes_count, const int32_t* codes, int64_t outer, int64_t inner,
    int64_t features, float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_present({codebook, codes, out});
        with_codes(codebook, codes_count, codes, layout, [=](int64_t at, float e) { out[at] = e; });
    });
}

int32_t vq4j_cpu_residual(const float* rows, int64_t outer, int64_t inner, int64_t features, const float* codebook,
    int64_t codes_count, const int32_t* codes, float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_present({rows, codebook, codes, out});
        with_codes(codebook, codes_count, codes, layout, [=](int64_t at, float e) { out[at] = rows[at] - e; });
    });
}

int32_t vq4j_cpu_add_lookup(const float* codebook, int64_t codes_count, const int32_t* codes, int64_t outer,
    int64_t inner, int64_t features, float* sum) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_present({codebook, codes, sum});
        with_codes(codebook, codes_count, codes, layout, [=](int64_t at, float e) { sum[at] = sum[at] + e; });
    });
}
