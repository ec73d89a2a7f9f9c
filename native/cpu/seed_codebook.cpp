// k-means++ seeding: K draws one after the other. After each, every row's weight (its squared distance to the nearest code
// drawn) is lowered, the weights are summed over chunks in fp64, and the next row is picked. The rows are read K times.
#include "core/arguments.hpp"
#include "core/random.hpp"
#include "cpu/chunks.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/kernels.hpp"
#include "cpu/scratch.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

using namespace vq4j;

int32_t vq4j_cpu_seed_codebook(const float* rows, int64_t outer, int64_t inner, int64_t features, int64_t codes_count,
    uint64_t seed, float* codebook) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_codebook(codes_count, features);
        check_present({rows, codebook});
        const int64_t rows_count = layout.rows();
        check_enough_rows(rows_count, codes_count);
        const Kernels& table = kernels();
        const Segments whole{1, rows_count};
        const Scratch<float> weights(rows_count);
        const Scratch<double> sums(whole.chunks());
        FirstBad bad;
        for (int64_t k = 0; k < codes_count; ++k) {
            const int64_t row = pick_row(k, seed, rows_count, weights.get(), sums.get());
            float* const code = codebook + k * features;
            for (int64_t d = 0; d < features; ++d) {
                code[d] = rows[layout.offset(row) + d * layout.stride()];
            }
            parallel_ranges(whole.chunks(), chunk_rows * features, [&](int64_t begin, int64_t end) {
                const int64_t last = whole.end(0, end - 1);
                bad.note(table.lower_weights({rows, layout}, code, k == 0, whole.begin(0, begin), last, weights.get()));
                for (int64_t chunk = begin; chunk < end; ++chunk) {
                    sums.get()[chunk] = sum_in_fp64(weights.get(), whole.begin(0, chunk), whole.end(0, chunk));
                }
            });
            if (k == 0) {
                bad.require_finite("z");
            }
        }
    });
}
