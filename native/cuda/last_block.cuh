// The block that finishes last: it can go on with what all blocks of a launch have written, which saves the launch of a
// kernel for it.
#ifndef VQ4J_CUDA_LAST_BLOCK_CUH
#define VQ4J_CUDA_LAST_BLOCK_CUH

#include "cuda/mark.cuh"

namespace vq4j {

// Of one launch, which has a grid of one dimension.
struct FinishedBlocks {
    unsigned* count;  // the low half of a mark

    // Counts the block as finished, and says whether all others are: what they have written is visible then. All threads of
    // the block call it; `told` is shared memory.
    __device__ __forceinline__ bool this_is_last(bool& told) const {
        __syncthreads();
        if (threadIdx.x == 0) {
            __threadfence();
            told = atomicAdd(count, 1u) == static_cast<unsigned>(first_bad_none) + gridDim.x - 1;
            __threadfence();
        }
        __syncthreads();
        return told;
    }
};

class DeviceFinishedBlocks {
public:
    explicit DeviceFinishedBlocks(cudaStream_t stream) : mark_(stream) {}

    FinishedBlocks get() const { return {reinterpret_cast<unsigned*>(mark_.get())}; }

private:
    DeviceMark mark_;
};

// The sum of `count` doubles in their order, which one thread has to make; the block brings them to it. `room` is shared
// memory, as many doubles as the block has threads. Thread 0 returns the sum.
__device__ __forceinline__ double sum_in_order(const double* values, int64_t count, double* room) {
    const int64_t threads = blockDim.x;
    double sum = 0.0;
    for (int64_t first = 0; first < count; first += threads) {
        if (first + threadIdx.x < count) {
            room[threadIdx.x] = values[first + threadIdx.x];
        }
        __syncthreads();
        if (threadIdx.x == 0) {
            const int64_t left = count - first < threads ? count - first : threads;
            for (int64_t i = 0; i < left; ++i) {
                sum = sum + room[i];
            }
        }
        __syncthreads();
    }
    return sum;
}

}  // namespace vq4j

#endif
