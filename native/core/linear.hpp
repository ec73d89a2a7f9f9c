// How the sums of linear_gradient are cut; arithmetic.hpp has the rule of the chunks.
#ifndef VQ4J_CORE_LINEAR_HPP
#define VQ4J_CORE_LINEAR_HPP

#include "core/layout.hpp"

namespace vq4j {

// The gradients of a linear map's weight and, behind it, bias: out_features x features and out_features numbers.
struct LinearSize {
    int64_t features;
    int64_t out_features;

    VQ4J_SHARED_MEMBER int64_t weights() const { return out_features * features; }
    VQ4J_SHARED_MEMBER int64_t gradients() const { return weights() + out_features; }
};

// Chunks whose sums are in memory at once. Their totals are added to in chunk order, so that no bit depends on it.
static inline int64_t chunks_at_once(LinearSize size, int64_t rows) {
    constexpr int64_t most_floats = int64_t{1} << 22;
    const int64_t chunks = most_floats / size.gradients();
    return chunks < 1 ? 1 : chunks < chunks_of(rows) ? chunks : chunks_of(rows);
}

}  // namespace vq4j

#endif
