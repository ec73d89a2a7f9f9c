// The weights of k-means++ after a draw: weight_n becomes |z_n - c|^2 where that is less, and nearest_n the new code.
//
// Rows whose weight is at most the reach of their nearest code cannot be nearer to the new one (seed_codebook.cpp has the
// proof): they are passed over, 8 bytes read each. Bound by memory: the rows that are measured, once.
#ifndef VQ4J_CPU_ISA_SEEDING_HPP
#define VQ4J_CPU_ISA_SEEDING_HPP

#include "cpu/isa/rows.hpp"

namespace vq4j {
namespace {

// Returns whether a weight has changed.
bool lower_weights(Rows rows, const float* code, int32_t k, const float* reach, int64_t begin, int64_t end,
    int32_t* nearest, float* weights) {
    const int64_t features = rows.layout.features;
    bool changed = false;
    const auto lower = [&](int64_t n, float distance) {
        const bool less = distance < weights[n];
        weights[n] = less ? distance : weights[n];
        nearest[n] = less ? k : nearest[n];
        changed |= less;
    };
    const auto add = [=](Floats sum, Floats z, int64_t d, auto access) {
        const Floats difference = z - access.load(code + d);
        return fused_multiply_add(difference, difference, sum);
    };
    for_each_block(rows.layout, begin, end, [&](int64_t first, int64_t count) {
        int32_t in_doubt[block_rows];
        int32_t doubts = 0;
        for (int64_t r = 0; r < count; ++r) {
            in_doubt[doubts] = static_cast<int32_t>(r);
            doubts += weights[first + r] <= reach[nearest[first + r]] ? 0 : 1;
        }
        if (doubts == 0) {
            return;
        }
        if (rows.layout.inner != 1) {
            float distances[block_rows];
            sum_features<1>({rows.data}, rows.layout, first, count, distances,
                [=](Floats sum, const Floats* z, int64_t, int64_t d, auto access) { return add(sum, z[0], d, access); });
            for (int64_t r = 0; r < count; ++r) {
                lower(first + r, distances[r]);
            }
            return;
        }
        for (int32_t i = 0; i < doubts; ++i) {
            const float* const row = rows.row(first + in_doubt[i]);
            Stripes sum = no_stripes();
            add_features(sum, features, [=](Floats stripe, int64_t d, auto access) {
                return add(stripe, access.load(row + d), d, access);
            });
            lower(first + in_doubt[i], add_stripes(sum));
        }
    });
    return changed;
}

}  // namespace
}  // namespace vq4j

#endif
