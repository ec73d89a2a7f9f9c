// The codes' vectors, in the layout of the rows: written, taken from the rows, added to a sum. Bound by memory, 4 N D bytes
// written, and as many or twice as many read.
#include <algorithm>

#include "core/arguments.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/kernels.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

namespace vq4j {
namespace {

// body(begin, end) for all rows, in parallel, but for ranges with a code out of range: the first of them is named.
template <typename Body>
void with_codes(const int32_t* codes, int64_t codes_count, Layout layout, Body body) {
    check_codebook(codes_count, layout.features);
    FirstBad bad;
    parallel_ranges(layout.rows(), layout.features, [&](int64_t begin, int64_t end) {
        const auto out_of_range = [=](int32_t code) { return code < 0 || code >= codes_count; };
        const int32_t* const found = std::find_if(codes + begin, codes + end, out_of_range);
        if (found != codes + end) {
            bad.note(found - codes);
        } else {
            body(begin, end);
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
        const Kernels& table = kernels();
        with_codes(codes, codes_count, layout,
            [&](int64_t begin, int64_t end) { table.look_up(codebook, codes, layout, begin, end, out); });
    });
}

int32_t vq4j_cpu_residual(const float* rows, int64_t outer, int64_t inner, int64_t features, const float* codebook,
    int64_t codes_count, const int32_t* codes, float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_present({rows, codebook, codes, out});
        const Kernels& table = kernels();
        with_codes(codes, codes_count, layout,
            [&](int64_t begin, int64_t end) { table.residual({rows, layout}, codebook, codes, begin, end, out); });
    });
}

int32_t vq4j_cpu_add_lookup(const float* codebook, int64_t codes_count, const int32_t* codes, int64_t outer,
    int64_t inner, int64_t features, float* sum) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_present({codebook, codes, sum});
        const Kernels& table = kernels();
        with_codes(codes, codes_count, layout,
            [&](int64_t begin, int64_t end) { table.add_look_up(codebook, codes, layout, begin, end, sum); });
    });
}
