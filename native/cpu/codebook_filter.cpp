// When a packed codebook gets its filter. Making it reads the panels once and writes about as much again.
#include "cpu/codebook_filter.hpp"

#include <new>

#include "cpu/kernels.hpp"
#include "cpu/thread_pool.hpp"

namespace vq4j {
namespace {

bool may_have_filter(int64_t codes_count, int64_t features) {
    return kernels().filter != nullptr && kernels().filter->floats(codes_count, features) > 0;
}

}  // namespace

int64_t packed_floats(int64_t codes_count, int64_t features) {
    const Kernels& table = kernels();
    return panels_floats(codes_count, features, table.panel.codes)
        + (table.filter == nullptr ? 0 : table.filter->floats(codes_count, features));
}

void clear_filter(PackedCodebook<float> packed, int64_t codes_count, int64_t features, bool directions) {
    if (may_have_filter(codes_count, features)) {
        new (packed.filter) FilterState(directions);
    }
}

bool make_filter_for(int64_t rows, PackedCodebook<const float> packed, int64_t codes_count, int64_t features) {
    if (!may_have_filter(codes_count, features)) {
        return false;
    }
    FilterState& state = filter_state(packed);
    if (state.ready.load(std::memory_order_acquire)) {
        return true;
    }
    if (state.rows.fetch_add(rows) + rows < least_filtered_rows || state.begun.exchange(true)) {
        return false;
    }
    const FilterKernels& filter = *kernels().filter;
    const int64_t panel_codes = kernels().panel.codes;
    parallel_ranges(panels_of(codes_count, panel_codes), panel_codes * features, [&](int64_t begin, int64_t end) {
        for (int64_t panel = begin; panel < end; ++panel) {
            filter.pack_panel(packed, codes_count, features, panel);
        }
    });
    state.ready.store(true, std::memory_order_release);
    return true;
}

}  // namespace vq4j
