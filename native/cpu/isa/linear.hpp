// Linear maps of rows, and the gradient of their weights.
//
// The map: rows in tiles of assign.hpp, the weights packed as if they were codes, with centre 0 and the bias in the place of
// -h, whose scores are the outputs. A panel of weights is in the first-level cache while the rows of a block go by. Bound by
// the FMA units.
//
// The gradient, of one chunk of rows: 8 outputs x a vector of features in registers over all rows, whose stripe of a vector's
// width stays in the first-level cache for all outputs. Bound by the loads, 9 for 8 fused multiply-adds.
#ifndef VQ4J_CPU_ISA_LINEAR_HPP
#define VQ4J_CPU_ISA_LINEAR_HPP

#include "cpu/isa/assign.hpp"
#include "cpu/isa/blocks.hpp"

namespace vq4j {
namespace {

// The outputs of a panel for rows of a block.
struct PanelOutputs {
    float values[assign_block_rows][tile_codes];

    // Puts the outputs first ... first + count of `rows` rows from row n on where they belong.
    void put(Layout layout, int64_t n, int64_t rows, int64_t first, int64_t count, float* out) const {
        if (layout.inner == 1) {
            for (int64_t r = 0; r < rows; ++r) {
                memcpy(out + layout.offset(n + r) + first, values[r], static_cast<size_t>(count) * sizeof(float));
            }
            return;
        }
        for_each_run(layout, n, n + rows, rows, [&](int64_t run, int64_t run_rows) {
            for (int64_t o = 0; o < count; ++o) {
                float* const line = out + layout.offset(run) + (first + o) * layout.inner;
                for (int64_t r = 0; r < run_rows; ++r) {
                    line[r] = values[run - n + r][o];
                }
            }
        });
    }
};

template <int rows_in_tile>
void map_tile(const float* tile, int64_t features, const PackedCodebook<const float>& packed, int64_t panel, int64_t first_row,
    PanelOutputs& outputs) {
    Floats score[rows_in_tile][2];
    score_panels(tile, features, packed, panel, score);
    for (int r = 0; r < rows_in_tile; ++r) {
        store(outputs.values[first_row + r], score[r][0]);
        store(outputs.values[first_row + r] + lanes, score[r][1]);
    }
}

using MapTile = void (*)(const float*, int64_t, const PackedCodebook<const float>&, int64_t, int64_t, PanelOutputs&);
constexpr MapTile map_tiles[tile_rows] = {map_tile<1>, map_tile<2>, map_tile<3>, map_tile<4>, map_tile<5>, map_tile<6>};

// Rows begin ... end, at most a block. The workspace holds the block's tiles.
int64_t linear(Rows rows, PackedCodebook<const float> packed, int64_t out_features, int64_t begin, int64_t end,
    float* workspace, float* out) {
    const int64_t features = rows.layout.features;
    const Layout out_layout{rows.layout.outer, rows.layout.inner, out_features};
    const int64_t count = end - begin;
    const int64_t bad = pack_tiles(rows, packed.centre, begin, end, workspace);
    if (bad != no_bad_row) {
        return bad;
    }
    PanelOutputs outputs;
    for (int64_t panel = 0; panel < panels_of(out_features, tile_codes); ++panel) {
        for (int64_t r = 0; r < count; r += tile_rows) {
            const int64_t rows_in_tile = count - r < tile_rows ? count - r : tile_rows;
            map_tiles[rows_in_tile - 1](workspace + r * features, features, packed, panel, r, outputs);
        }
        const int64_t first = panel * tile_codes;
        const int64_t left = out_features - first;
        outputs.put(out_layout, begin, count, first, left < tile_codes ? left : tile_codes, out);
    }
    return no_bad_row;
}

// The rows begin ... end as a row-major matrix: where they lie, or copied.
const float* row_major(Rows rows, int64_t begin, int64_t end, float* copy) {
    const Layout layout = rows.layout;
    if (layout.inner == 1) {
        return rows.row(begin);
    }
    for_each_run(layout, begin, end, end - begin, [=](int64_t run, int64_t run_rows) {
        const float* const corner = rows.row(run);
        transpose_lines<false>([=](int64_t d, int64_t i) { return corner + d * layout.inner + i; }, layout.features,
            run_rows, copy + (run - begin) * layout.features, layout.features);
    });
    return copy;
}

constexpr int64_t outputs_at_once = 8;

// sums[o][i] of `count` outputs and a vector of features.
template <typename Access>
VQ4J_SHARED void sum_products(const float* z, int64_t features, const float* g, int64_t out_features, int64_t rows,
    int64_t count, Access access, float* sums) {
    Floats total[outputs_at_once];
#pragma GCC unroll 8
    for (int64_t o = 0; o < outputs_at_once; ++o) {
        total[o] = all(0.0f);
    }
    if (count == outputs_at_once) {
        for (int64_t n = 0; n < rows; ++n) {
            const Floats x = access.load(z + n * features);
#pragma GCC unroll 8
            for (int64_t o = 0; o < outputs_at_once; ++o) {
                total[o] = multiply_add(all(g[n * out_features + o]), x, total[o]);
            }
        }
#pragma GCC unroll 8
        for (int64_t o = 0; o < outputs_at_once; ++o) {
            access.store(sums + o * features, total[o]);
        }
        return;
    }
    Floats few[outputs_at_once];  // not total, so that that stays in registers
    for (int64_t o = 0; o < count; ++o) {
        few[o] = all(0.0f);
    }
    for (int64_t n = 0; n < rows; ++n) {
        const Floats x = access.load(z + n * features);
        for (int64_t o = 0; o < count; ++o) {
            few[o] = multiply_add(all(g[n * out_features + o]), x, few[o]);
        }
    }
    for (int64_t o = 0; o < count; ++o) {
        access.store(sums + o * features, few[o]);
    }
}

// Of the rows begin ... end, a chunk. The workspaces hold the chunk as a matrix, unless its rows lie as one.
void sum_linear_gradients(Rows rows, Rows grad, int64_t begin, int64_t end, float* rows_workspace, float* grad_workspace,
    float* weight_sums, float* bias_sums) {
    const int64_t features = rows.layout.features;
    const int64_t out_features = grad.layout.features;
    const float* const z = row_major(rows, begin, end, rows_workspace);
    const float* const g = row_major(grad, begin, end, grad_workspace);
    for_each_vector(features, [=](int64_t i, auto access) {
        for (int64_t o = 0; o < out_features; o += outputs_at_once) {
            const int64_t count = out_features - o < outputs_at_once ? out_features - o : outputs_at_once;
            sum_products(z + i, features, g + o, out_features, end - begin, count, access, weight_sums + o * features + i);
        }
    });
    for_each_vector(out_features, [=](int64_t o, auto access) {
        Floats total = all(0.0f);
        for (int64_t n = 0; n < end - begin; ++n) {
            total = total + access.load(g + n * out_features + o);
        }
        access.store(bias_sums + o, total);
    });
}

}  // namespace
}  // namespace vq4j

#endif
