// Rows and features of a tensor's elements, numbered as they lie in memory.
#ifndef VQ4J_CUDA_ELEMENTS_CUH
#define VQ4J_CUDA_ELEMENTS_CUH

#include "core/layout.hpp"
#include "cuda/launch.cuh"

namespace vq4j {

struct Element {
    int64_t row;
    int64_t feature;
};

// Divisions take longer than most of what kernels do with an element: fewer for row-major tensors.
__device__ __forceinline__ Element element_at(Layout layout, int64_t i) {
    if (layout.inner == 1) {
        return {i / layout.features, i % layout.features};
    }
    const int64_t block = i / layout.inner;  // outer * D + feature
    return {block / layout.features * layout.inner + i % layout.inner, block % layout.features};
}

}  // namespace vq4j

#endif
