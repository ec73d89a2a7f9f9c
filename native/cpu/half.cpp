// 16-bit tensors: assignment of their rows, and conversion. A block of rows becomes fp32 in the caches, then is assigned as
// any other: the N x D numbers stand in memory as fp32 only where that is asked for.
#include "core/arguments.hpp"
#include "cpu/assign_blocks.hpp"
#include "cpu/codebook_filter.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/kernels.hpp"
#include "cpu/scratch.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

using namespace vq4j;

int32_t vq4j_cpu_assign_half(const uint16_t* rows, int32_t type, int64_t outer, int64_t inner, int64_t features,
    const void* packed, int64_t codes_count, int32_t* codes, float* widened) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_codebook(codes_count, features);
        check_half_type(type);
        check_present({rows, packed, codes});
        if (widened != nullptr && inner > 1) {
            // The blocks are row-major, what is asked for is not.
            require_ok(vq4j_cpu_widen(rows, type, layout.rows() * features, widened));
            require_ok(vq4j_cpu_assign(widened, outer, inner, features, packed, codes_count, codes));
            return;
        }
        const Kernels& table = kernels();
        const PackedCodebook<const float> view =
            packed_view(static_cast<const float*>(packed), codes_count, features, table.panel.codes);
        const int64_t block = rows_in_block(features, table.panel.rows);
        make_filter_for(layout.rows(), view, codes_count, features);
        const AssignRows assign = assign_kernel();
        FirstBad bad;
        parallel_for((layout.rows() + block - 1) / block, [&](int64_t i) {
            const int64_t begin = i * block;
            const int64_t end = std::min(layout.rows(), begin + block);
            const Scratch<float> own(widened == nullptr ? block * features : 1);
            float* const floats = widened == nullptr ? own.get() : widened + begin * features;
            const Scratch<float> workspace(assign_workspace_floats(block, features));
            table.widen_rows(rows, type, layout, begin, end, floats);
            const int64_t first_bad = assign(
                {floats, {end - begin, 1, features}}, view, codes_count, 0, end - begin, workspace.get(), codes + begin);
            bad.note(first_bad == no_bad_row ? no_bad_row : begin + first_bad);
        });
        bad.require_finite("z");
    });
}

int32_t vq4j_cpu_widen(const uint16_t* values, int32_t type, int64_t count, float* out) {
    return guarded([&] {
        check_sizes({{"count", count}});
        check_half_type(type);
        check_present({values, out});
        const Kernels& table = kernels();
        parallel_ranges(count, 1, [&](int64_t begin, int64_t end) {
            table.widen(values + begin, type, end - begin, out + begin);
        });
    });
}

int32_t vq4j_cpu_narrow(const float* values, int64_t count, int32_t type, uint16_t* out) {
    return guarded([&] {
        check_sizes({{"count", count}});
        check_half_type(type);
        check_present({values, out});
        const Kernels& table = kernels();
        parallel_ranges(count, 1, [&](int64_t begin, int64_t end) {
            table.narrow(values + begin, end - begin, type, out + begin);
        });
    });
}
