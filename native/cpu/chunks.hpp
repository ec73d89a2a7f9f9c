// The fixed chunks over which sums run.
#ifndef VQ4J_CPU_CHUNKS_HPP
#define VQ4J_CPU_CHUNKS_HPP

#include <algorithm>

#include "core/arithmetic.hpp"

namespace vq4j {

// body(begin, end) for every chunk of `rows` rows, in order.
template <typename Body>
void for_each_chunk(int64_t rows, Body body) {
    for (int64_t begin = 0; begin < rows; begin += chunk_rows) {
        body(begin, std::min(rows, begin + chunk_rows));
    }
}

inline double sum_in_fp64(const float* values, int64_t begin, int64_t end) {
    double sum = 0.0;
    for (int64_t n = begin; n < end; ++n) {
        sum = sum + static_cast<double>(values[n]);
    }
    return sum;
}

// Mean over all elements of rows whose sums over the features are `values`: fp64 sums of chunks, in their order. A chunk's
// sum is one chain of additions; eight chunks side by side hide its latency.
inline double mean_of_rows(const float* values, int64_t rows, int64_t features) {
    constexpr int64_t side_by_side = 8;
    double sum = 0.0;
    int64_t done = 0;
    for (; done + side_by_side * chunk_rows <= rows; done += side_by_side * chunk_rows) {
        double sums[side_by_side] = {};
        for (int64_t i = 0; i < chunk_rows; ++i) {
            for (int64_t chunk = 0; chunk < side_by_side; ++chunk) {
                sums[chunk] = sums[chunk] + static_cast<double>(values[done + chunk * chunk_rows + i]);
            }
        }
        for (const double of_chunk : sums) {
            sum = sum + of_chunk;
        }
    }
    for_each_chunk(rows - done, [&](int64_t begin, int64_t end) {
        sum = sum + sum_in_fp64(values, done + begin, done + end);
    });
    return sum / static_cast<double>(rows * features);
}

// Chunks of equally long segments that follow one another: the samples of a batch, the groups of a codebook.
struct Segments {
    int64_t count;
    int64_t rows;  // of each

    int64_t chunks() const { return chunks_of(rows); }
    int64_t begin(int64_t segment, int64_t chunk) const { return segment * rows + chunk * chunk_rows; }
    int64_t end(int64_t segment, int64_t chunk) const {
        return segment * rows + std::min(rows, (chunk + 1) * chunk_rows);
    }
};

}  // namespace vq4j

#endif
