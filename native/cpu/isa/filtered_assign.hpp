// The nearest code of every row, with a filter before the canonical scores: rows and codes are rounded to 8 bits, whose
// products one instruction sums four a lane (VNNI). The filter never judges: it names the codes that may have the
// largest canonical score, and those are scored in fp32. On trained codebooks that is one to three codes a row.
//
// The bound. z and c are a centred row and code, a and b what they are rounded to, e = 2^-24, Z = |z|, r = |z - a|,
// C >= |c| and E >= |c - b| for all codes.
// 1. |z.c - a.b| = |(z - a).b + z.(c - b)| <= r (C + E) + Z E.
// 2. The canonical score s, a chain of D fused multiply-adds from -h, is within (D + 2) e (C Z + h) of z.c - h, and so
//    is a sum of the products in any other order; h <= C^2 / 2 (1 + D e).
// 3. The filter's score t: a.b is an integer times the scales of row and code. The integer is exact: its magnitude is
//    at most 127^2 D < 2^24, and on the way to it, 255 * 127 * D < 2^31. Six roundings follow, to t, in d, and in the
//    comparison: together below 6 e (|a||b| + h + d), where |a||b| <= 1.3 C Z and d <= 3 C Z + f.
// 4. With f = score_slack(D) C (C + Z) >= (2 D + 34) e (C Z + h), twice the rounding of 2. and that of 3. and more,
//    |s - t| <= d = r (C + E) + Z E + f, and |s - s'| <= f for the fp32 score s' in any order.
// 5. A code longer than C' loses to one with score s' where C' solves C' Z - C'^2 / 2 + g C' (C' + Z) = s' - f: its
//    canonical score is below that for g = f / (C (C + Z)), and its score s' too for twice this g. So after the first
//    code that is scored, C' stands for C, where it is smaller: codes far longer than the row do not loosen its bound.
// So a code with t + d < s'_j - f for some j loses to j. Lengths are measured with a relative error below that of a
// sum of D products and taken from above (bounded_codebook.hpp: 2^-50 is added where squares underflow, more than
// anything that underflows here, as a scale below 2^-107 is not used but 0). What may overflow makes f infinite: then
// the row goes to the kernel of assign.hpp, as do rows with too many candidates.
//
// A tile is 6 rows x 32 codes in 12 accumulators; its scores of a piece of 512 codes stay in the first-level cache
// until they have been compared with the row's best. Bound by the integer products, a quarter of the multiply-adds of assign,
// and, below about 48 features, by their conversion to scores.
#ifndef VQ4J_CPU_ISA_FILTERED_ASSIGN_HPP
#define VQ4J_CPU_ISA_FILTERED_ASSIGN_HPP

#include "cpu/codebook_filter.hpp"
#include "cpu/isa/assign.hpp"
#include "cpu/isa/blocks.hpp"
#include "cpu/isa/codebook_axes.hpp"
#include "cpu/isa/runs.hpp"
#include "cpu/isa/stripes.hpp"

namespace vq4j {
namespace {

constexpr int64_t filter_piece = 16;  // panels
constexpr int64_t most_filtered_features = 1024;

// Whether the filter is faster than scoring everything; measured on normal data, which has the most candidates. With
// fewer codes or features, rounding the rows and finding the candidates costs more than it saves.
bool filter_pays(int64_t codes_count, int64_t features) {
    return features >= 24 && features <= most_filtered_features && codes_count >= 64 && codes_count * features >= 8192;
}

// With so many candidates a row costs at most about what it costs without the filter: half of its K D products, against
// a start of about 500 and two for each feature that a candidate costs.
int64_t most_candidates(int64_t codes_count, int64_t features) {
    return 8 + codes_count * features / (4 * features + 2048);
}

// The filter's memory, behind the panels.
struct CodebookFilter {
    float* scales;    // panels * 32
    int32_t* starts;  // panels * 32: takes the 128 that is added to the rows' bytes out of a.b
    float* rows;      // [panels * 32][D], the centred codes
    int8_t* bytes;    // [panels][D / 4][32][4]
    float* radii;      // panels: at least the length of every centred code
    float* residuals;  // panels: at least its distance from what it is rounded to
    CodebookAxes axes;
    int64_t floats;
};

CodebookFilter codebook_filter(float* memory, int64_t codes_count, int64_t features) {
    const int64_t panels = panels_of(codes_count, tile_codes);
    const int64_t codes = panels * tile_codes;
    CodebookFilter filter;
    filter.scales = memory + filter_state_floats;
    filter.starts = reinterpret_cast<int32_t*>(filter.scales + codes);
    filter.rows = filter.scales + 2 * codes;
    filter.bytes = reinterpret_cast<int8_t*>(filter.rows + codes * features);
    filter.radii = filter.rows + codes * features + (features + 3) / 4 * codes;
    filter.residuals = filter.radii + panels;
    filter.axes = codebook_axes(filter.residuals + panels, panels, features);
    filter.floats = filter.residuals + panels - memory + filter.axes.floats;
    return filter;
}

int64_t filter_floats(int64_t codes_count, int64_t features) {
    return !filter_pays(codes_count, features) ? 0 : codebook_filter(nullptr, codes_count, features).floats;
}

// Rounds numbers to bytes, the largest magnitude of each lane to 127, and measures them and what is lost.
class Rounding {
public:
    explicit Rounding(Floats largest) {
        // Its inverse is finite.
        const __mmask16 usable = _mm512_cmp_ps_mask(largest.v, _mm512_set1_ps(0x1p-100f), _CMP_GT_OQ);
        scale_ = _mm512_maskz_div_ps(usable, largest.v, _mm512_set1_ps(127.0f));
        inverse_ = _mm512_maskz_div_ps(usable, _mm512_set1_ps(1.0f), scale_);
    }

    __m512i round(Floats value) {
        const __m512i byte = _mm512_cvtps_epi32(_mm512_mul_ps(value.v, inverse_));
        const __m512 residual = _mm512_fnmadd_ps(_mm512_cvtepi32_ps(byte), scale_, value.v);
        squares_ = _mm512_fmadd_ps(value.v, value.v, squares_);
        residuals_ = _mm512_fmadd_ps(residual, residual, residuals_);
        sum_ = _mm512_add_epi32(sum_, byte);
        return byte;
    }

    Floats scale() const { return {scale_}; }
    Floats squares() const { return {squares_}; }
    Floats residuals() const { return {residuals_}; }
    Ints sum() const { return {sum_}; }

private:
    __m512 scale_;
    __m512 inverse_;
    __m512 squares_ = _mm512_setzero_ps();
    __m512 residuals_ = _mm512_setzero_ps();
    __m512i sum_ = _mm512_setzero_si512();
};

VQ4J_SHARED Floats magnitude(Floats a) { return {_mm512_abs_ps(a.v)}; }

void find_filter_axes(PackedCodebook<const float> packed, int64_t codes_count, int64_t features) {
    const CodebookAxes axes_of_codes = codebook_filter(packed.filter, codes_count, features).axes;
    if (axes_of_codes.floats > 0) {
        FilterState& state = filter_state(packed);
        state.axes_slack = axes_slack(find_axes(packed, codes_count, features, axes_of_codes), features);
        state.axes_trust.store(state.axes_slack < 1.0f ? most_axes_trust : 0, std::memory_order_relaxed);
    }
}

// The filter of a panel's codes, a code a lane.
void pack_filter_panel(PackedCodebook<const float> packed, int64_t codes_count, int64_t features, int64_t panel) {
    const CodebookFilter filter = codebook_filter(packed.filter, codes_count, features);
    const int64_t quads = (features + 3) / 4;
    const float* const codes = packed.codes + panel * tile_codes * features;
    transpose_lines<false>([=](int64_t d, int64_t k) { return codes + d * tile_codes + k; }, features, tile_codes,
        filter.rows + panel * tile_codes * features, features);
    float squares = 0.0f;
    float residuals = 0.0f;
    for (int64_t first = 0; first < tile_codes; first += lanes) {
        Floats largest = all(0.0f);
        for (int64_t d = 0; d < features; ++d) {
            largest = larger(magnitude(load(codes + d * tile_codes + first)), largest);
        }
        Rounding rounding(largest);
        int8_t* const bytes = filter.bytes + (panel * quads * tile_codes + first) * 4;
        for (int64_t quad = 0; quad < quads; ++quad) {
            __m512i four = _mm512_setzero_si512();
            for (int64_t d = 4 * quad; d < 4 * quad + 4 && d < features; ++d) {
                const __m512i byte = rounding.round(load(codes + d * tile_codes + first));
                const __m512i low = _mm512_and_si512(byte, _mm512_set1_epi32(0xff));
                four = _mm512_or_si512(four, _mm512_slli_epi32(low, static_cast<unsigned>(8 * (d % 4))));
            }
            _mm512_storeu_si512(bytes + quad * tile_codes * 4, four);
        }
        const int64_t place = panel * tile_codes + first;
        store(filter.scales + place, rounding.scale());
        store(filter.starts + place, Ints{_mm512_mullo_epi32(rounding.sum().v, _mm512_set1_epi32(-128))});
        squares = largest_lane(larger(rounding.squares(), all(squares)));
        residuals = largest_lane(larger(rounding.residuals(), all(residuals)));
    }
    filter.radii[panel] = distance_from_above(squares, score_slack(features));
    filter.residuals[panel] = distance_from_above(residuals, score_slack(features));
    if (filter_state(packed).axes_trust.load(std::memory_order_relaxed) > 0) {
        pack_axes_panel(packed, features, panel, filter.axes);
    }
}

// C and E.
struct CodeBounds {
    float radius = 0.0f;
    float residual = 0.0f;

    CodeBounds(const CodebookFilter& filter, int64_t panels) {
        for (int64_t panel = 0; panel < panels; ++panel) {
            radius = filter.radii[panel] > radius ? filter.radii[panel] : radius;
            residual = filter.residuals[panel] > residual ? filter.residuals[panel] : residual;
        }
    }
};

struct FilteredRow {
    float length;     // at least Z
    float constant;   // d = f + constant + linear C + quadratic C (C + Z)
    float linear;
    float quadratic;
    float doubt = 0.0f;     // d
    float rounding = 0.0f;  // f: infinite where a score may overflow, whose terms sum up to less than half of it
    float least = -std::numeric_limits<float>::infinity();  // no canonical score below it is the largest
    float score = -std::numeric_limits<float>::infinity();  // s' of the best code so far
    int32_t code = -1;                                      // that code
    int64_t candidates = 0;                                 // scored, or work of the same time

    // C is `reach`.
    VQ4J_SHARED_MEMBER void reach(float reach, float slack) {
        const float product = reach * (reach + length);
        rounding = slack * product * round_up + underflow_slack;
        doubt = (constant + linear * reach + quadratic * product) * round_up * round_up + rounding;
    }
};

// At least the length of every code that does not lose to one with score s', by step 5.
VQ4J_SHARED float reach_of(const FilteredRow& row, float score, float slack) {
    const double g = 2.0 * static_cast<double>(slack);
    const double length = static_cast<double>(row.length) * (1.0 + g) / (1.0 - 2.0 * g);
    const double least = static_cast<double>(score) - static_cast<double>(row.rounding);
    const double squared = length * length - 2.0 * least + 6.0 * g * std::fabs(least);
    return static_cast<float>((length + std::sqrt(squared > 0.0 ? squared : 0.0)) * (1.0 + 1e-6));
}

struct FilteredBlock {
    FilteredRow row[assign_block_rows];
    float coordinate[assign_block_rows][lanes];  // codebook_axes.hpp
    float scale[assign_block_rows];
    uint8_t bytes[assign_block_floats + assign_block_rows * lanes];  // [rows][D, up to a multiple of 16], 128 added
};

VQ4J_SHARED int64_t bytes_of_row(int64_t features) {
    return (features + lanes - 1) / lanes * lanes;
}

// Centred rows, [count][D], along the axes.
void project_rows(const float* centred, int64_t count, int64_t features, CodeBounds codes, CodebookAxes stored,
    float slack_of_axes, FilteredBlock& block) {
    alignas(64) float columns[most_features_of_axes * lanes];
    for (int64_t first = 0; first < count; first += lanes) {
        const int64_t rows = count - first < lanes ? count - first : lanes;
        transpose_lines<true>([=](int64_t r, int64_t d) { return centred + (first + r) * features + d; }, rows, features,
            columns, lanes);
        const Coordinates of = coordinates_of(columns, lanes, features, stored.directions);
        Floats square[lanes];
        for (int a = 0; a < lanes; ++a) {
            square[a] = a < axes ? of.along[a] : a == axes ? load(of.rest) : all(0.0f);
        }
        transpose(square);
        for (int64_t r = 0; r < rows; ++r) {
            store(block.coordinate[first + r], square[r]);
            block.row[first + r] = {of.length[r], 0.0f, 0.0f, slack_of_axes};
            block.row[first + r].reach(codes.radius, score_slack(features));
        }
    }
}

// Rounds centred rows, [count][D].
void round_rows(const float* centred, int64_t count, int64_t features, CodeBounds codes, FilteredBlock& block) {
    const float slack = score_slack(features);
    for (int64_t r = 0; r < count; ++r) {
        const float* const z = centred + r * features;
        uint8_t* const bytes = block.bytes + r * bytes_of_row(features);
        Floats largest = all(0.0f);
        for_each_vector(features, [&](int64_t d, auto access) {
            largest = larger(magnitude(access.load(z + d)), largest);
        });
        Rounding rounding(all(largest_lane(largest)));
        for_each_vector(features, [&](int64_t d, auto access) {
            const __m128i sixteen = _mm512_cvtepi32_epi8(rounding.round(access.load(z + d)));
            _mm_storeu_si128(reinterpret_cast<__m128i*>(bytes + d), _mm_xor_si128(sixteen, _mm_set1_epi8(-128)));
        });
        const float length = distance_from_above(add_lanes(rounding.squares()), slack);
        const float residual = distance_from_above(add_lanes(rounding.residuals()), slack);
        block.row[r] = {length, (residual + length) * codes.residual, residual, 0.0f};
        block.row[r].reach(codes.radius, slack);
        block.scale[r] = largest_lane(rounding.scale());
    }
}

// The filter's scores of a tile with a piece of the codebook.
struct PieceScores {
    alignas(64) float score[tile_rows][filter_piece * tile_codes];
    alignas(64) float largest[tile_rows][filter_piece][lanes];  // of each lane in a panel
};

// sum += products of the unsigned bytes of rows and the signed ones of codes, four a lane. Around the intrinsic g++ 12
// copies every accumulator twice.
VQ4J_SHARED void add_products(__m512i& sum, __m512i rows, __m512i codes) {
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(rows), "v"(codes));
}

// Inlined, its accumulators would not stay in registers.
__attribute__((noinline)) void filter_tile(const CodebookFilter& filter, const float* negative_h, int64_t features,
    const uint8_t* const (&bytes)[tile_rows], const float (&scale)[tile_rows], int64_t begin, int64_t end,
    PieceScores& scores) {
    const int64_t quads = (features + 3) / 4;
    for (int64_t panel = begin; panel < end; ++panel) {
        const int64_t first_code = panel * tile_codes;
        const int8_t* codes = filter.bytes + first_code * quads * 4;
        __m512i sum[tile_rows][2];
        for (int r = 0; r < tile_rows; ++r) {
            sum[r][0] = load(filter.starts + first_code).v;
            sum[r][1] = load(filter.starts + first_code + lanes).v;
        }
        for (int64_t quad = 0; quad < quads; ++quad) {
            const __m512i c0 = _mm512_loadu_si512(codes);
            const __m512i c1 = _mm512_loadu_si512(codes + 64);
            for (int r = 0; r < tile_rows; ++r) {
                int32_t four;
                memcpy(&four, bytes[r] + 4 * quad, 4);
                const __m512i z = _mm512_set1_epi32(four);
                add_products(sum[r][0], z, c0);
                add_products(sum[r][1], z, c1);
            }
            codes += 2 * 64;
        }
        const Floats scale0 = load(filter.scales + first_code);
        const Floats scale1 = load(filter.scales + first_code + lanes);
        const Floats h0 = load(negative_h + first_code);
        const Floats h1 = load(negative_h + first_code + lanes);
        for (int r = 0; r < tile_rows; ++r) {
            const Floats t0 = multiply_add(Floats{_mm512_cvtepi32_ps(sum[r][0])} * scale0, all(scale[r]), h0);
            const Floats t1 = multiply_add(Floats{_mm512_cvtepi32_ps(sum[r][1])} * scale1, all(scale[r]), h1);
            float* const to = scores.score[r] + (panel - begin) * tile_codes;
            store(to, t0);
            store(to + lanes, t1);
            store(scores.largest[r][panel - begin], larger(t0, t1));
        }
    }
}

// The same scores from above by the axes.
__attribute__((noinline)) void axes_tile(const CodebookAxes& stored, const float* negative_h,
    const float* const (&rows)[tile_rows], int64_t begin, int64_t end, PieceScores& scores) {
    for (int64_t panel = begin; panel < end; ++panel) {
        const float* codes = stored.of_codes + panel * coordinates * tile_codes;
        Floats sum[tile_rows][2];
        for (int r = 0; r < tile_rows; ++r) {
            sum[r][0] = load(negative_h + panel * tile_codes);
            sum[r][1] = load(negative_h + panel * tile_codes + lanes);
        }
#pragma GCC unroll 9
        for (int a = 0; a < coordinates; ++a) {
            const Floats c0 = load(codes + a * tile_codes);
            const Floats c1 = load(codes + a * tile_codes + lanes);
            for (int r = 0; r < tile_rows; ++r) {
                const Floats x = all(rows[r][a]);
                sum[r][0] = multiply_add(x, c0, sum[r][0]);
                sum[r][1] = multiply_add(x, c1, sum[r][1]);
            }
        }
        for (int r = 0; r < tile_rows; ++r) {
            float* const to = scores.score[r] + (panel - begin) * tile_codes;
            store(to, sum[r][0]);
            store(to + lanes, sum[r][1]);
            store(scores.largest[r][panel - begin], larger(sum[r][0], sum[r][1]));
        }
    }
}

// Scores candidates in fp32 and keeps the best.
class Candidates {
public:
    Candidates(const CodebookFilter& filter, const float* negative_h, float radius, int64_t codes_count,
        int64_t features)
        : codes_(filter.rows), negative_h_(negative_h), radius_(radius), slack_(score_slack(features)),
          most_(most_candidates(codes_count, features)), features_(features) {}

    // Whether the row's code is known; else it is open.
    bool decide(const FilteredRow& row) const { return row.candidates <= most_ && is_finite(row.doubt); }

    // Whether the rows of a block took longer than without the filter, or nearly.
    bool cost_too_much(const FilteredRow* rows, int64_t count) const {
        int64_t spent = 0;
        for (int64_t r = 0; r < count; ++r) {
            spent += decide(rows[r]) ? rows[r].candidates : 5 * most_;  // scored alone, in twice the time
        }
        return 2 * spent > count * most_;
    }

    void take(const float* z, int32_t k, FilteredRow& row) const {
        if (k == row.code || ++row.candidates > most_) {
            return;
        }
        const float score = fast_score(z, k);
        const float f = row.rounding;
        if (score + f < row.score - f) {
            return;
        }
        if (score - f <= row.score + f) {
            row.candidates += 2 + features_ / 32;  // the time that sums in one chain take
            if (!beats(canonical_score(z, k), k, canonical_score(z, row.code), row.code)) {
                return;
            }
        }
        if (row.code < 0 && radius_ > 1.5f * row.length) {
            const float reach = reach_of(row, score, slack_);
            if (reach < radius_) {
                row.reach(reach, slack_);
            }
        }
        row.score = score;
        row.code = k;
        row.least = score - row.rounding > row.least ? score - row.rounding : row.least;
    }

private:
    float fast_score(const float* z, int64_t k) const {
        const float* const c = codes_ + k * features_;
        Stripes sums = no_stripes();
        add_features(sums, features_, [=](Floats sum, int64_t d, auto access) {
            return multiply_add(access.load(z + d), access.load(c + d), sum);
        });
        return add_stripes(sums) + negative_h_[k];
    }

    float canonical_score(const float* z, int64_t k) const {
        const float* const c = codes_ + k * features_;
        float score = negative_h_[k];
        for (int64_t d = 0; d < features_; ++d) {
            score = fused_multiply_add(z[d], c[d], score);
        }
        return score;
    }

    const float* codes_;
    const float* negative_h_;
    float radius_;
    float slack_;
    int64_t most_;
    int64_t features_;
};

// body(place in the piece) for a row's scores that are at least `bound`.
template <typename Body>
VQ4J_SHARED void for_each_above(const PieceScores& scores, int r, int64_t panels, float bound, Body body) {
    for (int64_t panel = 0; panel < panels; ++panel) {
        if (lanes_not_below(load(scores.largest[r][panel]), all(bound)) == 0) {
            continue;
        }
        const float* const of_panel = scores.score[r] + panel * tile_codes;
        uint32_t above = lanes_not_below(load(of_panel), all(bound))
            | lanes_not_below(load(of_panel + lanes), all(bound)) << lanes;
        for (; above != 0; above &= above - 1) {
            body(panel * tile_codes + __builtin_ctz(above));
        }
    }
}

// Compares a row's scores of a piece with the best that it has, and takes the codes that may be better.
VQ4J_SHARED void take_candidates(const PieceScores& scores, int r, int64_t begin, int64_t end, const float* z,
    const Candidates& candidates, FilteredRow& row) {
    const int64_t panels = end - begin;
    Floats lane = load(scores.largest[r][0]);
    for (int64_t panel = 1; panel < panels; ++panel) {
        lane = larger(load(scores.largest[r][panel]), lane);
    }
    const float largest = largest_lane(lane);
    if (largest + row.doubt < row.least || !candidates.decide(row)) {
        return;
    }
    const auto take = [&](int64_t place) {
        candidates.take(z, static_cast<int32_t>(begin * tile_codes + place), row);
    };
    for_each_above(scores, r, panels, largest, take);  // most often the best of the piece: it rules out most others
    for_each_above(scores, r, panels, row.least - row.doubt, take);
}

// As assign.
int64_t assign_filtered(Rows rows, PackedCodebook<const float> packed, int64_t codes_count, int64_t begin, int64_t end,
    float* workspace, int32_t* codes) {
    constexpr int32_t blocks_after_failure = 256;
    const int64_t features = rows.layout.features;
    const int64_t count = end - begin;
    if (!filter_pays(codes_count, features)) {
        return assign(rows, packed, codes_count, begin, end, workspace, codes);
    }
    FilterState& state = filter_state(packed);
    if (count < tile_rows || !state.ready.load(std::memory_order_acquire)) {
        return assign(rows, packed, codes_count, begin, end, workspace, codes);
    }
    if (state.blocks_without.load(std::memory_order_relaxed) > 0) {
        state.blocks_without.fetch_sub(1, std::memory_order_relaxed);
        return assign(rows, packed, codes_count, begin, end, workspace, codes);
    }
    const bool finite = by_stride(rows.layout, [&](auto stride) {
        bool all_finite = true;
        for (int64_t r = 0; r < count; ++r) {
            all_finite &= centre_row(rows.row(begin + r), stride, features, packed.centre, workspace + r * features);
        }
        return all_finite;
    });
    if (!finite) {
        return first_not_finite(rows.data, rows.layout, begin, end);
    }
    const CodebookFilter filter = codebook_filter(packed.filter, codes_count, features);
    FilteredBlock block;
    const int64_t panels = panels_of(codes_count, tile_codes);
    const CodeBounds bounds(filter, panels);
    const bool by_axes = state.axes_trust.load(std::memory_order_relaxed) > 0 && bounds.radius >= 0x1p-60f;
    if (by_axes) {
        project_rows(workspace, count, features, bounds, filter.axes, state.axes_slack, block);
    } else {
        round_rows(workspace, count, features, bounds, block);
    }

    const Candidates candidates(filter, packed.negative_h, bounds.radius, codes_count, features);
    PieceScores scores;
    for (int64_t first = 0; first < panels; first += filter_piece) {
        const int64_t last = first + filter_piece < panels ? first + filter_piece : panels;
        for (int64_t tile = 0; tile < count; tile += tile_rows) {
            const uint8_t* bytes[tile_rows];
            const float* coordinate[tile_rows];
            float scale[tile_rows];
            for (int64_t r = 0; r < tile_rows; ++r) {
                // The last tile is filled with the last row.
                const int64_t row = tile + r < count ? tile + r : count - 1;
                bytes[r] = block.bytes + row * bytes_of_row(features);
                coordinate[r] = block.coordinate[row];
                scale[r] = block.scale[row];
            }
            if (by_axes) {
                axes_tile(filter.axes, packed.negative_h, coordinate, first, last, scores);
            } else {
                filter_tile(filter, packed.negative_h, features, bytes, scale, first, last, scores);
            }
            for (int r = 0; r < tile_rows && tile + r < count; ++r) {
                take_candidates(scores, r, first, last, workspace + (tile + r) * features, candidates,
                    block.row[tile + r]);
            }
        }
    }

    for (int64_t r = 0; r < count; ++r) {
        codes[begin + r] = block.row[r].code;
        int64_t open = 0;
        while (r + open < count && !candidates.decide(block.row[r + open])) {
            ++open;
        }
        if (open > 0) {
            assign(rows, packed, codes_count, begin + r, begin + r + open, workspace, codes);
            r += open - 1;
        }
    }
    const bool cost_too_much = candidates.cost_too_much(block.row, count);
    if (by_axes) {
        state.change_axes_trust(cost_too_much ? -axes_distrust : 1);
    } else if (cost_too_much) {
        state.blocks_without.store(blocks_after_failure, std::memory_order_relaxed);
    }
    return no_bad_row;
}

}  // namespace
}  // namespace vq4j

#endif
