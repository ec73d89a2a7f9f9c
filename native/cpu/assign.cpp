// The nearest code of every row: blocks of rows in parallel; isa/assign.hpp has the kernel.
#include "core/arguments.hpp"
#include "cpu/assign_blocks.hpp"
#include "cpu/codebook_filter.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/kernels.hpp"
#include "cpu/scratch.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

namespace vq4j {
namespace {

// Rows of a task. A block of rows whose products take longer than waking a thread is two tasks where it is the only one.
int64_t rows_of_task(int64_t rows, int64_t codes_count, int64_t features, int64_t rows_in_tile) {
    constexpr int64_t least_products = int64_t{1} << 22;
    const int64_t block = rows_in_block(features, rows_in_tile);
    if (rows > block || rows * codes_count * features < least_products) {
        return block;
    }
    const int64_t half = (rows + 1) / 2;
    return (half + rows_in_tile - 1) / rows_in_tile * rows_in_tile;
}

}  // namespace
}  // namespace vq4j

using namespace vq4j;

int32_t vq4j_cpu_assign(const float* rows, int64_t outer, int64_t inner, int64_t features, const void* packed,
    int64_t codes_count, int32_t* codes) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_codebook(codes_count, features);
        check_present({rows, packed, codes});
        const Kernels& table = kernels();
        const PackedCodebook<const float> view =
            packed_view(static_cast<const float*>(packed), codes_count, features, table.panel.codes);
        const int64_t block = rows_of_task(layout.rows(), codes_count, features, table.panel.rows);
        make_filter_for(layout.rows(), view, codes_count, features);
        const AssignRows assign = assign_kernel();
        FirstBad bad;
        parallel_for((layout.rows() + block - 1) / block, [&](int64_t i) {
            const Scratch<float> workspace(assign_workspace_floats(block, features));
            bad.note(assign({rows, layout}, view, codes_count, i * block,
                std::min(layout.rows(), (i + 1) * block), workspace.get(), codes));
        });
        bad.require_finite("z");
    });
}
