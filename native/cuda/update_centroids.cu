// Lloyd's update: a thread an element of the codebook. Bound by memory, 8 K D bytes, at codebook size by the launch.
#include "core/arguments.hpp"
#include "cuda/launch.cuh"
#include "vq4j/cuda.h"

namespace vq4j::update_centroids {

struct Update {
    const float* sums;
    const int64_t* counts;
    int64_t features;
    float* codebook;

    __device__ void operator()(int64_t i) const {
        const int64_t count = counts[i / features];
        if (count > 0) {
            codebook[i] = sums[i] / static_cast<float>(count);
        }
    }
};

}  // namespace vq4j::update_centroids

using namespace vq4j;

int32_t vq4j_cuda_update_centroids(void* stream, const float* sums, const int64_t* counts, int64_t codes_count,
    int64_t features, float* codebook) {
    return guarded([&] {
        check_codebook(codes_count, features);
        check_present({sums, counts, codebook});
        for_each(codes_count * features, static_cast<cudaStream_t>(stream),
            update_centroids::Update{sums, counts, features, codebook});
    });
}
