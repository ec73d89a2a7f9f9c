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

__device__ __forceinline__ Element element_at(Layout layout, int64_t i) {
    const int64_t block = i / layout.inner;  // outer * D + feature
    return {block / layout.features * layout.inner + i % layout.inner, block % layout.features};
}

}  // namespace vq4j

#endif
