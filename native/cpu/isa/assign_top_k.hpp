// The k nearest codes of every row, nearest first, by the scores of assign.hpp.
//
// A tile is that of assign.hpp: 6 rows x 2 vectors of codes held in registers over all features. Its scores are compared
// with the worst of the k that the row has so far, one compare a vector; only scores that reach it are looked at one by
// one. The N x K scores are never written. Beside the arithmetic, a row of random data costs about k ln(K / k) insertions
// after its first k: bound by the FMA units only where D K is large against them.
#ifndef VQ4J_CPU_ISA_ASSIGN_TOP_K_HPP
#define VQ4J_CPU_ISA_ASSIGN_TOP_K_HPP

#include "core/top_k.hpp"
#include "cpu/isa/assign.hpp"

namespace vq4j {
namespace {

// The best codes so far of rows that follow one another.
struct TopKOfRows {
    int64_t k;
    float* scores;   // rows x k
    int32_t* codes;  // rows x k

    VQ4J_SHARED_MEMBER TopK row(int64_t r) const { return {k, scores + r * k, codes + r * k}; }
};

// One panel's scores of a row; `candidates` has a bit for each of its codes that may be among the best. The codes that fill
// the last panel are behind all others in the order, and therefore not among the first k <= K.
void offer_panel(Floats score0, Floats score1, uint32_t candidates, int64_t first_code, TopK best) {
    float scores[tile_codes];
    store(scores, score0);
    store(scores + lanes, score1);
    for (; candidates != 0; candidates &= candidates - 1) {
        const int i = __builtin_ctz(candidates);
        best.offer(scores[i], static_cast<int32_t>(first_code + i));
    }
}

// rows_in_tile rows, [D][rows_in_tile], against panels begin ... end.
template <int rows_in_tile>
void offer_tile(const float* tile, int64_t features, const PackedCodebook<const float>& packed, int64_t begin, int64_t end,
    int64_t first_row, TopKOfRows best) {
    for (int64_t panel = begin; panel < end; ++panel) {
        Floats score[rows_in_tile][2];
        score_panels(tile, features, packed, panel, score);
        for (int r = 0; r < rows_in_tile; ++r) {
            const TopK of_row = best.row(first_row + r);
            const Floats least = all(of_row.least());
            const uint32_t candidates =
                lanes_not_below(score[r][0], least) | lanes_not_below(score[r][1], least) << lanes;
            if (candidates != 0) {
                offer_panel(score[r][0], score[r][1], candidates, panel * tile_codes, of_row);
            }
        }
    }
}

using OfferTile = void (*)(
    const float*, int64_t, const PackedCodebook<const float>&, int64_t, int64_t, int64_t, TopKOfRows);
constexpr OfferTile offer_tiles[tile_rows] = {
    offer_tile<1>, offer_tile<2>, offer_tile<3>, offer_tile<4>, offer_tile<5>, offer_tile<6>};

// Rows begin ... end, at most a block. The workspace holds the block's tiles, `scores` k scores a row.
int64_t assign_top_k(Rows rows, PackedCodebook<const float> packed, int64_t codes_count, int64_t k, int64_t begin,
    int64_t end, float* workspace, float* scores, int32_t* codes) {
    const int64_t features = rows.layout.features;
    const int64_t count = end - begin;
    const int64_t bad = pack_tiles(rows, packed.centre, begin, end, workspace);
    if (bad != no_bad_row) {
        return bad;
    }

    const TopKOfRows best = {k, scores, codes + begin * k};
    for (int64_t r = 0; r < count; ++r) {
        best.row(r).clear();
    }
    for_each_tile(count, codes_count, features, [&](int64_t first, int64_t last, int64_t r, int64_t rows_in_tile) {
        offer_tiles[rows_in_tile - 1](workspace + r * features, features, packed, first, last, r, best);
    });
    return no_bad_row;
}

}  // namespace
}  // namespace vq4j

#endif
