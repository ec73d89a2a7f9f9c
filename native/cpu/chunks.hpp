// Sums of one number a row, in fp64 over the fixed chunks.
#ifndef VQ4J_CPU_CHUNKS_HPP
#define VQ4J_CPU_CHUNKS_HPP

#include <algorithm>

#include "core/arithmetic.hpp"

namespace vq4j {

inline double sum_in_fp64(const float* values, int64_t begin, int64_t end) {
    double sum = 0.0;
    for (int64_t n = begin; n < end; ++n) {
        sum = sum + static_cast<double>(values[n]);
    }
    return sum;
}

// The sums of chunks, in their order. A chunk's sum is one chain of additions; eight chunks side by side hide its latency.
inline double sum_of_chunks(const float* values, int64_t count) {
    constexpr int64_t side_by_side = 8;
    double sum = 0.0;
    int64_t done = 0;
    for (; done + side_by_side * chunk_rows <= count; done += side_by_side * chunk_rows) {
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
    for (; done < count; done += chunk_rows) {
        sum = sum + sum_in_fp64(values, done, std::min(count, done + chunk_rows));
    }
    return sum;
}

// Mean over all elements of rows whose sums over the features are `values`.
inline double mean_of_rows(const float* values, int64_t rows, int64_t features) {
    return sum_of_chunks(values, rows) / static_cast<double>(rows * features);
}

}  // namespace vq4j

#endif
