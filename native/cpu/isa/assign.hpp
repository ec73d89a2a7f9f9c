// The nearest code of every row: codes_n = argmax_k (c_k - m).(z_n - m) - h_k, the lowest k on a tie.
//
// A tile is 6 rows x 2 vectors of codes, a score a lane, started at -h and held in registers over all features: 12 chains
// of fused multiply-adds hide their latency, 2 loads of codes and 6 broadcasts feed them. A tile of few rows, all that a
// short call has, takes 4 vectors of codes, for twice the chains. Each lane keeps the best score it has seen and which
// vector of codes it was in; the lanes of a row are compared once at the end of its block. Rows are centred, checked and
// transposed into tiles once a block, and fetched while the block before is scored; codes stream from a piece of the codebook
// that stays in the second-level cache. The N x K scores are never written. Bound by the FMA units from about D = 32 up, below
// by the comparisons; on a core that another thread works on, too, by the number of instructions.
#ifndef VQ4J_CPU_ISA_ASSIGN_HPP
#define VQ4J_CPU_ISA_ASSIGN_HPP

#include <limits>

#include "cpu/assign_blocks.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/isa/blocks.hpp"
#include "cpu/isa/vector.hpp"
#include "cpu/kernels.hpp"

namespace vq4j {
namespace {

constexpr int tile_rows = 6;
constexpr int tile_codes = 2 * lanes;

// What is brought to the second-level cache meanwhile: for each feature what some panels have of it, `step` floats apart.
struct Ahead {
    const float* line;
    int64_t step;
};

// Scores of a tile's rows, [D][rows_in_tile], against the codes of panels side by side. In variables of their own and loops
// that are unrolled: else a vector of two registers (NEON) is written to the stack for every feature. Of a feature's values
// and vectors of codes, those that are fewer are held beside the sums.
template <int fetched_panels, int rows_in_tile, int vectors>
VQ4J_SHARED void score_panels(const float* tile, int64_t features, PackedCodebook<const float> packed, int64_t panel,
    Ahead ahead, Floats (&score)[rows_in_tile][vectors]) {
    const int64_t panel_floats = tile_codes * features;
    const float* const starts = packed.negative_h + panel * tile_codes;
    const float* codes = packed.codes + panel * panel_floats;
    const auto load_codes = [&](int v) { return load(codes + v / 2 * panel_floats + v % 2 * lanes); };
    Floats sum[rows_in_tile][vectors];
#pragma GCC unroll 6
    for (int r = 0; r < rows_in_tile; ++r) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v) {
            sum[r][v] = load(starts + v * lanes);
        }
    }
    const float* values = tile;
#pragma GCC unroll 4
    for (int64_t d = 0; d < features; ++d) {
#pragma GCC unroll 2
        for (int p = 0; p < fetched_panels; ++p) {
            fetch_to_second_level(ahead.line + p * tile_codes);
        }
        ahead.line += ahead.step;
        if (rows_in_tile < vectors) {
            Floats z[rows_in_tile];
#pragma GCC unroll 6
            for (int r = 0; r < rows_in_tile; ++r) {
                z[r] = all(values[r]);
            }
#pragma GCC unroll 4
            for (int v = 0; v < vectors; ++v) {
                const Floats c = load_codes(v);
#pragma GCC unroll 6
                for (int r = 0; r < rows_in_tile; ++r) {
                    add_product(z[r], c, sum[r][v]);
                }
            }
        } else {
            Floats c[vectors];
#pragma GCC unroll 4
            for (int v = 0; v < vectors; ++v) {
                c[v] = load_codes(v);
            }
#pragma GCC unroll 6
            for (int r = 0; r < rows_in_tile; ++r) {
                const Floats z = all(values[r]);
#pragma GCC unroll 4
                for (int v = 0; v < vectors; ++v) {
                    add_product(z, c[v], sum[r][v]);
                }
            }
        }
        codes += tile_codes;
        values += rows_in_tile;
    }
#pragma GCC unroll 6
    for (int r = 0; r < rows_in_tile; ++r) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v) {
            score[r][v] = sum[r][v];
        }
    }
}

// The same; the codes of as many panels behind them are brought to the second-level cache.
template <int rows_in_tile, int vectors>
VQ4J_SHARED void score_panels(const float* tile, int64_t features, PackedCodebook<const float> packed, int64_t panel,
    Floats (&score)[rows_in_tile][vectors]) {
    constexpr int panels = vectors / 2;
    score_panels<panels>(tile, features, packed, panel,
        {packed.codes + (panel + panels) * tile_codes * features, panels * tile_codes}, score);
}

// The best score of every lane of some rows, and of which vector of codes it is: code vector * lanes + lane.
struct BestLanes {
    float scores[assign_block_rows][lanes];
    int32_t vectors[assign_block_rows][lanes];
};

// rows_in_tile rows, [D][rows_in_tile], against panels begin ... end. Panel 0 is the first that a row meets. The block's first
// tile brings the codes to the caches for all, the others bring what is `ahead`.
template <int rows_in_tile, bool first_tile>
void score_tile(const float* tile, int64_t features, const PackedCodebook<const float>& packed, int64_t begin, int64_t end,
    Ahead ahead, int64_t first_row, BestLanes& best_lanes) {
    Floats best[rows_in_tile];
    Ints vector[rows_in_tile];
#pragma GCC unroll 6
    for (int r = 0; r < rows_in_tile; ++r) {
        best[r] = begin == 0 ? all(-std::numeric_limits<float>::infinity()) : load(best_lanes.scores[first_row + r]);
        vector[r] = begin == 0 ? all(0) : load(best_lanes.vectors[first_row + r]);
    }
    int64_t panel = begin;
    const auto take = [&](const auto& score) {
        constexpr int vectors = sizeof score[0] / sizeof score[0][0];
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v += 2) {
#pragma GCC unroll 6
            for (int r = 0; r < rows_in_tile; ++r) {
                take_better(score[r][v], score[r][v + 1], static_cast<int32_t>(2 * panel + v), best[r], vector[r]);
            }
        }
        panel += vectors / 2;
    };
    const auto score_next = [&](auto& score) {
        if (first_tile) {
            score_panels(tile, features, packed, panel, score);
        } else {
            score_panels<0>(tile, features, packed, panel, ahead, score);
        }
        take(score);
    };
    Floats score[rows_in_tile][2];
    if (!first_tile && begin == 0) {
        score_panels<1>(tile, features, packed, panel, ahead, score);
        take(score);
    }
    if (rows_in_tile <= rows_of_two_panels) {
        Floats two_panels[rows_in_tile][4];
        while (panel + 2 <= end) {
            score_next(two_panels);
        }
    }
    while (panel < end) {
        score_next(score);
    }
#pragma GCC unroll 6
    for (int r = 0; r < rows_in_tile; ++r) {
        store(best_lanes.scores[first_row + r], best[r]);
        store(best_lanes.vectors[first_row + r], vector[r]);
    }
}

// The code of the largest score, the lowest of them on a tie.
VQ4J_SHARED int32_t best_of_lanes(const float* scores, const int32_t* vectors) {
    const Floats of_lanes = load(scores);
    int32_t code = std::numeric_limits<int32_t>::max();
    for (uint32_t best = lanes_equal(of_lanes, largest_lane(of_lanes)); best != 0; best &= best - 1) {
        const int lane = __builtin_ctz(best);
        const int32_t other = vectors[lane] * lanes + lane;
        code = other < code ? other : code;
    }
    return code;
}

using ScoreTile = void (*)(
    const float*, int64_t, const PackedCodebook<const float>&, int64_t, int64_t, Ahead, int64_t, BestLanes&);
template <bool first_tile>
constexpr ScoreTile score_tiles[tile_rows] = {score_tile<1, first_tile>, score_tile<2, first_tile>, score_tile<3, first_tile>,
    score_tile<4, first_tile>, score_tile<5, first_tile>, score_tile<6, first_tile>};

// Centres a row with elements row[d * stride]. False where one is not finite.
template <typename Stride>
VQ4J_SHARED bool centre_row(const float* row, Stride stride, int64_t features, const float* centre, float* centred) {
    bool finite = true;
    for (int64_t d = 0; d < features; ++d) {
        finite &= is_finite(row[d * stride]);
        centred[d] = row[d * stride] - centre[d];
    }
    return finite;
}

// Centres `count` rows, at most a vector of them, into columns: element d of row r goes to columns[d * pitch + r], and what is
// behind the rows up to the pitch is finite. There is room for a vector behind. False where a row is not finite.
VQ4J_SHARED bool centre_rows(Rows rows, const float* centre, int64_t first, int64_t count, int64_t pitch, float* columns) {
    const int64_t features = rows.layout.features;
    Floats bad = all(0.0f);
    // Whole vectors: what they write too much is written over by the next ones.
    if (rows.layout.stride() != 1) {
        bool finite = true;
        for_each_run(rows.layout, first, first + count, count, [&](int64_t run, int64_t run_rows) {
            const float* const corner = rows.row(run);
            for (int64_t d = 0; d < features; ++d) {
                const float* const values = corner + d * rows.layout.stride();
                float* const column = columns + d * pitch + run - first;
                if (run == first) {
                    const Floats value = load_first(values, run_rows);
                    note_not_finite(value, bad);
                    store(column, value - all(centre[d]));
                    continue;
                }
                for (int64_t r = 0; r < run_rows; ++r) {
                    finite &= is_finite(values[r]);
                    column[r] = values[r] - centre[d];
                }
            }
        });
        return finite && !any_nan(bad);
    }
    for_each_vector(features, [&](int64_t d, auto access) {
        Floats values[lanes];
#pragma GCC unroll 16
        for (int64_t r = 0; r < lanes; ++r) {
            values[r] = all(0.0f);
            if (r < count) {
                const Floats value = access.load(rows.row(first + r) + d);
                note_not_finite(value, bad);
                values[r] = value - access.load(centre + d);
            }
        }
        if (pitch == 1) {
            access.store(columns + d, values[0]);
            return;
        }
        transpose(values);
#pragma GCC unroll 16
        for (int64_t i = 0; i < lanes; ++i) {
            if (i < features - d) {
                store(columns + (d + i) * pitch, values[i]);
            }
        }
    });
    return !any_nan(bad);
}

// Centres rows into tiles, [D][rows of the tile]. Returns the first bad one, or no_bad_row.
int64_t pack_tiles(Rows rows, const float* centre, int64_t begin, int64_t end, float* tiles) {
    int64_t bad = no_bad_row;
    for (int64_t n = begin; n < end && bad == no_bad_row; n += tile_rows) {
        const int64_t rows_in_tile = end - n < tile_rows ? end - n : tile_rows;
        if (!centre_rows(rows, centre, n, rows_in_tile, rows_in_tile, tiles + (n - begin) * rows.layout.features)) {
            bad = first_not_finite(rows.data, rows.layout, n, n + rows_in_tile);
        }
    }
    return bad;
}

// score(first panel, end panel, first row, rows in the tile) for the tiles of a block of `count` rows, piece after piece of the
// codebook.
template <typename Score>
VQ4J_SHARED void for_each_tile(int64_t count, int64_t codes_count, int64_t features, Score score) {
    const int64_t panels = panels_of(codes_count, tile_codes);
    const int64_t piece = panels_in_piece(features, tile_codes);
    for (int64_t first = 0; first < panels; first += piece) {
        const int64_t end = first + piece < panels ? first + piece : panels;
        for (int64_t r = 0; r < count; r += tile_rows) {
            score(first, end, r, count - r < tile_rows ? count - r : tile_rows);
        }
    }
}

// A tile's rows that begin with row n, most likely of the block that this thread takes next: the lines of all their features.
VQ4J_SHARED Ahead rows_ahead(Rows rows, int64_t n) {
    const int64_t first = n < rows.layout.rows() ? n : 0;
    return {rows.row(first), rows.layout.inner == 1 ? tile_rows : rows.layout.stride()};
}

// Rows begin ... end, at most a block. The workspace holds the block's tiles.
int64_t assign(Rows rows, PackedCodebook<const float> packed, int64_t codes_count, int64_t begin, int64_t end,
    float* workspace, int32_t* codes) {
    const int64_t features = rows.layout.features;
    const int64_t count = end - begin;
    const int64_t bad = pack_tiles(rows, packed.centre, begin, end, workspace);
    if (bad != no_bad_row) {
        return bad;
    }

    BestLanes best;
    for_each_tile(count, codes_count, features, [&](int64_t first, int64_t last, int64_t r, int64_t rows_in_tile) {
        const ScoreTile score = (r == 0 ? score_tiles<true> : score_tiles<false>)[rows_in_tile - 1];
        score(workspace + r * features, features, packed, first, last, rows_ahead(rows, end + r), r, best);
    });
    for (int64_t r = 0; r < count; ++r) {
        codes[begin + r] = best_of_lanes(best.scores[r], best.vectors[r]);
    }
    return no_bad_row;
}

}  // namespace
}  // namespace vq4j

#endif
