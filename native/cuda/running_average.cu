// A running average after a batch, or the batch where there is none yet: a thread an element. Bound by memory, 12 bytes an
// element. Whether there is one is known on the device alone, as a batch that starts it may fail.
#include "core/arguments.hpp"
#include "core/elements.hpp"
#include "cuda/launch.cuh"
#include "vq4j/cuda.h"

namespace vq4j::running_average {

struct RunningAverage {
    float momentum;
    const float* batch;
    const int32_t* started;
    const float* running;
    float* out;

    __device__ void operator()(int64_t i) const {
        out[i] = *started != 0 ? weighted_sum_element(momentum, batch[i], 1.0f - momentum, running[i]) : batch[i];
    }
};

}  // namespace vq4j::running_average

using namespace vq4j;

int32_t vq4j_cuda_running_average(void* stream, float momentum, const float* batch, const int32_t* started,
    const float* running, int64_t count, float* out) {
    return guarded([&] {
        check_sizes({{"count", count}});
        check_present({batch, started, running, out});
        for_each(count, static_cast<cudaStream_t>(stream),
            running_average::RunningAverage{momentum, batch, started, running, out});
    });
}
