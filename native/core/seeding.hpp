// The draws of k-means++: the row at which the running sum of all rows' weights first exceeds a target, which is uniform
// below their sum. The sum runs by chunks first, then row by row inside the chunk. Where rounding leaves the target
// unreached, the last row with a weight seen.
#ifndef VQ4J_CORE_SEEDING_HPP
#define VQ4J_CORE_SEEDING_HPP

#include "core/random.hpp"

namespace vq4j {

// The first draw, and one where all weights are zero.
VQ4J_SHARED int64_t draw_any_row(int64_t draw, uint64_t seed, int64_t rows) {
    return uniform_below(seed, static_cast<uint64_t>(draw), purpose::seeding, rows);
}

// The chunk of the drawn row; what the running sum is before it, and the target.
struct DrawnChunk {
    int64_t chunk;  // negative where all weights are zero
    double before;
    double target;
};

VQ4J_SHARED DrawnChunk draw_chunk(int64_t draw, uint64_t seed, const double* chunk_sums, int64_t chunks) {
    double total = 0.0;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
        total = total + chunk_sums[chunk];
    }
    DrawnChunk drawn{-1, 0.0, uniform(seed, static_cast<uint64_t>(draw), purpose::seeding) * total};
    double running = 0.0;
    for (int64_t chunk = 0; chunk < chunks && total > 0.0 && !(running > drawn.target); ++chunk) {
        if (chunk_sums[chunk] > 0.0) {
            drawn.chunk = chunk;
            drawn.before = running;
            running = running + chunk_sums[chunk];
        }
    }
    return drawn;
}

// The drawn row among the `count` of its chunk, whose weights these are.
VQ4J_SHARED int64_t draw_row_of_chunk(DrawnChunk drawn, const float* weights, int64_t count) {
    int64_t chosen = 0;
    for (int64_t n = 0; n < count && !(drawn.before > drawn.target); ++n) {
        if (weights[n] > 0.0f) {
            chosen = n;
            drawn.before = drawn.before + static_cast<double>(weights[n]);
        }
    }
    return chosen;
}

}  // namespace vq4j

#endif
