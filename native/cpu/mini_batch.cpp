// Mini-batch k-means: drawing a batch (one gather of its rows), and its move of the codebook. Bound by memory.
#include "core/arguments.hpp"
#include "core/clustering.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

using namespace vq4j;

int32_t vq4j_cpu_sample_rows(const float* rows, int64_t outer, int64_t inner, int64_t features, int64_t count,
    uint64_t seed, uint64_t batch, float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_sizes({{"count", count}, {"features", features}});
        check_present({rows, out});
        parallel_ranges(count, features, [=](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) {
                const float* const row = rows + layout.offset(sampled_row(i, seed, batch, layout.rows()));
                for (int64_t d = 0; d < features; ++d) {
                    out[i * features + d] = row[d * layout.stride()];
                }
            }
        });
    });
}

int32_t vq4j_cpu_mini_batch_update(const float* sums, const int64_t* counts, int64_t codes_count, int64_t features,
    int64_t* totals, float* codebook) {
    return guarded([&] {
        check_codebook(codes_count, features);
        check_present({sums, counts, totals, codebook});
        parallel_ranges(codes_count, features, [=](int64_t begin, int64_t end) {
            for (int64_t k = begin; k < end; ++k) {
                totals[k] += counts[k];
                for (int64_t d = 0; counts[k] > 0 && d < features; ++d) {
                    float& element = codebook[k * features + d];
                    element = mini_batch_element(element, sums[k * features + d], counts[k], totals[k]);
                }
            }
        });
    });
}
