// The block that finishes last: it can go on with what all blocks of a launch have written, which saves the launch of a
// kernel for it.
#ifndef VQ4J_CUDA_LAST_BLOCK_CUH
#define VQ4J_CUDA_LAST_BLOCK_CUH

#include "cuda/mark.cuh"

namespace vq4j {

// Of one launch, which has a grid of one dimension.
struct FinishedBlocks {
    unsigned* counts;

    // Counts the block as finished, and says whether all others are: what they have written is visible then. All threads of
    // the block call it; `told` is shared memory.
    __device__ __forceinline__ bool this_is_last(bool& told) const { return this_is_last_of(gridDim.x, 0, told); }

    // The same of some of the blocks, which have a counter of their own.
    __device__ __forceinline__ bool this_is_last_of(int64_t blocks, int64_t counter, bool& told) const {
        __syncthreads();
        if (threadIdx.x == 0) {
            __threadfence();
            const unsigned last = static_cast<unsigned>(first_bad_none) + static_cast<unsigned>(blocks) - 1;
            told = atomicAdd(counts + counter, 1u) == last;
            __threadfence();
        }
        __syncthreads();
        return told;
    }
};

class DeviceFinishedBlocks {
public:
    explicit DeviceFinishedBlocks(cudaStream_t stream, int64_t counters = 1) {
        if (counters == 1) {
            mark_ = std::make_unique<DeviceMark>(stream);  // its low half
            counts_ = reinterpret_cast<unsigned*>(mark_->get());
            return;
        }
        own_ = std::make_unique<DeviceScratch<unsigned>>(counters, stream);
        counts_ = own_->get();
        fill(counts_, first_bad_none_byte, counters * static_cast<int64_t>(sizeof(unsigned)), stream);
    }

    FinishedBlocks get() const { return of(0); }

    // Where each counter is for a launch of its own.
    FinishedBlocks of(int64_t launch) const { return {counts_ + launch}; }

private:
    std::unique_ptr<DeviceMark> mark_;
    std::unique_ptr<DeviceScratch<unsigned>> own_;
    unsigned* counts_;
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
