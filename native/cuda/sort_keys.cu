// A bitonic network over a power of two of keys. Blocks of 2048 keys are sorted, and merged as far as they reach, in shared
// memory: one pass over them. Above, every comparison of keys that are farther apart is a pass. For N keys, with
// L = log2(N / 2048), 1 + L (L + 1) / 2 + L passes over 8 N bytes: bound by memory, and by launches for few.
#include "cuda/sort_keys.cuh"

namespace vq4j {
namespace sorting {

constexpr int64_t local_keys = 2048;

__device__ bool is_wanted(const int64_t* wanted) {
    return wanted == nullptr || *wanted != 0;
}

// Orders a pair: blocks of `block` keys become sorted, in turn the greatest first and the least first, until the one block
// of all has the greatest first.
__device__ void order_pair(uint64_t& low, uint64_t& high, int64_t low_at, int64_t block) {
    const bool greatest_first = (low_at & block) == 0;
    if ((low < high) == greatest_first) {
        const uint64_t other = low;
        low = high;
        high = other;
    }
}

// Where the lower key of comparison i stands, of keys `distance` apart.
__device__ int64_t low_of(int64_t i, int64_t distance) {
    return i / distance * (2 * distance) + i % distance;
}

// The steps of the network from blocks of `first_block` keys to blocks of `last_block`, as far as they compare keys within
// the `count` ones that a block of threads holds.
__global__ void __launch_bounds__(block_threads) sort_locally_kernel(uint64_t* keys, int64_t count, int64_t first_block,
    int64_t last_block, const int64_t* wanted) {
    __shared__ uint64_t held[local_keys];
    if (!is_wanted(wanted)) {
        return;
    }
    const int64_t begin = static_cast<int64_t>(blockIdx.x) * count;
    for (int64_t i = threadIdx.x; i < count; i += block_threads) {
        held[i] = keys[begin + i];
    }
    __syncthreads();
    for (int64_t block = first_block; block <= last_block; block *= 2) {
        for (int64_t distance = (block < count ? block : count) / 2; distance > 0; distance /= 2) {
            for (int64_t i = threadIdx.x; i < count / 2; i += block_threads) {
                const int64_t low = low_of(i, distance);
                order_pair(held[low], held[low + distance], begin + low, block);
            }
            __syncthreads();
        }
    }
    for (int64_t i = threadIdx.x; i < count; i += block_threads) {
        keys[begin + i] = held[i];
    }
}

struct Compare {
    int64_t block;
    int64_t distance;
    uint64_t* keys;
    const int64_t* wanted;

    __device__ void operator()(int64_t i) const {
        if (is_wanted(wanted)) {
            const int64_t low = low_of(i, distance);
            order_pair(keys[low], keys[low + distance], low, block);
        }
    }
};

}  // namespace sorting

void sort_keys(uint64_t* keys, int64_t padded, const int64_t* wanted, cudaStream_t stream) {
    const int64_t held = padded < sorting::local_keys ? padded : sorting::local_keys;
    const unsigned blocks = blocks_for(padded, held);
    launch(sorting::sort_locally_kernel, blocks, block_threads, 0, stream, keys, held, int64_t{2}, held, wanted);
    for (int64_t block = 2 * held; block <= padded; block *= 2) {
        for (int64_t distance = block / 2; distance >= held; distance /= 2) {
            for_each(padded / 2, stream, sorting::Compare{block, distance, keys, wanted});
        }
        launch(sorting::sort_locally_kernel, blocks, block_threads, 0, stream, keys, held, block, block, wanted);
    }
}

}  // namespace vq4j
