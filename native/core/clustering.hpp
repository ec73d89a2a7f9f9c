// What the k-means operations of both implementations share: when a fit ends, how mini-batches move a code.
#ifndef VQ4J_CORE_CLUSTERING_HPP
#define VQ4J_CORE_CLUSTERING_HPP

#include "core/arithmetic.hpp"
#include "core/failure.hpp"
#include "core/random.hpp"

namespace vq4j {

inline void check_fit(int64_t max_iterations, double tolerance) {
    if (max_iterations < 0) {
        invalid("need max_iterations >= 0, got " + std::to_string(max_iterations));
    }
    if (!(tolerance >= 0.0)) {
        invalid("need tolerance >= 0, got " + std::to_string(tolerance));
    }
}

// Whether the assignment number `iteration` (from 0) is the fit's last: no move may follow, or the last one gained no
// more than the tolerance.
VQ4J_SHARED bool fit_ends(int64_t iteration, int64_t max_iterations, double previous, double objective,
    double tolerance) {
    return iteration == max_iterations || (iteration > 0 && previous - objective <= tolerance * previous);
}

// The row at place i of mini-batch number `batch`.
VQ4J_SHARED int64_t sampled_row(int64_t i, uint64_t seed, uint64_t batch, int64_t rows) {
    return uniform_below(seed, static_cast<uint64_t>(i), purpose::sampled_row + batch, rows);
}

// An element of a code that `total` rows have moved so far, the last `count` of them with this sum: the mean of all of
// them, which is what Sculley's steps with rate 1 / total come to.
VQ4J_SHARED float mini_batch_element(float code, float sum, int64_t count, int64_t total) {
    const float residual = fused_multiply_add(-static_cast<float>(count), code, sum);
    return code + residual / static_cast<float>(total);
}

}  // namespace vq4j

#endif
