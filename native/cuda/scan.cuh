// Exclusive prefix sums.
#ifndef VQ4J_CUDA_SCAN_CUH
#define VQ4J_CUDA_SCAN_CUH

#include "cuda/launch.cuh"

namespace vq4j {

// Replaces values[i] by the sum of the values before it; values[count] becomes the sum of all.
void exclusive_scan(int64_t* values, int64_t count, cudaStream_t stream);

// The sum of the values of the threads of the block before the running one, and of all of them: within a warp by shuffles,
// of the warps before one after the other. For blocks of block_threads; every thread calls it.
__device__ __forceinline__ int64_t sum_before(int64_t value, int64_t* warp_sums, int64_t& total) {
    const int warp = static_cast<int>(threadIdx.x) / 32;
    const int lane = static_cast<int>(threadIdx.x) % 32;
    long long sum = value;
    for (int delta = 1; delta < 32; delta *= 2) {
        const long long other = __shfl_up_sync(0xffffffffu, sum, static_cast<unsigned>(delta));
        sum += lane >= delta ? other : 0;
    }
    if (lane == 31) {
        warp_sums[warp] = sum;
    }
    __syncthreads();
    int64_t before = sum - value;
    total = 0;
    for (int w = 0; w < block_threads / 32; ++w) {
        before += w < warp ? warp_sums[w] : 0;
        total += warp_sums[w];
    }
    return before;
}

}  // namespace vq4j

#endif
