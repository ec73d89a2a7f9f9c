// A random code of every row, by the scores of assign.hpp with noise.
//
// A tile is that of assign.hpp, held in registers over all features. The scores of a row and a panel are then offered in the
// order of the codes; only where bounds leave a chance, the generator is called and logarithms are taken. The N x K scores
// are never written. Bound by the generator below some D = 100, where the temperature leaves most codes a chance.
#ifndef VQ4J_CPU_ISA_SAMPLE_CODES_HPP
#define VQ4J_CPU_ISA_SAMPLE_CODES_HPP

#include "core/code_sampling.hpp"
#include "cpu/isa/assign.hpp"

namespace vq4j {
namespace {

// rows_in_tile rows, [D][rows_in_tile], the first of which is row n, against panels.
template <int rows_in_tile>
void sample_tile(const float* tile, int64_t features, const PackedCodebook<const float>& packed, int64_t begin, int64_t end,
    const CodeSampling& sampling, int64_t n, SampledCode* best) {
    for (int64_t panel = begin; panel < end; ++panel) {
        Floats score[rows_in_tile][2];
        score_panels(tile, features, packed, panel, score);
        for (int i = 0; i < rows_in_tile; ++i) {
            float scores[tile_codes];
            store(scores, score[i][0]);
            store(scores + lanes, score[i][1]);
            for (int64_t first = 0; first < tile_codes; first += codes_a_draw) {
                best[i].offer(sampling, n + i, panel * tile_codes + first, scores + first);
            }
        }
    }
}

using SampleTile = void (*)(const float*, int64_t, const PackedCodebook<const float>&, int64_t, int64_t, const CodeSampling&,
    int64_t, SampledCode*);
constexpr SampleTile sample_tiles[tile_rows] = {
    sample_tile<1>, sample_tile<2>, sample_tile<3>, sample_tile<4>, sample_tile<5>, sample_tile<6>};

// Rows begin ... end, at most a block. The workspace holds the block's tiles.
int64_t sample_codes(Rows rows, PackedCodebook<const float> packed, int64_t codes_count, const CodeSampling& sampling,
    int64_t begin, int64_t end, float* workspace, int32_t* codes) {
    const int64_t features = rows.layout.features;
    const int64_t count = end - begin;
    const int64_t bad = pack_tiles(rows, packed.centre, begin, end, workspace);
    if (bad != no_bad_row) {
        return bad;
    }

    SampledCode best[assign_block_rows];
    for (int64_t r = 0; r < count; ++r) {
        best[r] = {-std::numeric_limits<double>::infinity(), 0};
    }
    for_each_tile(count, codes_count, features, [&](int64_t first, int64_t last, int64_t r, int64_t rows_in_tile) {
        sample_tiles[rows_in_tile - 1](
            workspace + r * features, features, packed, first, last, sampling, begin + r, best + r);
    });
    for (int64_t r = 0; r < count; ++r) {
        codes[begin + r] = best[r].code;
    }
    return no_bad_row;
}

}  // namespace
}  // namespace vq4j

#endif
