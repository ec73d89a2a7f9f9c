// Rows of a tensor whose feature axis stands anywhere: the view described at the top of vq4j/operations.h.
#ifndef VQ4J_CORE_LAYOUT_HPP
#define VQ4J_CORE_LAYOUT_HPP

#include "core/arithmetic.hpp"

namespace vq4j {

struct Layout {
    int64_t outer;
    int64_t inner;
    int64_t features;

    // Distance in memory between two features of a row.
    VQ4J_SHARED_MEMBER int64_t stride() const { return inner; }

    VQ4J_SHARED_MEMBER int64_t rows() const { return outer * inner; }

    // Where row n begins.
    VQ4J_SHARED_MEMBER int64_t offset(int64_t n) const {
        return inner == 1 ? n * features : (n / inner) * (features * inner) + n % inner;
    }
};

}  // namespace vq4j

#endif
