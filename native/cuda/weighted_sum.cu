// a x + b y: a thread an element. Bound by memory, 12 bytes an element.
#include "core/arguments.hpp"
#include "core/elements.hpp"
#include "cuda/launch.cuh"
#include "vq4j/cuda.h"

namespace vq4j::weighted_sum {

struct WeightedSum {
    float a;
    const float* x;
    float b;
    const float* y;
    float* out;

    __device__ void operator()(int64_t i) const { out[i] = weighted_sum_element(a, x[i], b, y[i]); }
};

}  // namespace vq4j::weighted_sum

using namespace vq4j;

int32_t vq4j_cuda_weighted_sum(void* stream, float a, const float* x, float b, const float* y, int64_t count,
    float* out) {
    return guarded([&] {
        check_sizes({{"count", count}});
        check_present({x, y, out});
        for_each(count, static_cast<cudaStream_t>(stream), weighted_sum::WeightedSum{a, x, b, y, out});
    });
}
