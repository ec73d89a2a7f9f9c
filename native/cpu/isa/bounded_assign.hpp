// The assignment of a Lloyd iteration: as assign, but only the scores are computed that the bounds of the last
// iteration leave open (bounded_codebook.hpp has the bounds and their proof).
//
// A block's rows are measured against their own code, tested against all groups of codes, and listed at the groups
// that stay open; open rows are centred once. Then each panel of codes meets its rows in tiles of 6 rows x 2 vectors
// of codes, as in assign, the rows read through pointers, so that nothing is gathered. The largest score of a row in a
// group becomes its new bound. A row's own group is scored whenever any of its groups is, so that bounds never include
// the row's code. Memory: the rows once and a float for each row and group; else bound by the FMA units on the open
// pairs.
#ifndef VQ4J_CPU_ISA_BOUNDED_ASSIGN_HPP
#define VQ4J_CPU_ISA_BOUNDED_ASSIGN_HPP

#include "cpu/bounded_codebook.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/isa/assign.hpp"
#include "cpu/isa/rows.hpp"
#include "cpu/isa/runs.hpp"

namespace vq4j {
namespace {

constexpr float lowest = -std::numeric_limits<float>::infinity();

// The rows of a block with scores to be taken, one after the other.
struct OpenRows {
    float* centred;  // [open rows][D]
    float* bounds;   // [block rows][groups]
    int64_t groups;
    int32_t rows = 0;
    int16_t row[bounded_block_rows];  // its place in the block
    uint32_t scored[bounded_block_rows];  // a bit for each group
    float best_score[bounded_block_rows];
    int32_t best_code[bounded_block_rows];
    int32_t best_group[bounded_block_rows];
    int32_t listed_rows[most_groups] = {};
    int16_t listed[most_groups][bounded_block_rows];

    OpenRows(float* workspace, float* block_bounds, int64_t groups_count)
        : centred(workspace), bounds(block_bounds), groups(groups_count) {}

    void add(int64_t place, uint32_t open) {
        const int32_t r = rows++;
        row[r] = static_cast<int16_t>(place);
        scored[r] = open;
        best_score[r] = lowest;
        best_code[r] = 0;
        best_group[r] = -1;
        for (uint32_t left = open; left != 0; left &= left - 1) {
            const int group = __builtin_ctz(left);
            listed[group][listed_rows[group]++] = static_cast<int16_t>(r);
            bounds[place * groups + group] = lowest;
        }
    }

    // A row's bound of a group is its largest score there, while scores are taken; the row's best code does not count.
    void raise_bound(int64_t r, int64_t group, float score) {
        float& bound = bounds[row[r] * groups + group];
        bound = score > bound ? score : bound;
    }
};

// The groups whose bounds, lowered by the drifts, do not decide; see 3. of the proof. R^2 is rounded before the slack
// makes it small, here and below, so that it is infinite where a score may overflow.
VQ4J_SHARED uint32_t open_groups(const BoundedCodebook& codebook, float squared_distance_to_own, float* bounds) {
    const float u = distance_from_above(squared_distance_to_own, codebook.slack);
    const float reach = (u + 2.0f * codebook.radius) * (1.0f + 64.0f * rounding_unit);
    const float u_and_rounding = u + 3.0f * rounding_unit * reach;
    const float least = 4.0f * codebook.slack * (reach * reach) + underflow_slack;
    uint32_t open = 0;
    for (int64_t g = 0; g < codebook.groups; ++g) {
        const float l = (bounds[g] - codebook.drifts[g]) * round_down;
        bounds[g] = l;
        const float gap = l - u_and_rounding;
        const bool decides = gap > 0.0f && gap * (l + u) > least;
        open |= static_cast<uint32_t>(!decides) << g;
    }
    return open;
}

// Largest scores to distances; see 4. of the proof.
VQ4J_SHARED void bounds_from_scores(const BoundedCodebook& codebook, float squared_length_of_row, uint32_t scored,
    float* bounds) {
    const float length = distance_from_above(squared_length_of_row, codebook.slack);
    const float reach = length + codebook.radius;
    const float rounding = 2.0f * rounding_unit * reach;
    const float slack = 2.0f * codebook.slack * (reach * reach) + underflow_slack;
    for (int64_t g = 0; g < codebook.groups; ++g) {
        const float squared = squared_length_of_row - 2.0f * bounds[g] - slack;
        const float l = (sqrtf(squared > 0.0f ? squared : 0.0f) - rounding) * round_down;
        bounds[g] = (scored >> g & 1u) != 0 ? l : bounds[g];
    }
}

// Where the search for a row's best score starts: not above the score of its own code, by 2. of the proof, so that most
// panels cannot hold the best one.
VQ4J_SHARED void start_search(const BoundedCodebook& codebook, float squared_length_of_row,
    float squared_distance_to_own, int64_t r, OpenRows& open) {
    const float u = distance_from_above(squared_distance_to_own, codebook.slack);
    const float reach = (u + 2.0f * codebook.radius) * (1.0f + 64.0f * rounding_unit);
    const float distance = u + 2.0f * rounding_unit * reach;
    const float start =
        0.5f * (squared_length_of_row - distance * distance) - 2.0f * codebook.slack * (reach * reach) - underflow_slack;
    if (is_finite(start)) {
        open.best_score[r] = start;
        open.best_code[r] = std::numeric_limits<int32_t>::max();
    }
}

// A row's scores against a panel that has its best score so far.
void take_best(const Floats (&scores)[2], float largest, const int32_t* codes, int64_t group, int64_t r,
    OpenRows& open) {
    const uint32_t places = lanes_equal(scores[0], largest) | lanes_equal(scores[1], largest) << lanes;
    const int place = __builtin_ctz(places);
    if (!beats(largest, codes[place], open.best_score[r], open.best_code[r])) {
        open.raise_bound(r, group, largest);
        return;
    }
    if (open.best_group[r] >= 0) {
        open.raise_bound(r, open.best_group[r], open.best_score[r]);
    }
    const bool twice = (places & (places - 1)) != 0;
    open.raise_bound(r, group, twice ? largest
                                     : largest_lane(larger(without(scores[0], largest, all(lowest)),
                                           without(scores[1], largest, all(lowest)))));
    open.best_score[r] = largest;
    open.best_code[r] = codes[place];
    open.best_group[r] = static_cast<int32_t>(group);
}

template <int rows_in_tile>
void score_open_rows(const BoundedCodebook& codebook, int64_t features, int64_t panel, const int16_t* listed,
    OpenRows& open) {
    const int64_t first_code = panel * tile_codes;
    const float* codes = codebook.packed.codes + first_code * features;
    const float* row[rows_in_tile];
    Floats sum[rows_in_tile][2];  // in registers, as in score_panels
#pragma GCC unroll 6
    for (int r = 0; r < rows_in_tile; ++r) {
        row[r] = open.centred + listed[r] * features;
        sum[r][0] = load(codebook.packed.negative_h + first_code);
        sum[r][1] = load(codebook.packed.negative_h + first_code + lanes);
    }
    for (int64_t d = 0; d < features; ++d) {
        const Floats c0 = load(codes);
        const Floats c1 = load(codes + lanes);
#pragma GCC unroll 6
        for (int r = 0; r < rows_in_tile; ++r) {
            const Floats z = all(row[r][d]);
            add_product(z, c0, sum[r][0]);
            add_product(z, c1, sum[r][1]);
        }
        codes += tile_codes;
    }
    Floats score[rows_in_tile][2];
#pragma GCC unroll 6
    for (int r = 0; r < rows_in_tile; ++r) {
        score[r][0] = larger(sum[r][0], all(lowest));  // NaN never wins
        score[r][1] = larger(sum[r][1], all(lowest));
    }
    const int64_t group = panel / codebook.group_panels;
    for (int r = 0; r < rows_in_tile; ++r) {
        const float largest = largest_lane(larger(score[r][0], score[r][1]));
        if (largest >= open.best_score[listed[r]]) {
            take_best(score[r], largest, codebook.codes + first_code, group, listed[r], open);
        } else {
            open.raise_bound(listed[r], group, largest);
        }
    }
}

using ScoreOpenRows = void (*)(const BoundedCodebook&, int64_t, int64_t, const int16_t*, OpenRows&);
constexpr ScoreOpenRows open_row_tiles[tile_rows] = {score_open_rows<1>, score_open_rows<2>, score_open_rows<3>,
    score_open_rows<4>, score_open_rows<5>, score_open_rows<6>};

// Finds the open rows of the block and centres them. Returns false when one is not finite.
bool open_rows(Rows rows, const BoundedCodebook& codebook, bool first, int64_t begin, int64_t end, const int32_t* codes,
    const float* distances, OpenRows& open) {
    const int64_t features = rows.layout.features;
    const float* const centre = codebook.packed.centre;
    return by_stride(rows.layout, [&](auto stride) {
        bool finite = true;
        for (int64_t n = begin; n < end; ++n) {
            uint32_t groups = codebook.groups == most_groups ? ~0u : (1u << codebook.groups) - 1u;
            if (!first) {
                groups = open_groups(codebook, distances[n], open.bounds + (n - begin) * codebook.groups);
                if (groups == 0) {
                    continue;
                }
                groups |= 1u << codebook.group_of[codes[n]];
            }
            finite &= centre_row(rows.row(n), stride, features, centre, open.centred + open.rows * features);
            open.add(n - begin, groups);
        }
        return finite;
    });
}

// Rows begin ... end, at most a block: their codes, their squared distances to them, and their bounds, N x groups; the
// first time neither is known. open_pairs is how many groups were open, summed over the rows. The workspace holds the
// block's centred rows.
int64_t assign_bounded(Rows rows, const BoundedCodebook& codebook, bool first, int64_t begin, int64_t end,
    float* workspace, int32_t* codes, float* distances, float* bounds, int64_t* open_pairs) {
    const int64_t features = rows.layout.features;
    OpenRows open(workspace, bounds + begin * codebook.groups, codebook.groups);
    if (!first) {
        squared_distances(rows, codebook.codebook, codes, begin, end, distances);
    }
    if (!open_rows(rows, codebook, first, begin, end, codes, distances, open)) {
        return first_not_finite(rows.data, rows.layout, begin, end);
    }
    float squared[bounded_block_rows];
    for_each_block({open.rows, 1, features}, 0, open.rows, [&](int64_t r, int64_t count) {
        squared_lengths({workspace, {open.rows, 1, features}}, r, count, squared + r);
    });
    for (int64_t r = 0; !first && r < open.rows; ++r) {
        start_search(codebook, squared[r], distances[begin + open.row[r]], r, open);
    }
    *open_pairs = 0;
    for (int64_t g = 0; g < codebook.groups; ++g) {
        *open_pairs += open.listed_rows[g];
    }
    for (int64_t panel = 0; panel < codebook.panels; ++panel) {
        const int64_t group = panel / codebook.group_panels;
        const int64_t count = open.listed_rows[group];
        for (int64_t i = 0; i < count; i += tile_rows) {
            const int64_t rows_in_tile = count - i < tile_rows ? count - i : tile_rows;
            open_row_tiles[rows_in_tile - 1](codebook, features, panel, open.listed[group] + i, open);
        }
    }
    for (int64_t r = 0; r < open.rows; ++r) {
        const int64_t n = begin + open.row[r];
        bounds_from_scores(codebook, squared[r], open.scored[r], bounds + n * codebook.groups);
        if (!first && codes[n] != open.best_code[r]) {
            codes[n] = open.best_code[r];
            squared_distances(rows, codebook.codebook, codes, n, n + 1, distances);
        }
    }
    if (first) {
        memcpy(codes + begin, open.best_code, static_cast<size_t>(end - begin) * sizeof *codes);
        squared_distances(rows, codebook.codebook, codes, begin, end, distances);
    }
    return no_bad_row;
}

}  // namespace
}  // namespace vq4j

#endif
