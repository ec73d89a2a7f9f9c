// 16-bit numbers as fp32 and back, a thread each. Bound by memory, 6 bytes a number.
#include "core/arguments.hpp"
#include "core/half.hpp"
#include "cuda/launch.cuh"
#include "vq4j/cuda.h"

namespace vq4j::half {

template <typename Half>
struct Widen {
    const uint16_t* values;
    float* out;

    __device__ void operator()(int64_t i) const { out[i] = Half::widen(values[i]); }
};

template <typename Half>
struct Narrow {
    const float* values;
    uint16_t* out;

    __device__ void operator()(int64_t i) const { out[i] = Half::narrow(values[i]); }
};

}  // namespace vq4j::half

using namespace vq4j;

int32_t vq4j_cuda_widen(void* stream, const uint16_t* values, int32_t type, int64_t count, float* out) {
    return guarded([&] {
        check_sizes({{"count", count}});
        check_half_type(type);
        check_present({values, out});
        const auto s = static_cast<cudaStream_t>(stream);
        if (type == VQ4J_FLOAT16) {
            for_each(count, s, half::Widen<Float16>{values, out});
        } else {
            for_each(count, s, half::Widen<Bfloat16>{values, out});
        }
    });
}

int32_t vq4j_cuda_narrow(void* stream, const float* values, int64_t count, int32_t type, uint16_t* out) {
    return guarded([&] {
        check_sizes({{"count", count}});
        check_half_type(type);
        check_present({values, out});
        const auto s = static_cast<cudaStream_t>(stream);
        if (type == VQ4J_FLOAT16) {
            for_each(count, s, half::Narrow<Float16>{values, out});
        } else {
            for_each(count, s, half::Narrow<Bfloat16>{values, out});
        }
    });
}
