// k-means++ seeding: K draws one after the other. After each, the rows' weights (the squared distances to their
// nearest code drawn) are lowered, the weights are summed over chunks in fp64, and the next row is picked.
//
// A row with weight w, nearest to code j, is left alone when the new code c is far from j (Raff, IJCAI 2021): |z -
// c_j| <= |c - c_j| / 2 makes |z - c| >= |z - c_j|. The sums of squares are computed with a relative error below g =
// score_slack(D); w <= |c - c_j|^2 / 4 * (1 - 8 g), in computed numbers, gives |z - c_j| <= |c - c_j| / 2 * (1 - 3 g),
// so |z - c|^2 >= |z - c_j|^2 (1 + 12 g) and the computed distance is not below w. 2^-100 covers what underflows. Rows
// in clusters that have their code are read no more; otherwise the rows are read K times.
#include "core/arguments.hpp"
#include "core/score_bounds.hpp"
#include "core/seeding.hpp"
#include "core/segments.hpp"
#include "cpu/chunks.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/kernels.hpp"
#include "cpu/scratch.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

namespace vq4j {
namespace {

// The largest weight with which a row may be left alone, from the squared distance of its code to the new one.
float reach_of(float squared_distance, float slack) {
    return is_finite(squared_distance) ? 0.25f * squared_distance * (1.0f - 8.0f * slack) - underflow_slack : -1.0f;
}

// What the draws know of the rows: their weights, the nearest of the codes drawn, and the sums of the chunks.
class Draws {
public:
    Draws(const float* rows, Layout layout, int64_t codes_count)
        : rows_{rows, layout}, whole_{1, layout.rows()}, weights_(layout.rows()), nearest_(layout.rows()),
          sums_(whole_.chunks()), reach_(codes_count), zeros_(codes_count) {
        std::fill_n(nearest_.get(), layout.rows(), 0);
        std::fill_n(zeros_.get(), codes_count, 0);
    }

    int64_t pick(int64_t draw, uint64_t seed) const {
        const DrawnChunk drawn = draw_chunk(draw, seed, sums_.get(), draw == 0 ? 0 : whole_.chunks());
        if (drawn.chunk < 0) {
            return draw_any_row(draw, seed, rows_.layout.rows());
        }
        const Chunk chunk = whole_.chunk(drawn.chunk);
        return chunk.begin + draw_row_of_chunk(drawn, weights_.get() + chunk.begin, chunk.end - chunk.begin);
    }

    void add_first(const float* code) {
        FirstBad bad;
        for_each_chunk([&](int64_t begin, int64_t end) {
            kernels().squared_distances(rows_, code, nearest_.get(), begin, end, weights_.get());
            for (int64_t n = begin; n < end; ++n) {
                // A bad row has a bad distance, as a finite one may have.
                if (!is_finite(weights_.get()[n]) && first_not_finite(rows_.data, rows_.layout, n, n + 1) == n) {
                    bad.note(n);
                }
            }
            return true;
        });
        bad.require_finite("z");
    }

    void add(const float* codebook, int64_t k) {
        const int64_t features = rows_.layout.features;
        const float* const code = codebook + k * features;
        const float slack = score_slack(features);
        parallel_ranges(k, features, [&](int64_t begin, int64_t end) {
            kernels().squared_distances({codebook, {k, 1, features}}, code, zeros_.get(), begin, end, reach_.get());
            for (int64_t j = begin; j < end; ++j) {
                reach_.get()[j] = reach_of(reach_.get()[j], slack);
            }
        });
        for_each_chunk([&](int64_t begin, int64_t end) {
            return kernels().lower_weights(rows_, code, static_cast<int32_t>(k), reach_.get(), begin, end,
                nearest_.get(), weights_.get());
        });
    }

private:
    // body(begin, end) for every chunk of rows, in parallel; where it returns true the chunk's weights are summed.
    template <typename Body>
    void for_each_chunk(Body body) {
        parallel_ranges(whole_.chunks(), chunk_rows * rows_.layout.features, [&](int64_t first, int64_t last) {
            for (int64_t i = first; i < last; ++i) {
                const Chunk chunk = whole_.chunk(i);
                if (body(chunk.begin, chunk.end)) {
                    sums_.get()[i] = sum_in_fp64(weights_.get(), chunk.begin, chunk.end);
                }
            }
        });
    }

    Rows rows_;
    Segments whole_;
    Scratch<float> weights_;
    Scratch<int32_t> nearest_;
    Scratch<double> sums_;
    Scratch<float> reach_;
    Scratch<int32_t> zeros_;
};

}  // namespace
}  // namespace vq4j

using namespace vq4j;

int32_t vq4j_cpu_seed_codebook(const float* rows, int64_t outer, int64_t inner, int64_t features, int64_t codes_count,
    uint64_t seed, float* codebook) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_codebook(codes_count, features);
        check_present({rows, codebook});
        check_enough_rows(layout.rows(), codes_count);
        Draws draws(rows, layout, codes_count);
        for (int64_t k = 0; k < codes_count; ++k) {
            const int64_t row = draws.pick(k, seed);
            float* const code = codebook + k * features;
            for (int64_t d = 0; d < features; ++d) {
                code[d] = rows[layout.offset(row) + d * layout.stride()];
            }
            if (k == 0) {
                draws.add_first(code);
            } else if (k + 1 < codes_count) {
                draws.add(codebook, k);
            }
        }
    });
}
