// Prepares a codebook for assignment by cosine: its codes scaled to length 1 in panels. Reads the codebook twice, the
// second time from the caches.
#include <algorithm>

#include "core/arguments.hpp"
#include "core/lengths.hpp"
#include "cpu/codebook_filter.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/kernels.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

using namespace vq4j;

int32_t vq4j_cpu_pack_directions(const float* codebook, int64_t codes_count, int64_t features, void* packed) {
    return guarded([&] {
        check_codebook(codes_count, features);
        check_present({codebook, packed});
        const Kernels& table = kernels();
        const PackedCodebook<float> view =
            packed_view(static_cast<float*>(packed), codes_count, features, table.panel.codes);
        std::fill(view.centre, view.centre + features, 0.0f);
        FirstBad bad;
        parallel_ranges(panels_of(codes_count, table.panel.codes), table.panel.codes * features,
            [&](int64_t begin, int64_t end) {
                for (int64_t panel = begin; panel < end; ++panel) {
                    bad.note(table.pack_direction_panel(codebook, codes_count, features, panel, view));
                }
            });
        bad.require_finite("codebook");
        clear_filter(view, codes_count, features, true);
    });
}
