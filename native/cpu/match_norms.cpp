// Rows scaled to the lengths of other rows: two reads of a row, the second from the caches. Bound by memory.
#include "core/arguments.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/kernels.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

using namespace vq4j;

int32_t vq4j_cpu_match_norms(const float* rows, const float* target, int64_t outer, int64_t inner, int64_t features,
    float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_present({rows, target, out});
        const Kernels& table = kernels();
        FirstBad bad;
        FirstBad bad_target;
        parallel_ranges(layout.rows(), 2 * features, [&](int64_t begin, int64_t end) {
            const FirstBadRows found = table.match_norms({rows, layout}, target, begin, end, out);
            bad.note(found.of_rows);
            bad_target.note(found.of_target);
        });
        bad.require_finite("z");
        bad_target.require_finite("target");
    });
}
