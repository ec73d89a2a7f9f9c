// When a packed codebook gets its filters. Making one reads the panels once and writes at most as much again.
#include "cpu/codebook_filter.hpp"

#include <cmath>
#include <new>

#include "core/arguments.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

namespace vq4j {
namespace {

std::atomic<bool> filters_are_allowed{true};

// Whether the kernels in use have filters, and may use them.
bool uses_filters() {
    return kernels().filter != nullptr && filters_are_allowed.load(std::memory_order_relaxed);
}

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

AssignRows assign_kernel() {
    return uses_filters() ? kernels().filter->assign : kernels().assign;
}

bool make_filter_for(int64_t rows, PackedCodebook<const float> packed, int64_t codes_count, int64_t features) {
    if (!uses_filters() || !may_have_filter(codes_count, features)) {
        return false;
    }
    const FilterKernels& filter = *kernels().filter;
    FilterState& state = filter_state(packed);
    const bool lacks_axes = filter.may_have_axes(codes_count, features) && !state.axes.is_begun();
    const bool lacks_bytes = filter.may_have_bytes(codes_count, features) && !state.bytes.is_begun();
    const auto serves_by_axes = [&] { return state.axes.is_ready() && !state.axes.rests(); };
    // Once there is nothing to be made, calls do not write what threads share.
    if (lacks_axes || (lacks_bytes && !serves_by_axes())) {
        const int64_t panel_codes = kernels().panel.codes;
        const auto for_each_panel = [&](auto pack) {
            parallel_ranges(panels_of(codes_count, panel_codes), panel_codes * features, [&](int64_t begin, int64_t end) {
                for (int64_t panel = begin; panel < end; ++panel) {
                    pack(packed, codes_count, features, panel);
                }
            });
        };
        const int64_t rows_so_far = state.rows.fetch_add(rows) + rows;
        if (lacks_axes && rows_so_far >= least_pairs_of_axes / codes_count && state.axes.begin()) {
            state.axes_slack = filter.find_axes(packed, codes_count, features);
            if (state.axes_slack < HUGE_VALF) {
                for_each_panel(filter.pack_axes_panel);
                state.axes.finish();
            }
        }
        if (lacks_bytes && !serves_by_axes() && rows_so_far >= least_rows_of_bytes && state.bytes.begin()) {
            for_each_panel(filter.pack_bytes_panel);
            state.bytes.finish();
        }
    }
    return serves_by_axes() || state.bytes.is_ready();
}

}  // namespace vq4j

using namespace vq4j;

int32_t vq4j_cpu_set_filters(int32_t allowed) {
    return guarded([&] {
        if (allowed != 0 && allowed != 1) {
            invalid("need 1 or 0 for whether filters are allowed, got " + std::to_string(allowed));
        }
        filters_are_allowed = allowed == 1;
    });
}
