// Mean and variance as the CPU and the CUDA kernels compute them: shifted sums of chunks in fp32, combined in fp64, the chunks
// of a span first, then the spans.
#ifndef VQ4J_CORE_MOMENTS_HPP
#define VQ4J_CORE_MOMENTS_HPP

#include "core/arithmetic.hpp"

namespace vq4j {

// Chunks whose moments are combined first: one chain through all chunks would be the longest part of a pass on a GPU.
constexpr int64_t span_chunks = 64;
constexpr int64_t span_rows = span_chunks * chunk_rows;

VQ4J_SHARED int64_t spans_of(int64_t chunks) {
    return (chunks + span_chunks - 1) / span_chunks;
}

// Count, mean and sum of squared deviations; combined by the formula of Chan, Golub and LeVeque.
struct Moments {
    double count;
    double mean;
    double squares;
};

// Moments of one chunk of one column from the sums of x - shift and (x - shift)^2; shift is the chunk's first value.
VQ4J_SHARED Moments chunk_moments(int64_t count, float shift, float sum, float sum_of_squares) {
    const double n = static_cast<double>(count);
    const double offset = static_cast<double>(sum) / n;
    const double squares = static_cast<double>(sum_of_squares) - static_cast<double>(sum) * offset;
    return {n, static_cast<double>(shift) + offset, squares > 0.0 ? squares : 0.0};
}

VQ4J_SHARED Moments combine(Moments a, Moments b) {
    if (a.count == 0.0) {
        return b;
    }
    const double count = a.count + b.count;
    const double difference = b.mean - a.mean;
    const double weight = b.count / count;
    const double mean = a.mean + difference * weight;
    const double squares = a.squares + b.squares + difference * difference * (a.count * weight);
    return {count, mean, squares};
}

}  // namespace vq4j

#endif
