// The nearest code of every row, with a filter before the canonical scores: rows and codes are rounded to bytes, whose
// products are summed four a lane (filter_words.hpp). The filter never judges: it names groups of codes, a vector each, one
// of which may have the largest canonical score, and those are scored as in assign.hpp. On trained codebooks that is one
// or two groups a row, or none.
//
// The bound. z and c are a centred row and code, a and b what they are rounded to, scale * (whole numbers of at most 127);
// e = 2^-24, f = score_slack(D) = (2 D + 34) e, Z >= |z|, r >= |z - a|, E >= |c - b| for the codes of a group, s* the
// canonical score of some code. The canonical score s of c, a chain of D fused multiply-adds from -h, is within
// f / 2 |c| (|c| + Z) of z.c - |c|^2 / 2.
// 1. Let d^2 = Z^2 - 2 s*, or 0 if that is less, and M = Z + d. A code with s >= s* has |c| < 2 M: at 2 M its score is at
//    most -2 M d + 3 f M^2, less than s* >= M (Z - d) / 2, and falls with |c|.
// 2. So |z - c|^2 = |z|^2 - 2 (z.c - |c|^2 / 2) <= d^2 + 6 f M^2 =: g^2, and |a - b| <= |z - c| + r + E <= g + r + E.
// 3. The filter computes |a|^2 - 2 (I + p q) scale_c scale_r. I = a.b without the scales is exact, at most 127^2 D < 2^24,
//    and on the way to it 255 * 127 * D < 2^31; so are the sums of squares in |a|^2 and in p = -|b|^2 / 2 / scale_c.
//    q = 1 / scale_r. What is rounded is off by less than 160 e M^2, as rounding to 8 bits moves no number by more than
//    itself: |a| <= 2 Z, |b| <= 4 M. This is added to g^2.
// 4. Where codes are much shorter than rows another bound is nearer: s* <= s <= z.c - |c|^2 / 2 + f / 2 C (C + Z) and
//    |z.c - a.b| = |(z - a).b + z.(c - b)| <= r (C + E) + Z E for the longest code C and the largest E of all, so that
//    a.b - |b|^2 / 2 >= s* - W with W = r (C + E) + (Z + C + E) E + (f + 64 e) (Z + C)^2.
// A group loses whose smallest computed distance is above g + r + E or what 4. allows, whatever its codes are; NaN never
// loses. Before there is a score, the nearest group's distance d' does: there is a code with |z - c| <= d' + r + E, and
// s* at least a.b - |b|^2 / 2 - W. Where that leaves no other group, and no other code of the group, nothing is scored.
//
// Codes that are directions have h = 0 and lengths near 1, at most C. There, rows are taken times 1 / Z, which changes no
// order; d^2 = Z^2 + C^2 - 2 s* then, M = Z + d + C, and W has (C + E)^2 / 2 more. Nothing is decided without scores.
//
// Lengths are measured with a relative error below that of a sum of D products and taken from above (2^-50 is added where
// squares underflow, so that 256 e M^2 >= 2^-116 is more than anything that underflows here). q p does not overflow, as
// the scale of a row is at least 2^-40 of the longest code. Where lengths or scores might, Z is infinite and every group
// is scored.
//
// A tile is a vector of rows, a row a lane. AVX-512 takes one tile x 16 codes, 16 accumulators, with one load of rows and
// 16 broadcasts of codes for 16 products; AVX2 two tiles x 4 codes. Then a conversion, a multiply-add and a maximum for each
// sum, and what is left is one number for a row and a group. Bound by the integer products and those three: D / 4 + 3
// instructions in the place of D + 3, on AVX2 5 D / 8 + 3.
#ifndef VQ4J_CPU_ISA_BYTES_ASSIGN_HPP
#define VQ4J_CPU_ISA_BYTES_ASSIGN_HPP

#include "cpu/codebook_filter.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/isa/blocks.hpp"
#include "cpu/isa/filter_groups.hpp"

namespace vq4j {
namespace {

constexpr int64_t filter_piece = 64;  // groups
constexpr int64_t most_filtered_features = 1024;

// Whether the filter is faster than scoring everything; measured on normal data, which has the most candidates. With
// fewer codes the rounding of the rows costs what it saves.
VQ4J_SHARED bool bytes_pay(int64_t codes_count, int64_t features) {
    return features >= least_filtered_features && features <= most_filtered_features &&
           codes_count >= least_filtered_codes && codes_count * features >= least_filtered_values;
}

// Of a group of codes.
struct GroupTerms {
    float scale;
    float residual;  // E
    float radius;    // at least the length of every code
};
constexpr int64_t term_floats = 3;
static_assert(sizeof(GroupTerms) == term_floats * sizeof(float), "terms lie side by side");

constexpr float a_little_more = 1.0f + 0x1p-20f;

// The filter's memory.
struct CodebookBytes {
    int32_t* words;       // [groups][words][codes of a group]
    int32_t* starts;      // of each code: takes what is added to the rows' numbers out of a.b
    float* half_squares;  // of each code: p
    GroupTerms* groups;
    int64_t floats;
};

VQ4J_SHARED CodebookBytes codebook_bytes(float* memory, int64_t codes_count, int64_t features) {
    const int64_t codes = panels_of(codes_count, tile_codes) * tile_codes;
    CodebookBytes filter;
    float* next = memory;
    filter.words = reinterpret_cast<int32_t*>(next);
    next += codes * words_of(features);
    filter.starts = reinterpret_cast<int32_t*>(next);
    next += codes;
    filter.half_squares = next;
    next += codes;
    filter.groups = reinterpret_cast<GroupTerms*>(next);
    next += codes / group_codes * term_floats;
    filter.floats = next - memory;
    return filter;
}

// Rounds numbers to whole ones, a scale for each lane, and measures them and what is lost.
class Rounding {
public:
    explicit Rounding(Floats scale) : scale_(scale), inverse_(all(1.0f) / scale) {}

    // A word of vectors; value_of(i) for the features that there are.
    template <typename ValueOf>
    Ints round_word(int64_t count, ValueOf value_of) {
        Ints numbers[word_numbers];
        for (int64_t i = 0; i < word_numbers; ++i) {
            numbers[i] = i < count ? round(value_of(i)) : all(0);
        }
        return word_of(numbers);
    }

    Floats inverse() const { return inverse_; }
    Floats squares() const { return squares_; }
    Floats residuals() const { return residuals_; }
    Floats whole_squares() const { return whole_squares_; }
    Ints sum() const { return sum_; }

private:
    Ints round(Floats value) {
        const Ints number = nearest_whole_numbers(value * inverse_);
        const Floats whole = to_floats(number);
        const Floats residual = multiply_add(-whole, scale_, value);
        squares_ = multiply_add(value, value, squares_);
        whole_squares_ = multiply_add(whole, whole, whole_squares_);
        residuals_ = multiply_add(residual, residual, residuals_);
        sum_ = sum_ + number;
        return number;
    }

    Floats scale_;
    Floats inverse_;
    Floats squares_ = all(0.0f);
    Floats residuals_ = all(0.0f);
    Floats whole_squares_ = all(0.0f);
    Ints sum_ = all(0);
};

// How many features the i-th word has; the last ones may have none.
VQ4J_SHARED int64_t numbers_of_word(int64_t i, int64_t features) {
    const int64_t left = features - i * word_numbers;
    return left < word_numbers ? left : word_numbers;
}

// The filter of a panel's codes, a code a lane.
void pack_bytes_panel(PackedCodebook<const float> packed, int64_t features, int64_t panel, const CodebookBytes& filter) {
    constexpr float least_scale = 0x1p-100f;  // for smaller codes 1, to which they are zero
    const int64_t words = words_of(features);
    const float slack = score_slack(features);
    for (int64_t group = panel * groups_of_panel; group < (panel + 1) * groups_of_panel; ++group) {
        const float* const codes = group_of_codes(packed, features, group);
        Floats largest_of_lanes = all(0.0f);
        for (int64_t d = 0; d < features; ++d) {
            largest_of_lanes = larger(magnitude(load(codes + d * tile_codes)), largest_of_lanes);
        }
        const float largest = largest_lane(largest_of_lanes);
        const float scale = largest > least_scale ? largest / static_cast<float>(largest_of_codes) : 1.0f;
        Rounding rounding(all(scale));
        for (int64_t word = 0; word < words; ++word) {
            const float* const values = codes + word * word_numbers * tile_codes;
            store(filter.words + (group * words + word) * group_codes, rounding.round_word(
                numbers_of_word(word, features), [=](int64_t i) { return load(values + i * tile_codes); }));
        }
        const int64_t place = group * group_codes;
        store(filter.starts + place, rounding.sum() * all(-added_to_rows));
        // Beyond the codebook there is nothing near.
        store(filter.half_squares + place, where_at_most(load(packed.negative_h + place), nothing, all(nothing),
            rounding.whole_squares() * all(-0.5f * scale)));
        filter.groups[group] = {scale, largest_lane(distances_from_above(rounding.residuals(), slack)) * a_little_more,
            largest_lane(distances_from_above(rounding.squares(), slack))};
    }
}

// The most of all groups.
struct CodeBounds {
    float radius = 0.0f;
    float residual = 0.0f;

    CodeBounds(const CodebookBytes& filter, int64_t groups) {
        for (int64_t group = 0; group < groups; ++group) {
            const GroupTerms terms = filter.groups[group];
            radius = terms.radius > radius ? terms.radius : radius;
            residual = terms.residual > residual ? terms.residual : residual;
        }
    }
};

// Of a block whose rows are whole tiles; a word more a tile where features fill their words badly.
constexpr int64_t most_block_words = assign_block_floats / word_numbers + assign_block_rows * words_at_once;

// What a block knows of its rows, in tiles.
struct FilteredBlock {
    alignas(64) float factor[assign_block_rows];    // that rows are taken times
    alignas(64) float scale[assign_block_rows];
    alignas(64) float inverse[assign_block_rows];   // q
    alignas(64) float square[assign_block_rows];    // |a|^2
    alignas(64) float residual[assign_block_rows];  // r
    alignas(64) float length[assign_block_rows];    // Z
    alignas(64) float score[assign_block_rows];     // the largest canonical score so far
    alignas(64) int32_t code[assign_block_rows];    // and its code
    // Where a group is the only one that may have the code, which is not known yet; scores are not needed then.
    alignas(64) int32_t group[assign_block_rows];   // -1: no such group
    alignas(64) float nearness[assign_block_rows];  // of that group
    alignas(64) float reach[assign_block_rows];     // the limits that it sets
    alignas(64) float least[assign_block_rows];
    alignas(64) int32_t words[most_block_words];    // [tiles][words][rows of a tile]
};

// Rounds a tile of centred rows.
VQ4J_SHARED void round_columns(const float* columns, int64_t features, float radius, bool directions, int64_t tile,
    FilteredBlock& block) {
    constexpr float least_of_radius = 0x1p-40f;
    const float slack = score_slack(features);
    const int64_t words = words_of(features);
    Floats largest = all(0.0f);
    Floats squares = all(0.0f);
    for (int64_t d = 0; d < features; ++d) {
        const Floats value = load(columns + d * lanes);
        largest = larger(magnitude(value), largest);
        squares = multiply_add(value, value, squares);
    }
    Floats length = distances_from_above(squares, slack);
    // Above what lengths, scores and their parts are made of.
    const Floats most = all(radius) + length;
    const Floats square_of_most = all(16.0f) * most * most;
    const Floats factor = directions ? all(1.0f) / length : all(1.0f);
    length = length * factor * all(a_little_more);

    const Floats scale =
        larger(largest * factor * all(1.0f / static_cast<float>(largest_of_rows)), all(radius * least_of_radius));
    Rounding rounding(scale);
    for (int64_t word = 0; word < words; ++word) {
        const float* const values = columns + word * word_numbers * lanes;
        store(block.words + (tile * words + word) * lanes, word_of_rows(rounding.round_word(
            numbers_of_word(word, features), [=](int64_t i) { return load(values + i * lanes) * factor; })));
    }
    // What the multiplication by the factor loses is less than 2^-20 of the length.
    const Floats residual =
        multiply_add(length, all(directions ? 0x1p-20f : 0.0f), distances_from_above(rounding.residuals(), slack));
    const int64_t row = tile * lanes;
    store(block.factor + row, factor);
    store(block.scale + row, scale);
    store(block.inverse + row, rounding.inverse());
    store(block.square + row, rounding.whole_squares() * scale * scale);
    store(block.residual + row, residual);
    store(block.length + row, where_at_most(square_of_most, 0x1p126f, length, all(HUGE_VALF)));
    store(block.score + row, all(nothing));
    store(block.code + row, all(0));
    store(block.group + row, all(-1));
    store(block.nearness + row, all(nothing));
    store(block.reach + row, all(HUGE_VALF));
    store(block.least + row, all(nothing));
}

// Minus the square of a distance; product is I + p q.
VQ4J_SHARED Floats nearness_of(Floats product, float scale_of_codes, Floats scale_of_row, Floats square_of_row) {
    return multiply_add(all(2.0f), product * all(scale_of_codes) * scale_of_row, -square_of_row);
}

// How near the rows of some tiles are to the groups begin ... end: [tiles][groups][rows of a tile], minus the square of the
// smallest distance.
template <int tiles>
__attribute__((noinline)) void measure_tiles(const CodebookBytes& filter, int64_t words, const FilteredBlock& block,
    int64_t tile, int64_t begin, int64_t end, float (&nearness)[tiles_at_once][filter_piece * lanes]) {
    const int64_t row = tile * lanes;
    const int32_t* const of_rows = block.words + tile * words * lanes;
    for (int64_t group = begin; group < end; ++group) {
        Floats nearest[tiles];
        for (int64_t part = 0; part < group_codes; part += codes_at_once) {
            const int64_t place = group * group_codes + part;
            const int32_t* codes = filter.words + group * words * group_codes + part;
            Ints sum[tiles][codes_at_once];
#pragma GCC unroll 16
            for (int i = 0; i < codes_at_once; ++i) {
#pragma GCC unroll 2
                for (int t = 0; t < tiles; ++t) {
                    sum[t][i] = all(filter.starts[place + i]);
                }
            }
            for (int64_t word = 0; word < words; word += words_at_once) {
                Ints z[tiles][words_at_once];
#pragma GCC unroll 2
                for (int t = 0; t < tiles; ++t) {
#pragma GCC unroll 2
                    for (int w = 0; w < words_at_once; ++w) {
                        z[t][w] = load(of_rows + (t * words + word + w) * lanes);
                    }
                }
#pragma GCC unroll 16
                for (int i = 0; i < codes_at_once; ++i) {
#pragma GCC unroll 2
                    for (int t = 0; t < tiles; ++t) {
                        add_products(z[t], codes + i, group_codes, sum[t][i]);
                    }
                }
                codes += words_at_once * group_codes;
            }
#pragma GCC unroll 2
            for (int t = 0; t < tiles; ++t) {
                const Floats inverse = load(block.inverse + row + t * lanes);
                Floats largest[codes_at_once];
#pragma GCC unroll 16
                for (int i = 0; i < codes_at_once; ++i) {
                    largest[i] = multiply_add(all(filter.half_squares[place + i]), inverse, to_floats(sum[t][i]));
                }
#pragma GCC unroll 4
                for (int apart = codes_at_once / 2; apart > 0; apart /= 2) {
                    for (int i = 0; i < apart; ++i) {
                        largest[i] = larger(largest[i], largest[i + apart]);
                    }
                }
                nearest[t] = part == 0 ? largest[0] : larger(largest[0], nearest[t]);
            }
        }
#pragma GCC unroll 2
        for (int t = 0; t < tiles; ++t) {
            store(nearness[t] + (group - begin) * lanes, nearness_of(nearest[t], filter.groups[group].scale,
                load(block.scale + row + t * lanes), load(block.square + row + t * lanes)));
        }
    }
}

// How near a group must be to the rows of a tile to hold a code of theirs.
struct Limits {
    Floats reach;  // g + r
    Floats least;  // of nearness, by step 4

    // The least nearness of a group of this residual that may have a row's code.
    VQ4J_SHARED_MEMBER Floats least_of(float residual) const {
        const Floats distance = reach + all(residual);
        return larger(least, -(distance * distance));
    }

    // A bit for each row that a group of this nearness and residual may have a code for.
    VQ4J_SHARED_MEMBER uint32_t admit(Floats nearness, float residual) const {
        return lanes_not_below(nearness, least_of(residual));
    }
};

// W.
VQ4J_SHARED Floats doubt_of_tile(const FilteredBlock& block, int64_t row, float slack, CodeBounds codes) {
    const Floats length = load(block.length + row);
    const Floats lengths = length + all(codes.radius);
    const Floats of_rounding = multiply_add(lengths * lengths, all(slack + 64.0f * rounding_unit),
        (lengths + all(codes.residual)) * all(codes.residual));
    return multiply_add(load(block.residual + row), all(codes.radius + codes.residual), of_rounding) * all(a_little_more);
}

// By the best score that each row has.
VQ4J_SHARED Limits limits_by_score(const FilteredBlock& block, int64_t row, float slack, bool directions,
    CodeBounds codes) {
    const Floats length = load(block.length + row);
    const Floats score = load(block.score + row) * load(block.factor + row);
    const float radius = directions ? codes.radius : 0.0f;
    const Floats squared =
        larger(multiply_add(length, length, multiply_add(all(-2.0f), score, all(radius * radius))), all(0.0f));
    const Floats most = length + square_root(squared) + all(radius);
    const Floats widened = multiply_add(most * most, all(6.0f * slack + 256.0f * rounding_unit), squared);
    const float longest = (codes.radius + codes.residual) * a_little_more;
    const Floats doubt = doubt_of_tile(block, row, slack, codes) + all(directions ? 0.5f * longest * longest : 0.0f);
    return {(square_root(widened) + load(block.residual + row)) * all(a_little_more),
        multiply_add(all(2.0f), score - doubt, -load(block.square + row))};
}

// By the nearness of a group, with which there is a code.
VQ4J_SHARED Limits limits_by_nearness(const FilteredBlock& block, int64_t row, float slack, Floats nearness,
    CodeBounds codes) {
    const Floats length = load(block.length + row);
    const Floats residual = load(block.residual + row);
    const Floats squared = larger(-nearness, all(0.0f));
    const Floats parts = length + residual + square_root(squared);
    const Floats widened = multiply_add(parts * parts, all(0x1p-19f), squared);
    const Floats distance = square_root(widened) + residual + all(codes.residual);
    const Floats most = (length + distance) * all(a_little_more);
    const Floats reach = multiply_add(most * most, all(12.0f * slack + 256.0f * rounding_unit), distance * distance);
    return {(square_root(reach) + residual) * all(a_little_more),
        multiply_add(all(-4.0f), doubt_of_tile(block, row, slack, codes), nearness)};
}

// A tile of rows and a piece of the codebook.
struct PieceOfTile {
    PackedCodebook<const float> packed;
    const CodebookBytes& filter;
    CodeBounds codes;
    int64_t features;
    bool directions;
    int64_t first;  // group
    int64_t groups;
    int64_t tile;
    int64_t rows;          // of the tile
    const float* columns;  // of the tile
};

// The nearest group of each row of a tile, and how near it and the second are.
struct NearestGroups {
    Floats nearest = all(nothing);
    Floats second = all(nothing);
    Ints group = all(0);

    NearestGroups(const float* nearness, int64_t groups) {
        for (int64_t i = 0; i < groups; ++i) {
            const Floats other = load(nearness + i * lanes);
            second = larger(smaller(other, nearest), second);
            take_better(other, all(static_cast<int32_t>(i)), nearest, group);
        }
    }
};

// Notes the nearest group where it rules out all others, also of earlier pieces. Returns these rows.
VQ4J_SHARED uint32_t note_groups_alone(const PieceOfTile& piece, const NearestGroups& of_piece, FilteredBlock& block) {
    const int64_t row = piece.tile * lanes;
    const float residual = piece.codes.residual;
    const Limits limits = limits_by_nearness(block, row, score_slack(piece.features), of_piece.nearest, piece.codes);
    const uint32_t others = limits.admit(of_piece.second, residual) | limits.admit(load(block.nearness + row), residual);
    const uint32_t not_scored = lanes_equal(load(block.score + row), nothing);
    const uint32_t alone = ~others & not_scored;
    store_lanes(alone, block.group + row, of_piece.group + all(static_cast<int32_t>(piece.first)));
    store_lanes(alone, block.nearness + row, of_piece.nearest);
    store_lanes(alone, block.reach + row, limits.reach);
    store_lanes(alone, block.least + row, limits.least);
    return alone;
}

// Scores the groups that may have a row's code: of each row first the nearest one, whose score rules out most others.
// Returns how many were scored.
VQ4J_SHARED int64_t score_groups_left(const PieceOfTile& piece, float* nearness, FilteredBlock& block) {
    const int64_t row = piece.tile * lanes;
    const auto limits = [&] {
        const Limits by_score =
            limits_by_score(block, row, score_slack(piece.features), piece.directions, piece.codes);
        return Limits{smaller(by_score.reach, load(block.reach + row)),
            larger(by_score.least, load(block.least + row))};
    };
    const NearestGroups of_piece(nearness, piece.groups);
    uint32_t left = limits().admit(of_piece.nearest, piece.codes.residual) & ((1u << piece.rows) - 1);
    if (left != 0 && !piece.directions) {
        left &= ~note_groups_alone(piece, of_piece, block);
    }
    if (left == 0) {
        return 0;
    }
    alignas(64) int32_t nearest_group[lanes];
    store(nearest_group, of_piece.group);
    CandidateQueue queue(piece.packed, piece.features, piece.columns, block.score + row, block.code + row);
    for (uint32_t rest = left; rest != 0; rest &= rest - 1) {
        const int lane = __builtin_ctz(rest);
        if (block.group[row + lane] >= 0) {
            queue.add(block.group[row + lane], lane);
            block.group[row + lane] = -1;
        }
        queue.add(piece.first + nearest_group[lane], lane);
        nearness[nearest_group[lane] * lanes + lane] = nothing;  // is scored
    }
    queue.score();
    const Limits now = limits();
    const Floats least = now.least_of(piece.codes.residual);
    for (int64_t group = 0; group < piece.groups; ++group) {
        const Floats of_group = load(nearness + group * lanes);
        uint32_t rest = lanes_not_below(of_group, least) & left;
        if (rest != 0) {
            rest &= now.admit(of_group, piece.filter.groups[piece.first + group].residual);
        }
        for (; rest != 0; rest &= rest - 1) {
            queue.add(piece.first + group, __builtin_ctz(rest));
        }
    }
    queue.score();
    return queue.scored();
}

// Finds the codes of the rows of a tile whose group is known: the only one within reach, or the best.
VQ4J_SHARED void name_codes_of_groups(PackedCodebook<const float> packed, const CodebookBytes& filter, int64_t features,
    const float* columns, int64_t tile, int64_t rows, FilteredBlock& block) {
    const int64_t words = words_of(features);
    const int64_t row = tile * lanes;
    CandidateQueue queue(packed, features, columns, block.score + row, block.code + row);
    for (int64_t first = 0; first < rows; first += candidates_at_once) {
        const int32_t* codes[candidates_at_once];
        const int32_t* of_row[candidates_at_once];
        Ints sum[candidates_at_once];
        bool known = false;
        for (int i = 0; i < candidates_at_once; ++i) {
            known |= block.group[row + first + i] >= 0;
            const int32_t group = block.group[row + first + i] < 0 ? 0 : block.group[row + first + i];
            codes[i] = filter.words + group * words * group_codes;
            of_row[i] = block.words + tile * words * lanes + first + i;
            sum[i] = load(filter.starts + group * group_codes);
        }
        if (!known) {
            continue;
        }
        for (int64_t word = 0; word < words; ++word) {
#pragma GCC unroll 8
            for (int i = 0; i < candidates_at_once; ++i) {
                sum[i] = add_products(all(of_row[i][word * lanes]), load(codes[i] + word * group_codes), sum[i]);
            }
        }
        for (int i = 0; i < candidates_at_once; ++i) {
            const int64_t r = row + first + i;
            const int32_t group = block.group[r];
            if (group < 0 || first + i >= rows) {
                continue;
            }
            const Floats product = multiply_add(
                load(filter.half_squares + group * group_codes), all(block.inverse[r]), to_floats(sum[i]));
            const GroupTerms terms = filter.groups[group];
            const uint32_t near = Limits{all(block.reach[r]), all(block.least[r])}.admit(
                nearness_of(product, terms.scale, all(block.scale[r]), all(block.square[r])), terms.residual);
            if (near != 0 && (near & (near - 1)) == 0) {
                block.code[r] = group * static_cast<int32_t>(group_codes) + __builtin_ctz(near);
            } else {
                queue.add(group, static_cast<int>(first + i));
            }
        }
    }
    queue.score();
}

// As assign. Notes whether candidates took most of what the filter saved.
int64_t assign_by_bytes(Rows rows, PackedCodebook<const float> packed, const CodebookBytes& filter, bool directions,
    int64_t codes_count, int64_t begin, int64_t end, float* workspace, int32_t* codes, bool& costs_too_much) {
    const int64_t features = rows.layout.features;
    const int64_t count = end - begin;
    const int64_t groups = panels_of(codes_count, tile_codes) * groups_of_panel;
    const CodeBounds bounds(filter, groups);
    const int64_t tiles = (count + lanes - 1) / lanes;
    const auto rows_of = [=](int64_t tile) { return count - tile * lanes < lanes ? count - tile * lanes : lanes; };
    FilteredBlock block;
    for (int64_t tile = 0; tile < tiles; ++tile) {
        float* const columns = workspace + tile * lanes * features;
        if (!centre_rows(rows, packed.centre, begin + tile * lanes, rows_of(tile), lanes, columns)) {
            return first_not_finite(rows.data, rows.layout, begin, end);
        }
        round_columns(columns, features, bounds.radius, directions, tile, block);
    }

    alignas(64) float nearness[tiles_at_once][filter_piece * lanes];
    int64_t scored = 0;
    for (int64_t first = 0; first < groups; first += filter_piece) {
        const int64_t last = first + filter_piece < groups ? first + filter_piece : groups;
        for (int64_t tile = 0; tile < tiles; tile += tiles_at_once) {
            const int64_t measured = tiles - tile < tiles_at_once ? 1 : tiles_at_once;
            (measured == 1 ? measure_tiles<1> : measure_tiles<tiles_at_once>)(
                filter, words_of(features), block, tile, first, last, nearness);
            for (int64_t t = tile; t < tile + measured; ++t) {
                scored += score_groups_left(PieceOfTile{packed, filter, bounds, features, directions, first, last - first,
                    t, rows_of(t), workspace + t * lanes * features}, nearness[t - tile], block);
            }
        }
    }
    for (int64_t tile = 0; tile < tiles; ++tile) {
        name_codes_of_groups(packed, filter, features, workspace + tile * lanes * features, tile, rows_of(tile), block);
    }
    for (int64_t r = 0; r < count; ++r) {
        codes[begin + r] = block.code[r];
    }
    costs_too_much = scored * products_of_candidate(features) > count * products_saved(groups, features);
    return no_bad_row;
}

}  // namespace
}  // namespace vq4j

#endif
