// Sorting of 64-bit keys on the device.
#ifndef VQ4J_CUDA_SORT_KEYS_CUH
#define VQ4J_CUDA_SORT_KEYS_CUH

#include "cuda/launch.cuh"

namespace vq4j {

// The power of two that so many keys are padded to: with zeros, which come last.
inline int64_t padded_keys(int64_t count) {
    int64_t padded = 1;
    while (padded < count) {
        padded *= 2;
    }
    return padded;
}

// Sorts a power of two of keys, the greatest first; leaves them alone where *wanted is 0. A null wanted stands for any.
void sort_keys(uint64_t* keys, int64_t padded, const int64_t* wanted, cudaStream_t stream);

}  // namespace vq4j

#endif
