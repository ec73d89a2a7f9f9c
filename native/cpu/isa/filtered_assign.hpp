// The nearest code of every row, with a filter before the canonical scores where the codebook has one: by axes, or else by
// bytes. A filter never judges: it rules out codes by a bound, and the others are scored as in assign.hpp.
#ifndef VQ4J_CPU_ISA_FILTERED_ASSIGN_HPP
#define VQ4J_CPU_ISA_FILTERED_ASSIGN_HPP

#include "cpu/isa/axes_assign.hpp"
#include "cpu/isa/bytes_assign.hpp"

namespace vq4j {
namespace {

// The filters' memory: the state, what is of bytes, what is of axes.
CodebookBytes bytes_of(PackedCodebook<const float> packed, int64_t codes_count, int64_t features) {
    return codebook_bytes(packed.filter + filter_state_floats, codes_count, features);
}

CodebookAxes axes_of(PackedCodebook<const float> packed, int64_t codes_count, int64_t features) {
    const int64_t bytes_floats = bytes_pay(codes_count, features) ? bytes_of(packed, codes_count, features).floats : 0;
    return codebook_axes(packed.filter + filter_state_floats + bytes_floats, codes_count, features);
}

int64_t filter_floats(int64_t codes_count, int64_t features) {
    const int64_t of_bytes = bytes_pay(codes_count, features) ? codebook_bytes(nullptr, codes_count, features).floats : 0;
    const int64_t of_axes = axes_may_pay(codes_count, features) ? codebook_axes(nullptr, codes_count, features).floats : 0;
    return of_bytes + of_axes == 0 ? 0 : filter_state_floats + of_bytes + of_axes;
}

bool may_have_bytes(int64_t codes_count, int64_t features) { return bytes_pay(codes_count, features); }

bool may_have_axes(int64_t codes_count, int64_t features) { return axes_may_pay(codes_count, features); }

void pack_bytes_panel(PackedCodebook<const float> packed, int64_t codes_count, int64_t features, int64_t panel) {
    pack_bytes_panel(packed, features, panel, bytes_of(packed, codes_count, features));
}

float find_axes(PackedCodebook<const float> packed, int64_t codes_count, int64_t features) {
    return find_axes(packed, codes_count, features, axes_of(packed, codes_count, features));
}

void pack_axes_panel(PackedCodebook<const float> packed, int64_t codes_count, int64_t features, int64_t panel) {
    pack_axes_panel(packed, features, panel, axes_of(packed, codes_count, features));
}

int64_t assign_filtered(Rows rows, PackedCodebook<const float> packed, int64_t codes_count, int64_t begin, int64_t end,
    float* workspace, int32_t* codes) {
    const int64_t features = rows.layout.features;
    const bool of_axes = axes_may_pay(codes_count, features);
    const bool of_bytes = bytes_pay(codes_count, features);
    if ((of_axes || of_bytes) && end - begin >= lanes / 2) {
        FilterState& state = filter_state(packed);
        bool costs_too_much = false;
        if (of_axes && state.axes.serves()) {
            const int64_t bad = assign_by_axes(rows, packed, axes_of(packed, codes_count, features), state.axes_slack,
                codes_count, begin, end, workspace, codes, costs_too_much);
            state.axes.note_block(costs_too_much);
            return bad;
        }
        if (of_bytes && state.bytes.serves()) {
            const int64_t bad = assign_by_bytes(rows, packed, bytes_of(packed, codes_count, features), state.directions,
                codes_count, begin, end, workspace, codes, costs_too_much);
            state.bytes.note_block(costs_too_much);
            return bad;
        }
    }
    return assign(rows, packed, codes_count, begin, end, workspace, codes);
}

constexpr FilterKernels filter_kernels = {filter_floats, may_have_bytes, may_have_axes, pack_bytes_panel, find_axes,
    pack_axes_panel, assign_filtered, pairs_for_an_open_one};

}  // namespace
}  // namespace vq4j

#endif
