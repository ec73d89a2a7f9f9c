// The nearest code of every row, with a filter before the canonical scores: rows and codes rounded to 8 bits, products
// of four features summed by one instruction a lane (VNNI). The filter never judges. Its error bound names the codes
// that may have the largest canonical score; a single one is the answer, more are scored by the canonical chain, and
// rows whose list would be long go to the kernel of assign.hpp.
//
// The bound. z and c are a centred row and code, a and b their bytes times their scales, Z = |z| and r = |z - a|
// measured, L >= |b| and E >= |c - b| measured for each group of 64 codes. Then |z.c - a.b| <= r L + Z E. The filter's
// score t = a.b - h and the canonical score s round what they compute by less than f = score_slack(D) C (C + Z), C >=
// |c| (bounded_codebook.hpp; a.b is exact in 32 bits). So |s - t| <= d = r L + Z E + f, and a code whose t + d is less
// than t - d of another one cannot win.
//
// A tile is 6 rows x 32 codes in 12 accumulators; its scores of 1,024 codes stay in the first-level cache until they
// have been compared with the row's best. On trained codebooks one row in two or three has a second candidate. Bound
// by the integer dot products, a quarter of the fused multiply-adds of the exact kernel.
#ifndef VQ4J_CPU_ISA_FILTERED_ASSIGN_HPP
#define VQ4J_CPU_ISA_FILTERED_ASSIGN_HPP

#include "cpu/bounded_codebook.hpp"
#include "cpu/isa/assign.hpp"
#include "cpu/isa/runs.hpp"

namespace vq4j {
namespace {

constexpr int64_t filter_group = 2;          // panels, that share an error bound
constexpr int64_t filter_piece = 16;         // groups, whose bounds fill a vector
constexpr int64_t most_filtered_features = 512;
constexpr int64_t least_filtered_rows = 24;  // in a block
constexpr int most_candidates = 24;          // of a row
constexpr int chains = 8;                    // canonical scores side by side

// Whether the filter is faster than scoring everything; measured on word vectors, image patches and normal data. With
// fewer codes or features, rounding the rows and sorting out the candidates costs more than it saves.
bool filter_pays(int64_t codes_count, int64_t features) {
    return features >= 16 && features <= most_filtered_features && codes_count >= 128 && codes_count * features >= 8192;
}

int64_t whole_lines(int64_t floats) {
    return (floats + 15) / 16 * 16;
}

// What the filter keeps of a codebook, behind the panels.
template <typename Float, typename Int, typename Byte>
struct FilterView {
    Float* packed;     // the header: whether the rest is there, C
    Float* lengths;    // groups, whole pieces
    Float* residuals;  // groups, whole pieces
    Float* scales;     // codes
    Int* starts;       // codes: what the offset of the rows' bytes adds to a.b, with the sign turned
    Float* rows;       // K x D, centred
    Byte* bytes;       // [panels][D / 4][32][4]
    int64_t groups;
    int64_t floats;
};

template <typename Int, typename Byte, typename Float>
FilterView<Float, Int, Byte> filter_view(Float* memory, int64_t codes_count, int64_t features) {
    const int64_t groups = (panels_of(codes_count, tile_codes) + filter_group - 1) / filter_group;
    const int64_t codes = groups * filter_group * tile_codes;
    FilterView<Float, Int, Byte> view;
    view.groups = groups;
    view.packed = memory;
    view.lengths = view.packed + filter_header_floats;
    view.residuals = view.lengths + whole_lines(groups);
    view.scales = view.residuals + whole_lines(groups);
    view.starts = reinterpret_cast<Int*>(view.scales + codes);
    view.rows = view.scales + 2 * codes;
    Float* const bytes = view.rows + whole_lines(codes_count * features);
    view.bytes = reinterpret_cast<Byte*>(bytes);
    view.floats = bytes - memory + (features + 3) / 4 * codes;
    return view;
}

using FilterOfCodebook = FilterView<const float, const int32_t, const int8_t>;

int64_t filter_floats(int64_t codes_count, int64_t features) {
    return filter_pays(codes_count, features)
        ? filter_view<int32_t, int8_t, float>(nullptr, codes_count, features).floats
        : filter_header_floats;
}

VQ4J_SHARED __mmask16 lanes_left(int64_t left) {
    return left >= lanes ? 0xffff : static_cast<__mmask16>((1u << left) - 1);
}

struct Bytes {
    float scale;
    float length;    // |b|, before rounding up
    float residual;  // |v - b|
    int32_t sum;
};

// v, D values, to bytes: round(v / scale), the largest magnitude at 127. The bytes behind the last are zero, up to a
// multiple of 16.
VQ4J_SHARED Bytes to_bytes(const float* v, int64_t features, float slack, int8_t* bytes) {
    __m512 largest = _mm512_setzero_ps();
    for (int64_t d = 0; d < features; d += lanes) {
        largest = _mm512_max_ps(largest, _mm512_abs_ps(_mm512_maskz_loadu_ps(lanes_left(features - d), v + d)));
    }
    Bytes result;
    result.scale = largest_lane({largest}) / 127.0f;
    const __m512 scale = _mm512_set1_ps(result.scale);
    const __m512 inverse = _mm512_set1_ps(result.scale > 0.0f ? 1.0f / result.scale : 0.0f);
    __m512 squares = _mm512_setzero_ps();
    __m512 residuals = _mm512_setzero_ps();
    __m512i sums = _mm512_setzero_si512();
    for (int64_t d = 0; d < features; d += lanes) {
        const __m512 value = _mm512_maskz_loadu_ps(lanes_left(features - d), v + d);
        const __m512i limit = _mm512_set1_epi32(127);
        const __m512i nearest = _mm512_cvtps_epi32(_mm512_mul_ps(value, inverse));
        const __m512i byte =
            _mm512_max_epi32(_mm512_min_epi32(nearest, limit), _mm512_sub_epi32(_mm512_setzero_si512(), limit));
        const __m512 back = _mm512_cvtepi32_ps(byte);
        const __m512 residual = _mm512_fnmadd_ps(back, scale, value);
        squares = _mm512_fmadd_ps(back, back, squares);
        residuals = _mm512_fmadd_ps(residual, residual, residuals);
        sums = _mm512_add_epi32(sums, byte);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(bytes + d), _mm512_cvtepi32_epi8(byte));
    }
    result.length = distance_from_above(add_lanes({squares}), slack) * result.scale;
    result.residual = distance_from_above(add_lanes({residuals}), slack);
    result.sum = _mm512_reduce_add_epi32(sums);
    return result;
}

// One group of codes; finish_filter comes after all.
void pack_filter_group(const float* codebook, int64_t codes_count, int64_t features, int64_t group,
    PackedCodebook<float> packed) {
    const FilterView<float, int32_t, int8_t> filter =
        filter_view<int32_t, int8_t, float>(packed.filter, codes_count, features);
    const float slack = score_slack(features);
    const int64_t quads = (features + 3) / 4;
    alignas(64) int8_t bytes[most_filtered_features];
    float length = 0.0f;
    float residual = 0.0f;
    for (int64_t k = group * filter_group * tile_codes; k < (group + 1) * filter_group * tile_codes; ++k) {
        int8_t* const to = filter.bytes + (k / tile_codes * quads * tile_codes + k % tile_codes) * 4;
        if (k >= codes_count) {
            filter.scales[k] = 0.0f;
            filter.starts[k] = 0;
            for (int64_t quad = 0; quad < quads; ++quad) {
                memset(to + quad * tile_codes * 4, 0, 4);
            }
            continue;
        }
        float* const row = filter.rows + k * features;
        for (int64_t d = 0; d < features; ++d) {
            row[d] = codebook[k * features + d] - packed.centre[d];
        }
        const Bytes code = to_bytes(row, features, slack, bytes);
        filter.scales[k] = code.scale;
        filter.starts[k] = -128 * code.sum;
        length = code.length > length ? code.length : length;
        residual = code.residual > residual ? code.residual : residual;
        for (int64_t quad = 0; quad < quads; ++quad) {
            memcpy(to + quad * tile_codes * 4, bytes + quad * 4, 4);
        }
    }
    filter.lengths[group] = length;
    filter.residuals[group] = residual;
}

void finish_filter(int64_t codes_count, int64_t features, PackedCodebook<float> packed) {
    const FilterView<float, int32_t, int8_t> filter =
        filter_view<int32_t, int8_t, float>(packed.filter, codes_count, features);
    for (int64_t group = filter.groups; group < whole_lines(filter.groups); ++group) {
        filter.lengths[group] = 0.0f;
        filter.residuals[group] = 0.0f;
    }
    float squared = 0.0f;
    for (int64_t k = 0; k < codes_count; ++k) {
        squared = -2.0f * packed.negative_h[k] > squared ? -2.0f * packed.negative_h[k] : squared;
    }
    filter.packed[0] = 1.0f;
    filter.packed[1] = distance_from_above(squared, score_slack(features));
}

struct Candidate {
    int32_t code;
    float score;  // the filter's
};

struct FilteredRow {
    float scale;
    float length;    // Z
    float residual;  // r
    float rounding;  // f
    float least;     // the largest t - d so far: no canonical score below it wins
    int32_t candidates;
    Candidate candidate[most_candidates];

    // d
    VQ4J_SHARED_MEMBER float doubt(float length_of_codes, float residual_of_codes) const {
        return (residual * length_of_codes + length * residual_of_codes) * round_up + rounding;
    }
};

// The tiles' bytes, 128 added: [tiles][D / 4][6] words of 4 bytes.
struct FilteredBlock {
    FilteredRow row[assign_block_rows + tile_rows];
    int32_t words[assign_block_rows / tile_rows][most_filtered_features / 4][tile_rows];
};
static_assert(assign_block_rows % tile_rows == 0, "a block is made of whole tiles");

// Centres the rows into the workspace, [count][D], and rounds them. Returns the first bad row, or no_bad_row.
int64_t round_rows(Rows rows, const float* centre, const FilterOfCodebook& filter, int64_t begin, int64_t end,
    float* centred, FilteredBlock& block) {
    const int64_t features = rows.layout.features;
    const float slack = score_slack(features);
    const float radius = filter.packed[1];
    Floats noted = all(0.0f);
    for (int64_t n = begin; n < end; ++n) {
        const float* const row = rows.row(n);
        float* const to = centred + (n - begin) * features;
        if (rows.layout.inner != 1) {
            for (int64_t d = 0; d < features; ++d) {
                to[d] = row[d * rows.layout.inner];
            }
        }
        const float* const from = rows.layout.inner == 1 ? row : to;
        for_each_vector(features, [&](int64_t d, auto access) {
            const Floats value = access.load(from + d);
            note_not_finite(value, noted);
            access.store(to + d, value - access.load(centre + d));
        });
    }
    if (any_nan(noted)) {
        return first_not_finite(rows.data, rows.layout, begin, end);
    }
    alignas(64) int8_t bytes[most_filtered_features];
    for (int64_t r = 0; r < (end - begin + tile_rows - 1) / tile_rows * tile_rows; ++r) {
        FilteredRow& row = block.row[r];
        // Rows that fill the last tile: zeros, whose results nobody reads.
        row.scale = 0.0f;
        row.least = -std::numeric_limits<float>::infinity();
        row.candidates = 0;
        if (r < end - begin) {
            const float* const z = centred + r * features;
            __m512 squares = _mm512_setzero_ps();
            for (int64_t d = 0; d < features; d += lanes) {
                const __m512 value = _mm512_maskz_loadu_ps(lanes_left(features - d), z + d);
                squares = _mm512_fmadd_ps(value, value, squares);
            }
            const Bytes rounded = to_bytes(z, features, slack, bytes);
            row.scale = rounded.scale;
            row.residual = rounded.residual;
            row.length = distance_from_above(add_lanes({squares}), slack);
            row.rounding = slack * radius * (radius + row.length) * round_up + underflow_slack;
        }
        int32_t(*const words)[tile_rows] = block.words[r / tile_rows];
        for (int64_t quad = 0; quad < (features + 3) / 4; ++quad) {
            int32_t word = 0;
            memcpy(&word, bytes + quad * 4, 4);
            words[quad][r % tile_rows] = word ^ static_cast<int32_t>(0x80808080u);
        }
    }
    return no_bad_row;
}

// sum += products of the unsigned bytes of rows and the signed ones of codes, four a lane. Around the intrinsic g++ 12
// copies every accumulator twice.
VQ4J_SHARED void add_products(__m512i& sum, __m512i rows, __m512i codes) {
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(rows), "v"(codes));
}

// The filter's scores of a tile with a piece of the codebook.
struct PieceScores {
    alignas(64) float score[tile_rows][filter_piece * filter_group * tile_codes];
    alignas(64) float group[tile_rows][filter_piece][lanes];  // the largest of each lane in the group
};

// Inlined, its accumulators would not stay in registers.
__attribute__((noinline)) void filter_tile(const FilterOfCodebook& filter, const float* negative_h, int64_t panels,
    int64_t features, const int32_t (*words)[tile_rows], int64_t begin_group, int64_t end_group,
    const FilteredRow* rows, PieceScores& scores) {
    const int64_t quads = (features + 3) / 4;
    for (int64_t panel = begin_group * filter_group; panel < end_group * filter_group; ++panel) {
        const int64_t group = panel / filter_group - begin_group;
        const bool first_of_group = panel % filter_group == 0;
        if (panel >= panels) {
            for (int r = 0; r < tile_rows; ++r) {
                for (int i = 0; i < tile_codes; i += lanes) {
                    store(scores.score[r] + (panel - begin_group * filter_group) * tile_codes + i,
                        all(-std::numeric_limits<float>::infinity()));
                }
            }
            continue;
        }
        const int64_t first_code = panel * tile_codes;
        const int8_t* codes = filter.bytes + first_code * quads * 4;
        __m512i sum[tile_rows][2];
        const __m512i start0 = _mm512_loadu_si512(filter.starts + first_code);
        const __m512i start1 = _mm512_loadu_si512(filter.starts + first_code + lanes);
        for (int r = 0; r < tile_rows; ++r) {
            sum[r][0] = start0;
            sum[r][1] = start1;
        }
        for (int64_t quad = 0; quad < quads; ++quad) {
            const __m512i c0 = _mm512_loadu_si512(codes);
            const __m512i c1 = _mm512_loadu_si512(codes + 64);
            for (int r = 0; r < tile_rows; ++r) {
                const __m512i z = _mm512_set1_epi32(words[quad][r]);
                add_products(sum[r][0], z, c0);
                add_products(sum[r][1], z, c1);
            }
            codes += 2 * 64;
        }
        const __m512 scale0 = load(filter.scales + first_code).v;
        const __m512 scale1 = load(filter.scales + first_code + lanes).v;
        const __m512 h0 = load(negative_h + first_code).v;
        const __m512 h1 = load(negative_h + first_code + lanes).v;
        for (int r = 0; r < tile_rows; ++r) {
            const __m512 scale = _mm512_set1_ps(rows[r].scale);
            const __m512 t0 = _mm512_fmadd_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sum[r][0]), scale0), scale, h0);
            const __m512 t1 = _mm512_fmadd_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sum[r][1]), scale1), scale, h1);
            float* const to = scores.score[r] + (panel - begin_group * filter_group) * tile_codes;
            store(to, Floats{t0});
            store(to + lanes, Floats{t1});
            __m512 largest = _mm512_max_ps(t0, t1);
            if (!first_of_group) {
                largest = _mm512_max_ps(largest, load(scores.group[r][group]).v);
            }
            store(scores.group[r][group], Floats{largest});
        }
    }
}

// Adds the codes of a piece that may be a row's best to its candidates; one too many stands for a list that is too
// long.
void list_candidates(const FilterOfCodebook& filter, int64_t begin_group, int64_t end_group, const float* scores,
    const float (*group_scores)[lanes], FilteredRow& row) {
    float doubt[filter_piece];
    for (int64_t g = 0; g < filter_piece; ++g) {
        doubt[g] = row.doubt(filter.lengths[begin_group + g], filter.residuals[begin_group + g]);
    }
    __m512 least = _mm512_set1_ps(row.least);
    for (int64_t g = 0; g < end_group - begin_group; ++g) {
        least = _mm512_max_ps(least, _mm512_sub_ps(load(group_scores[g]).v, _mm512_set1_ps(doubt[g])));
    }
    row.least = largest_lane({least});
    for (int64_t g = 0; g < end_group - begin_group; ++g) {
        const __m512 least_of_group = _mm512_set1_ps(row.least - doubt[g]);
        if (_mm512_cmp_ps_mask(load(group_scores[g]).v, least_of_group, _CMP_GE_OQ) == 0) {
            continue;
        }
        for (int64_t i = g * filter_group * tile_codes; i < (g + 1) * filter_group * tile_codes; i += lanes) {
            uint32_t open = _mm512_cmp_ps_mask(load(scores + i).v, least_of_group, _CMP_GE_OQ);
            for (; open != 0 && row.candidates <= most_candidates; open &= open - 1) {
                const int64_t place = i + __builtin_ctz(open);
                if (row.candidates < most_candidates) {
                    row.candidate[row.candidates] = {
                        static_cast<int32_t>(begin_group * filter_group * tile_codes + place), scores[place]};
                }
                ++row.candidates;
            }
        }
    }
}

// Canonical scores of pairs of a row and a code, several chains side by side.
class CanonicalScores {
public:
    CanonicalScores(const FilterOfCodebook& filter, const float* negative_h, int64_t features)
        : filter_(filter), negative_h_(negative_h), features_(features) {}

    // best and code belong to the row; they hold its result after flush().
    void add(const float* z, int32_t k, float* best, int32_t* code) {
        z_[count_] = z;
        c_[count_] = filter_.rows + k * features_;
        k_[count_] = k;
        best_[count_] = best;
        code_[count_] = code;
        if (++count_ == chains) {
            flush();
        }
    }

    void flush() {
        for (int i = count_; count_ > 0 && i < chains; ++i) {
            z_[i] = z_[0];
            c_[i] = c_[0];
            k_[i] = k_[0];
        }
        if (count_ == 0) {
            return;
        }
        float score[chains];
        for (int i = 0; i < chains; ++i) {
            score[i] = negative_h_[k_[i]];
        }
        for (int64_t d = 0; d < features_; ++d) {
#pragma GCC unroll 8
            for (int i = 0; i < chains; ++i) {
                score[i] = fused_multiply_add(z_[i][d], c_[i][d], score[i]);
            }
        }
        for (int i = 0; i < count_; ++i) {
            if (beats(score[i], k_[i], *best_[i], *code_[i])) {
                *best_[i] = score[i];
                *code_[i] = k_[i];
            }
        }
        count_ = 0;
    }

private:
    const FilterOfCodebook& filter_;
    const float* negative_h_;
    int64_t features_;
    int count_ = 0;
    const float* z_[chains];
    const float* c_[chains];
    int32_t k_[chains];
    float* best_[chains];
    int32_t* code_[chains];
};

// Rows that the filter leaves open: gathered, and given to the exact kernel.
void assign_open_rows(Rows rows, PackedCodebook<const float> packed, int64_t codes_count, const int64_t* open,
    int64_t count, float* workspace, int32_t* codes) {
    constexpr int64_t gathered_rows = 4 * tile_rows;
    const int64_t features = rows.layout.features;
    float gathered[gathered_rows * most_filtered_features];
    int32_t results[gathered_rows];
    for (int64_t first = 0; first < count; first += gathered_rows) {
        const int64_t some = count - first < gathered_rows ? count - first : gathered_rows;
        for (int64_t i = 0; i < some; ++i) {
            for (int64_t d = 0; d < features; ++d) {
                gathered[i * features + d] = rows.row(open[first + i])[d * rows.layout.stride()];
            }
        }
        assign({gathered, {some, 1, features}}, packed, codes_count, 0, some, workspace, results);
        for (int64_t i = 0; i < some; ++i) {
            codes[open[first + i]] = results[i];
        }
    }
}

// As assign. Where the filter leaves many rows of a block open, the thread does without it for some blocks.
int64_t assign_filtered(Rows rows, PackedCodebook<const float> packed, int64_t codes_count, int64_t begin, int64_t end,
    float* workspace, int32_t* codes) {
    static thread_local int32_t blocks_without = 0;
    constexpr int32_t blocks_after_failure = 64;
    const int64_t features = rows.layout.features;
    const int64_t count = end - begin;
    if (packed.filter[0] == 0.0f || count < least_filtered_rows) {
        return assign(rows, packed, codes_count, begin, end, workspace, codes);
    }
    if (blocks_without > 0) {
        --blocks_without;
        return assign(rows, packed, codes_count, begin, end, workspace, codes);
    }
    const FilterOfCodebook filter =
        filter_view<const int32_t, const int8_t, const float>(packed.filter, codes_count, features);
    FilteredBlock block;
    const int64_t bad = round_rows(rows, packed.centre, filter, begin, end, workspace, block);
    if (bad != no_bad_row) {
        return bad;
    }
    const int64_t panels = panels_of(codes_count, tile_codes);
    PieceScores scores;
    for (int64_t group = 0; group < filter.groups; group += filter_piece) {
        const int64_t end_group = group + filter_piece < filter.groups ? group + filter_piece : filter.groups;
        for (int64_t first = 0; first < count; first += tile_rows) {
            filter_tile(filter, packed.negative_h, panels, features, block.words[first / tile_rows], group, end_group,
                block.row + first, scores);
            for (int64_t r = 0; r < tile_rows && first + r < count; ++r) {
                list_candidates(filter, group, end_group, scores.score[r], scores.group[r], block.row[first + r]);
            }
        }
    }

    CanonicalScores canonical(filter, packed.negative_h, features);
    float best[assign_block_rows];
    int64_t open[assign_block_rows];
    int64_t open_rows = 0;
    for (int64_t r = 0; r < count; ++r) {
        FilteredRow& row = block.row[r];
        if (!is_finite(row.rounding) || row.candidates > most_candidates) {
            open[open_rows++] = begin + r;
            continue;
        }
        int32_t left = 0;
        for (int32_t i = 0; i < row.candidates; ++i) {
            const Candidate candidate = row.candidate[i];
            const int64_t group = candidate.code / (filter_group * tile_codes);
            const float doubt = row.doubt(filter.lengths[group], filter.residuals[group]);
            if (candidate.score >= row.least - doubt) {
                row.candidate[left++] = candidate;
            }
        }
        codes[begin + r] = row.candidate[0].code;
        best[r] = -std::numeric_limits<float>::infinity();
        for (int32_t i = 0; left > 1 && i < left; ++i) {
            canonical.add(workspace + r * features, row.candidate[i].code, best + r, codes + begin + r);
        }
    }
    canonical.flush();
    assign_open_rows(rows, packed, codes_count, open, open_rows, workspace, codes);
    blocks_without = 4 * open_rows > count ? blocks_after_failure : 0;
    return no_bad_row;
}

}  // namespace
}  // namespace vq4j

#endif
