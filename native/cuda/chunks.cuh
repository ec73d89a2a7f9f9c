// How kernels run through chunks of rows: loads ahead of their use, and the sums of one number a row.
#ifndef VQ4J_CUDA_CHUNKS_CUH
#define VQ4J_CUDA_CHUNKS_CUH

#include "core/segments.hpp"
#include "cuda/launch.cuh"

namespace vq4j {

// use(load(i), i) for begin <= i < end, in this order; eight loads at a time are on their way together, since what is done
// with one value waits for the one before.
template <typename Load, typename Use>
__device__ __forceinline__ void load_ahead(int64_t begin, int64_t end, Load load, Use use) {
    constexpr int ahead = 8;
    int64_t i = begin;
    for (; i + ahead <= end; i += ahead) {
        decltype(load(i)) values[ahead];
        for (int j = 0; j < ahead; ++j) {
            values[j] = load(i + j);
        }
        for (int j = 0; j < ahead; ++j) {
            use(values[j], i + j);
        }
    }
    for (; i < end; ++i) {
        use(load(i), i);
    }
}

// fp64 sum of one number a row over one chunk.
struct SumOneChunk {
    const float* values;
    Segments segments;
    double* sums;  // [segments][chunks]

    __device__ void operator()(int64_t i) const {
        const Chunk chunk = segments.chunk(i);
        double sum = 0.0;
        load_ahead(
            chunk.begin, chunk.end, [&](int64_t n) { return values[n]; },
            [&](float value, int64_t) { sum = sum + static_cast<double>(value); });
        sums[i] = sum;
    }
};

}  // namespace vq4j

#endif
