// Replacement of codes that nobody uses: the countdown, and the new codes, which are bound by the drawing of their noise.
#include "core/arguments.hpp"
#include "core/replacement.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

using namespace vq4j;

int32_t vq4j_cpu_count_down(const int64_t* counts, int64_t codes_count, int32_t lifetime, int32_t* counters,
    int32_t* mask, int64_t* replaced) {
    return guarded([&] {
        check_sizes({{"codes_count", codes_count}});
        check_sizes({{"lifetime", lifetime}});
        check_present({counts, counters, mask, replaced});
        *replaced = 0;
        for (int64_t k = 0; k < codes_count; ++k) {
            const int32_t left = counts[k] > 0 ? lifetime : counters[k] - 1;
            const bool dead = left <= 0;
            counters[k] = dead ? lifetime : left;
            mask[k] = dead ? 1 : 0;
            *replaced += dead ? 1 : 0;
        }
    });
}

int32_t vq4j_cpu_replace_codes(const float* rows, int64_t outer, int64_t inner, int64_t features, const int32_t* mask,
    int64_t codes_count, const float* scale, const float* shift, int64_t groups, float noise, uint64_t seed,
    uint64_t step, float* codebook) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_codebook(codes_count, features);
        check_divides("groups", groups, "codes_count", codes_count);
        check_present({rows, mask, codebook});
        check_both_or_neither(scale, shift);
        const CodePlaces places{scale, shift, codes_count / groups, features, codebook};
        parallel_ranges(codes_count, draw_cost * features, [=](int64_t begin, int64_t end) {
            for (int64_t k = begin; k < end; ++k) {
                if (mask[k] != 0) {
                    replace_code(rows, layout, k, noise, seed, step, places);
                }
            }
        });
    });
}
