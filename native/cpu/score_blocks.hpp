// The blocks of rows that operations score against a packed codebook, a task each.
#ifndef VQ4J_CPU_SCORE_BLOCKS_HPP
#define VQ4J_CPU_SCORE_BLOCKS_HPP

#include <algorithm>

#include "cpu/assign_blocks.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/input_rows.hpp"
#include "cpu/kernels.hpp"
#include "cpu/scratch.hpp"
#include "cpu/thread_pool.hpp"

namespace vq4j {

// score(rows, begin, end, workspace) for blocks of the rows, in parallel; it returns the block's first bad row, or
// no_bad_row. Throws for the first of all.
template <typename Score>
void score_blocks(const InputRows& input, Score score) {
    const Layout layout = input.layout();
    const int64_t block = rows_in_block(layout.features, kernels().panel.rows);
    FirstBad bad;
    parallel_for((layout.rows() + block - 1) / block, [&](int64_t i) {
        const int64_t begin = i * block;
        const int64_t end = std::min(layout.rows(), begin + block);
        const Scratch<float> workspace(assign_workspace_floats(block, layout.features));
        bad.note(score(input.with(begin, end), begin, end, workspace.get()));
    });
    bad.require_finite("z");
}

}  // namespace vq4j

#endif
