// A random code of every row, by the scores of assign.hpp with noise.
//
// A tile is that of assign.hpp, held in registers over all features. The scores of a row and a panel get their noise one
// beside the other, two logarithms in fp64 each, and are then compared in the order of the codes. The N x K scores are
// never written. Bound by the logarithms below some D = 500.
#ifndef VQ4J_CPU_ISA_SAMPLE_CODES_HPP
#define VQ4J_CPU_ISA_SAMPLE_CODES_HPP

#include "core/code_sampling.hpp"
#include "cpu/isa/assign.hpp"

namespace vq4j {
namespace {

// The largest noisy score of every row of a block so far, and its code.
struct SampledCodes {
    double scores[assign_block_rows];
    int32_t codes[assign_block_rows];

    // The scores of row n, number r of the block, and a panel that begins with a code. Those of the codes that fill the
    // last panel are -infinity.
    void offer(const CodeSampling& sampling, int64_t n, int64_t r, int64_t first_code, const float* panel_scores) {
        uint32_t bits[tile_codes];
        for (int64_t i = 0; i < tile_codes; i += codes_a_draw) {
            const RandomBits drawn = sampling.draw(n, first_code + i);
            memcpy(bits + i, drawn.word, sizeof drawn.word);
        }
        double noisy[tile_codes];
        for (int64_t i = 0; i < tile_codes; ++i) {
            noisy[i] = sampling.noisy(panel_scores[i], bits[i]);
        }
        for (int64_t i = 0; i < tile_codes; ++i) {
            if (noisy[i] > scores[r]) {
                scores[r] = noisy[i];
                codes[r] = static_cast<int32_t>(first_code + i);
            }
        }
    }
};

// rows_in_tile rows, [D][rows_in_tile], the first of which is number r of the block and n of all, against panels.
template <int rows_in_tile>
void sample_tile(const float* tile, int64_t features, PackedCodebook<const float> packed, int64_t begin, int64_t end,
    const CodeSampling& sampling, int64_t n, int64_t r, SampledCodes& best) {
    for (int64_t panel = begin; panel < end; ++panel) {
        Floats score[rows_in_tile][2];
        score_panel<rows_in_tile>(tile, features, packed, panel, score);
        for (int i = 0; i < rows_in_tile; ++i) {
            float scores[tile_codes];
            store(scores, score[i][0]);
            store(scores + lanes, score[i][1]);
            best.offer(sampling, n + i, r + i, panel * tile_codes, scores);
        }
    }
}

using SampleTile = void (*)(const float*, int64_t, PackedCodebook<const float>, int64_t, int64_t, const CodeSampling&,
    int64_t, int64_t, SampledCodes&);
constexpr SampleTile sample_tiles[tile_rows] = {
    sample_tile<1>, sample_tile<2>, sample_tile<3>, sample_tile<4>, sample_tile<5>, sample_tile<6>};

// Rows begin ... end, at most a block. The workspace holds the block's tiles.
int64_t sample_codes(Rows rows, PackedCodebook<const float> packed, int64_t codes_count, const CodeSampling& sampling,
    int64_t begin, int64_t end, float* workspace, int32_t* codes) {
    const int64_t features = rows.layout.features;
    const int64_t panels = panels_of(codes_count, tile_codes);
    const int64_t count = end - begin;
    const int64_t bad = pack_tiles(rows, packed.centre, begin, end, workspace);
    if (bad != no_bad_row) {
        return bad;
    }

    SampledCodes best;
    for (int64_t r = 0; r < count; ++r) {
        best.scores[r] = -std::numeric_limits<double>::infinity();
        best.codes[r] = 0;
    }
    const int64_t piece = panels_in_piece(features, tile_codes);
    for (int64_t first = 0; first < panels; first += piece) {
        const int64_t last = first + piece < panels ? first + piece : panels;
        for (int64_t r = 0; r < count; r += tile_rows) {
            const int64_t rows_in_tile = count - r < tile_rows ? count - r : tile_rows;
            sample_tiles[rows_in_tile - 1](
                workspace + r * features, features, packed, first, last, sampling, begin + r, r, best);
        }
    }
    memcpy(codes + begin, best.codes, static_cast<size_t>(count) * sizeof(int32_t));
    return no_bad_row;
}

}  // namespace
}  // namespace vq4j

#endif
