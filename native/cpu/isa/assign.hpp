// The nearest code of every row: codes_n = argmax_k (c_k - m).(z_n - m) - h_k, the lowest k on a tie.
//
// A tile is 6 rows x 2 vectors of codes, a score a lane, started at -h and held in registers over all features: 12 chains
// of fused multiply-adds hide their latency, 2 loads of codes and 6 broadcasts feed them. Each lane keeps the best score
// it has seen and its code; the lanes of a row are compared once at the end of its block. Rows are centred, checked and
// transposed into tiles once a block; codes stream from a piece of the codebook that stays in the second-level cache.
// The N x K scores are never written. Bound by the FMA units from about D = 32 up, below by the comparisons.
#ifndef VQ4J_CPU_ISA_ASSIGN_HPP
#define VQ4J_CPU_ISA_ASSIGN_HPP

#include <limits>

#include "core/lengths.hpp"
#include "cpu/assign_blocks.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/isa/vector.hpp"
#include "cpu/kernels.hpp"

namespace vq4j {
namespace {

constexpr int tile_rows = 6;
constexpr int tile_codes = 2 * lanes;

// The panel's codes, centred and transposed, and their -h: one chain a code, ascending features.
void pack_panel(const float* codebook, int64_t codes_count, int64_t features, const float* centre, int64_t panel,
    PackedCodebook<float> packed) {
    for (int64_t first = panel * tile_codes; first < (panel + 1) * tile_codes; first += lanes) {
        const int64_t count = codes_count - first < lanes ? codes_count - first : lanes;
        float* const codes = packed.codes + panel * tile_codes * features + first % tile_codes;
        Floats sums = all(0.0f);
        for_each_vector(features, [&](int64_t d, auto access) {
            Floats tile[lanes];
#pragma GCC unroll 16
            for (int64_t i = 0; i < lanes; ++i) {
                tile[i] = i < count ? access.load(codebook + (first + i) * features + d) - access.load(centre + d)
                                    : all(0.0f);
            }
            transpose(tile);
            Floats chain = sums;
#pragma GCC unroll 16
            for (int64_t i = 0; i < lanes; ++i) {
                if (i < features - d) {
                    store(codes + (d + i) * tile_codes, tile[i]);
                    chain = multiply_add(tile[i], tile[i], chain);
                }
            }
            sums = chain;
        });
        // Beyond the codebook: -infinity, which no row chooses.
        const Floats negative_h = all(-0.5f) * sums;
        const Floats none = all(-std::numeric_limits<float>::infinity());
        store(packed.negative_h + first, choose_first(count < 0 ? 0 : count, negative_h, none));
    }
}

// The directions of the panel's codes, transposed, with h = 0. Returns the first bad code, or no_bad_row.
int64_t pack_direction_panel(const float* codebook, int64_t codes_count, int64_t features, int64_t panel,
    PackedCodebook<float> packed) {
    const int64_t first = panel * tile_codes;
    float* const codes = packed.codes + first * features;
    int64_t bad = no_bad_row;
    for (int64_t i = tile_codes - 1; i >= 0; --i) {
        const bool exists = first + i < codes_count;
        const float* const code = codebook + (first + i) * features;
        const double length = exists ? length_in_fp64(code, 1, features) : 0.0;
        const double factor = length_factor(length, 1.0);
        bad = is_finite_length(length) ? bad : first + i;
        for (int64_t d = 0; d < features; ++d) {
            codes[d * tile_codes + i] = exists ? scaled_in_fp64(code[d], factor) : 0.0f;
        }
        packed.negative_h[first + i] = exists ? 0.0f : -std::numeric_limits<float>::infinity();
    }
    return bad;
}

// Scores of a tile's rows, [D][rows_in_tile], against the codes of one panel.
template <int rows_in_tile>
VQ4J_SHARED void score_panel(const float* tile, int64_t features, PackedCodebook<const float> packed, int64_t panel,
    Floats (&score)[rows_in_tile][2]) {
    const float* const starts = packed.negative_h + panel * tile_codes;
    const float* codes = packed.codes + panel * tile_codes * features;
    for (int r = 0; r < rows_in_tile; ++r) {
        score[r][0] = load(starts);
        score[r][1] = load(starts + lanes);
    }
    const float* values = tile;
    for (int64_t d = 0; d < features; ++d) {
        const Floats c0 = load(codes);
        const Floats c1 = load(codes + lanes);
        fetch_to_second_level(codes + tile_codes * features);  // the next panel's
        for (int r = 0; r < rows_in_tile; ++r) {
            const Floats z = all(values[r]);
            score[r][0] = multiply_add(z, c0, score[r][0]);
            score[r][1] = multiply_add(z, c1, score[r][1]);
        }
        codes += tile_codes;
        values += rows_in_tile;
    }
}

// The best score of every lane of some rows, and its code.
struct BestLanes {
    float scores[assign_block_rows][lanes];
    int32_t codes[assign_block_rows][lanes];
};

// rows_in_tile rows, [D][rows_in_tile], against panels begin ... end.
template <int rows_in_tile>
void score_tile(const float* tile, int64_t features, PackedCodebook<const float> packed, int64_t begin, int64_t end,
    int64_t first_row, BestLanes& best_lanes) {
    Floats best[rows_in_tile];
    Ints code[rows_in_tile];
    for (int r = 0; r < rows_in_tile; ++r) {
        best[r] = load(best_lanes.scores[first_row + r]);
        code[r] = load(best_lanes.codes[first_row + r]);
    }
    for (int64_t panel = begin; panel < end; ++panel) {
        Floats score[rows_in_tile][2];
        score_panel<rows_in_tile>(tile, features, packed, panel, score);
        const auto first_code = static_cast<int32_t>(panel * tile_codes);
        const Ints codes0 = ascending_from(first_code);
        const Ints codes1 = ascending_from(first_code + lanes);
        for (int r = 0; r < rows_in_tile; ++r) {
            take_better(score[r][0], codes0, best[r], code[r]);
            take_better(score[r][1], codes1, best[r], code[r]);
        }
    }
    for (int r = 0; r < rows_in_tile; ++r) {
        store(best_lanes.scores[first_row + r], best[r]);
        store(best_lanes.codes[first_row + r], code[r]);
    }
}

using ScoreTile = void (*)(const float*, int64_t, PackedCodebook<const float>, int64_t, int64_t, int64_t, BestLanes&);
constexpr ScoreTile score_tiles[tile_rows] = {
    score_tile<1>, score_tile<2>, score_tile<3>, score_tile<4>, score_tile<5>, score_tile<6>};

// Centres `count` rows into a tile, [D][count]. Returns the first bad one, or no_bad_row.
int64_t pack_tile(Rows rows, const float* centre, int64_t first, int64_t count, float* tile) {
    const int64_t features = rows.layout.features;
    bool bad = false;
    for (int64_t r = 0; r < count; ++r) {
        const float* const row = rows.row(first + r);
        for (int64_t d = 0; d < features; ++d) {
            const float value = row[d * rows.layout.stride()];
            bad |= !is_finite(value);
            tile[d * count + r] = value - centre[d];
        }
    }
    for (int64_t r = 0; bad && r < count; ++r) {
        const float* const row = rows.row(first + r);
        for (int64_t d = 0; d < features; ++d) {
            if (!is_finite(row[d * rows.layout.stride()])) {
                return first + r;
            }
        }
    }
    return no_bad_row;
}

// Centres rows into tiles. Returns the first bad one, or no_bad_row.
int64_t pack_tiles(Rows rows, const float* centre, int64_t begin, int64_t end, float* tiles) {
    int64_t bad = no_bad_row;
    for (int64_t n = begin; n < end && bad == no_bad_row; n += tile_rows) {
        const int64_t rows_in_tile = end - n < tile_rows ? end - n : tile_rows;
        bad = pack_tile(rows, centre, n, rows_in_tile, tiles + (n - begin) * rows.layout.features);
    }
    return bad;
}

// Rows begin ... end, at most a block. The workspace holds the block's tiles.
int64_t assign(Rows rows, PackedCodebook<const float> packed, int64_t codes_count, int64_t begin, int64_t end,
    float* workspace, int32_t* codes) {
    const int64_t features = rows.layout.features;
    const int64_t panels = panels_of(codes_count, tile_codes);
    const int64_t count = end - begin;
    const int64_t bad = pack_tiles(rows, packed.centre, begin, end, workspace);
    if (bad != no_bad_row) {
        return bad;
    }

    BestLanes best;
    for (int64_t r = 0; r < count; ++r) {
        store(best.scores[r], all(-std::numeric_limits<float>::infinity()));
        for (int lane = 0; lane < lanes; ++lane) {
            best.codes[r][lane] = 0;
        }
    }
    const int64_t piece = panels_in_piece(features, tile_codes);
    for (int64_t first = 0; first < panels; first += piece) {
        const int64_t last = first + piece < panels ? first + piece : panels;
        for (int64_t r = 0; r < count; r += tile_rows) {
            const int64_t rows_in_tile = count - r < tile_rows ? count - r : tile_rows;
            score_tiles[rows_in_tile - 1](workspace + r * features, features, packed, first, last, r, best);
        }
    }
    for (int64_t r = 0; r < count; ++r) {
        float score = best.scores[r][0];
        int32_t code = best.codes[r][0];
        for (int lane = 1; lane < lanes; ++lane) {
            if (beats(best.scores[r][lane], best.codes[r][lane], score, code)) {
                score = best.scores[r][lane];
                code = best.codes[r][lane];
            }
        }
        codes[begin + r] = code;
    }
    return no_bad_row;
}

}  // namespace
}  // namespace vq4j

#endif
