// Exclusive prefix sums.
#ifndef VQ4J_CUDA_SCAN_CUH
#define VQ4J_CUDA_SCAN_CUH

#include "cuda/launch.cuh"

namespace vq4j {

// Replaces values[i] by the sum of the values before it; values[count] becomes the sum of all.
void exclusive_scan(int64_t* values, int64_t count, cudaStream_t stream);

}  // namespace vq4j

#endif
