// The nearest code of every row, with a bound by a few axes of the codebook (axes.hpp) before the canonical scores. The
// largest bound of each group of codes is found with rows in the lanes of vectors and codes broadcast, 3 vectors of rows x 4
// codes at a time: A + 1 fused multiply-adds and a maximum in the place of D and a comparison. Of each row the group of the
// largest bound is scored first, then those whose bound is not below that score. Bound by the multiply-adds of the bounds and
// by scoring a few groups a row.
#ifndef VQ4J_CPU_ISA_AXES_ASSIGN_HPP
#define VQ4J_CPU_ISA_AXES_ASSIGN_HPP

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "cpu/isa/axes.hpp"

namespace vq4j {
namespace {

constexpr int64_t bounded_piece = 128;  // groups
constexpr int bounded_tiles = 3;
constexpr int bounded_codes = 4;

// What a block knows of its rows, in tiles of a vector of rows.
struct RowsAlongAxes {
    alignas(64) float along[assign_block_rows * coordinates];  // [tiles][coordinates][rows of a tile]
    alignas(64) float doubt[assign_block_rows];                // F
    alignas(64) float score[assign_block_rows];                // the largest canonical score so far
    alignas(64) int32_t code[assign_block_rows];               // and its code
};

// The largest bounds of the groups begin ... end for the rows of some tiles: [tiles][groups][rows of a tile].
template <int tiles>
__attribute__((noinline)) void bound_groups(const CodebookAxes& found, const float* negative_h, const RowsAlongAxes& block,
    int64_t tile, int64_t begin, int64_t end, float (&bounds)[bounded_tiles][bounded_piece * lanes]) {
    for (int64_t group = begin; group < end; ++group) {
        for (int64_t part = 0; part < group_codes; part += bounded_codes) {
            const float* const starts = negative_h + group * group_codes + part;
            const float* codes = found.of_codes + group * coordinates * group_codes + part;
            const float* along = block.along + tile * coordinates * lanes;
            __asm__("" : "+r"(along));  // else the rows' vectors are kept, on the stack
            Floats bound[tiles][bounded_codes];
#pragma GCC unroll 4
            for (int i = 0; i < bounded_codes; ++i) {
#pragma GCC unroll 3
                for (int t = 0; t < tiles; ++t) {
                    bound[t][i] = all(starts[i]);
                }
            }
#pragma GCC unroll 9
            for (int a = 0; a < coordinates; ++a) {
                Floats row[tiles];
#pragma GCC unroll 3
                for (int t = 0; t < tiles; ++t) {
                    row[t] = load(along + (t * coordinates + a) * lanes);
                }
#pragma GCC unroll 4
                for (int i = 0; i < bounded_codes; ++i) {
                    const Floats code = all(codes[a * group_codes + i]);
#pragma GCC unroll 3
                    for (int t = 0; t < tiles; ++t) {
                        add_product(row[t], code, bound[t][i]);
                    }
                }
            }
#pragma GCC unroll 3
            for (int t = 0; t < tiles; ++t) {
                const Floats largest = larger(larger(bound[t][0], bound[t][1]), larger(bound[t][2], bound[t][3]));
                float* const of_group = bounds[t] + (group - begin) * lanes;
                store(of_group, part == 0 ? largest : larger(largest, load(of_group)));
            }
        }
    }
}

// Scores the groups first ... first + groups that may have the code of a row of a tile. Returns how many were scored.
VQ4J_SHARED int64_t score_groups_within(PackedCodebook<const float> packed, int64_t features, const float* columns,
    int64_t tile, int64_t rows, int64_t first, int64_t groups, float* bounds, RowsAlongAxes& block) {
    const int64_t row = tile * lanes;
    const auto least = [&] { return load(block.score + row) - load(block.doubt + row); };
    Floats best = all(nothing);
    Ints best_group = all(0);
    for (int64_t i = 0; i < groups; ++i) {
        take_better(load(bounds + i * lanes), all(static_cast<int32_t>(i)), best, best_group);
    }
    const uint32_t open = lanes_not_below(best, least()) & ((1u << rows) - 1);
    if (open == 0) {
        return 0;
    }
    alignas(64) int32_t nearest[lanes];
    store(nearest, best_group);
    CandidateQueue queue(packed, features, columns, block.score + row, block.code + row);
    for (uint32_t rest = open; rest != 0; rest &= rest - 1) {
        const int lane = __builtin_ctz(rest);
        queue.add(first + nearest[lane], lane);
        bounds[nearest[lane] * lanes + lane] = nothing;  // is scored
    }
    queue.score();

    using LaneBits = std::conditional_t<lanes == 16, uint16_t, uint8_t>;
    constexpr int64_t groups_of_word = sizeof(uint64_t) / sizeof(LaneBits);
    LaneBits admitted[bounded_piece + groups_of_word] = {};
    const Floats limit = least();
    for (int64_t i = 0; i < groups; ++i) {
        admitted[i] = static_cast<LaneBits>(lanes_not_below(load(bounds + i * lanes), limit) & open);
    }
    for (int64_t i = 0; i < groups; i += groups_of_word) {
        uint64_t rest;
        std::memcpy(&rest, admitted + i, sizeof rest);
        for (; rest != 0; rest &= rest - 1) {
            const int64_t at = i * lanes + __builtin_ctzll(rest);
            const int64_t lane = at % lanes;
            // The limit has risen with the scores since.
            if (!(bounds[at] < block.score[row + lane] - block.doubt[row + lane])) {
                queue.add(first + at / lanes, static_cast<int>(lane));
            }
        }
    }
    queue.score();
    return queue.scored();
}

// As assign. Notes whether scoring took most of what the bounds saved.
int64_t assign_by_axes(Rows rows, PackedCodebook<const float> packed, const CodebookAxes& found, float slack,
    int64_t codes_count, int64_t begin, int64_t end, float* workspace, int32_t* codes, bool& costs_too_much) {
    const int64_t features = rows.layout.features;
    const int64_t count = end - begin;
    const int64_t groups = panels_of(codes_count, tile_codes) * groups_of_panel;
    float radius = 0.0f;
    for (int64_t group = 0; group < groups; ++group) {
        radius = found.radii[group] > radius ? found.radii[group] : radius;
    }
    const int64_t tiles = (count + lanes - 1) / lanes;
    const auto rows_of = [=](int64_t tile) { return count - tile * lanes < lanes ? count - tile * lanes : lanes; };
    RowsAlongAxes block;
    for (int64_t tile = 0; tile < tiles; ++tile) {
        float* const columns = workspace + tile * lanes * features;
        if (!centre_rows(rows, packed.centre, begin + tile * lanes, rows_of(tile), lanes, columns)) {
            return first_not_finite(rows.data, rows.layout, begin, end);
        }
        const Coordinates of = coordinates_of(columns, lanes, features, found.directions);
        for (int a = 0; a < coordinates; ++a) {
            store(block.along + (tile * coordinates + a) * lanes, of.values[a]);
        }
        // Above what lengths, scores and their parts are made of.
        const Floats most = all(radius) + of.length;
        store(block.doubt + tile * lanes, where_at_most(all(16.0f) * most * most, 0x1p126f,
            all(slack * radius) * most * all(round_up), all(HUGE_VALF)));
        store(block.score + tile * lanes, all(nothing));
        store(block.code + tile * lanes, all(0));
    }

    alignas(64) float bounds[bounded_tiles][bounded_piece * lanes];
    int64_t scored = 0;
    for (int64_t first = 0; first < groups; first += bounded_piece) {
        const int64_t last = first + bounded_piece < groups ? first + bounded_piece : groups;
        for (int64_t tile = 0; tile < tiles; tile += bounded_tiles) {
            const int64_t at_once = tiles - tile < bounded_tiles ? tiles - tile : bounded_tiles;
            (at_once == 1 ? bound_groups<1> : at_once == 2 ? bound_groups<2> : bound_groups<3>)(
                found, packed.negative_h, block, tile, first, last, bounds);
            for (int64_t t = tile; t < tile + at_once; ++t) {
                scored += score_groups_within(packed, features, workspace + t * lanes * features, t, rows_of(t), first,
                    last - first, bounds[t - tile], block);
            }
        }
    }
    std::copy_n(block.code, count, codes + begin);
    // In products of a vector each, as measured.
    const int64_t saved = groups * (features - 11) - features * axes / 2 - 150;
    costs_too_much = scored * (2 * features + 40) > count * saved;
    return no_bad_row;
}

}  // namespace
}  // namespace vq4j

#endif
