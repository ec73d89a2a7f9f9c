// How the assignment is cut: blocks of rows, a task each, against pieces of the codebook that stay in a core's
// second-level cache. Codes do not depend on it.
#ifndef VQ4J_CPU_ASSIGN_BLOCKS_HPP
#define VQ4J_CPU_ASSIGN_BLOCKS_HPP

#include "core/arithmetic.hpp"

namespace vq4j {

constexpr int64_t assign_block_rows = 96;          // at most; a multiple of every tile's rows, as is half of it
constexpr int64_t assign_block_floats = 48 << 10;  // of centred rows in a block at most, 192 KiB
constexpr int64_t assign_piece_floats = 1 << 16;   // of codes in a piece, 256 KiB

VQ4J_SHARED int64_t rows_in_block(int64_t features, int64_t rows_in_tile) {
    const int64_t rows = assign_block_floats / features;
    if (rows >= assign_block_rows / 2) {
        return rows >= 3 * assign_block_rows / 2 ? assign_block_rows : assign_block_rows / 2;
    }
    return rows < rows_in_tile ? rows_in_tile : rows / rows_in_tile * rows_in_tile;
}

// What the assignment of a block works in: its rows, up to whole vectors of them, and a vector that the last may write too
// much.
VQ4J_SHARED int64_t assign_workspace_floats(int64_t block_rows, int64_t features) {
    constexpr int64_t most_lanes = 16;
    return (block_rows + most_lanes - 1) / most_lanes * most_lanes * features + most_lanes;
}

VQ4J_SHARED int64_t panels_in_piece(int64_t features, int64_t panel_codes) {
    const int64_t panels = assign_piece_floats / (features * panel_codes);
    return panels < 1 ? 1 : panels;
}

}  // namespace vq4j

#endif
