// Standard normal numbers: a thread a number, each from its own counter. Bound by the arithmetic of Philox.
#include "core/random.hpp"
#include "cuda/launch.cuh"
#include "vq4j/cuda.h"

namespace vq4j::fill_normal {

struct Draw {
    uint64_t seed;
    uint64_t purpose;
    float* out;

    __device__ void operator()(int64_t i) const { out[i] = normal(seed, static_cast<uint64_t>(i), purpose); }
};

}  // namespace vq4j::fill_normal

using namespace vq4j;

int32_t vq4j_cuda_fill_normal(void* stream, uint64_t seed, uint64_t purpose, int64_t count, float* out) {
    return guarded([&] {
        check_sizes({{"count", count}});
        check_present({out});
        for_each(count, static_cast<cudaStream_t>(stream), fill_normal::Draw{seed, purpose, out});
    });
}
