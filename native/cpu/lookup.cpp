// The codes' vectors, in the layout of the rows: written, taken from the rows, added to a sum. Bound by memory, 4 N D bytes
// written, and as many or twice as many read.
#include <algorithm>

#include "core/arguments.hpp"
#include "core/stage_codes.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/kernels.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

namespace vq4j {
namespace {

// body(begin, end) for all rows, in parallel, but for ranges with a code out of range: the first of them is named.
template <typename Body>
void with_codes(const int32_t* codes, int32_t least, int64_t codes_count, Layout layout, Body body) {
    check_codebook(codes_count, layout.features);
    FirstBad bad;
    parallel_ranges(layout.rows(), layout.features, [&](int64_t begin, int64_t end) {
        const auto out_of_range = [=](int32_t code) { return code < least || code >= codes_count; };
        const int32_t* const found = std::find_if(codes + begin, codes + end, out_of_range);
        if (found != codes + end) {
            bad.note(found - codes);
        } else {
            body(begin, end);
        }
    });
    bad.require_codes_in_range(codes, codes_count);
}

// body(begin, end) for the stretches of rows that have a code.
template <typename Body>
void for_each_coded_stretch(const int32_t* codes, int64_t begin, int64_t end, Body body) {
    while (begin < end) {
        const int64_t stop = std::find(codes + begin, codes + end, no_code) - codes;
        if (begin < stop) {
            body(begin, stop);
        }
        begin = stop + 1;
    }
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
        with_codes(codes, 0, codes_count, layout,
            [&](int64_t begin, int64_t end) { table.look_up(codebook, codes, layout, begin, end, out); });
    });
}

int32_t vq4j_cpu_lookup_groups(const float* codebooks, int64_t codes_count, const int32_t* codes, int64_t outer,
    int64_t groups, int64_t inner, int64_t features, float* out) {
    return guarded([&] {
        check_sizes({{"outer", outer}, {"groups", groups}, {"inner", inner}, {"features", features}});
        check_sizes({{"groups", groups}, {"codes_count", codes_count}, {"features", features}});
        check_present({codebooks, codes, out});
        const StageCodes of_groups{groups, inner, codes_count};
        const Layout layout{outer * groups, inner, features};
        const Kernels& table = kernels();
        FirstBad bad;
        parallel_ranges(layout.rows(), features, [&](int64_t begin, int64_t end) {
            uint32_t found = 0;
            for_each_stage_code(of_groups, begin, end, [&](int64_t i, int64_t first_code) {
                found |= of_groups.in_stage(codes[i], first_code) ? 0 : 1;
            });
            if (found != 0) {
                for_each_stage_code(of_groups, begin, end, [&](int64_t i, int64_t first_code) {
                    if (!of_groups.in_stage(codes[i], first_code)) {
                        bad.note(i);
                    }
                });
            } else {
                table.look_up(codebooks, codes, layout, begin, end, out);
            }
        });
        bad.require_none([&](int64_t i) { code_out_of_stage(codes[i], i, of_groups); });
    });
}

int32_t vq4j_cpu_residual(const float* rows, int64_t outer, int64_t inner, int64_t features, const float* codebook,
    int64_t codes_count, const int32_t* codes, float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_present({rows, codebook, codes, out});
        const Kernels& table = kernels();
        with_codes(codes, 0, codes_count, layout,
            [&](int64_t begin, int64_t end) { table.residual({rows, layout}, codebook, codes, begin, end, out); });
    });
}

int32_t vq4j_cpu_add_lookup(const float* codebook, int64_t codes_count, const int32_t* codes, int64_t outer,
    int64_t inner, int64_t features, float* sum) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_present({codebook, codes, sum});
        const Kernels& table = kernels();
        with_codes(codes, no_code, codes_count, layout, [&](int64_t begin, int64_t end) {
            for_each_coded_stretch(codes, begin, end, [&](int64_t first, int64_t stop) {
                table.add_look_up(codebook, codes, layout, first, stop, sum);
            });
        });
    });
}
