// The numbers of a tensor in any type, read as fp32; and kept as fp32 where that is asked for, by the kernel that reads them
// first.
#ifndef VQ4J_CUDA_NUMBERS_CUH
#define VQ4J_CUDA_NUMBERS_CUH

#include "core/half.hpp"
#include "vq4j/status.h"

namespace vq4j {

struct Floats {
    const float* values;

    __device__ float operator[](int64_t at) const { return values[at]; }
    __device__ void keep(int64_t, float) const {}
};

template <typename Half>
struct Halves {
    const uint16_t* values;
    float* widened;  // may be null

    __device__ float operator[](int64_t at) const { return Half::widen(values[at]); }
    __device__ void keep(int64_t at, float value) const {
        if (widened != nullptr) {
            widened[at] = value;
        }
    }
};

// body(Halves<...>{values, widened}) of the type.
template <typename Body>
void with_halves(const uint16_t* values, int32_t type, float* widened, Body body) {
    if (type == VQ4J_FLOAT16) {
        body(Halves<Float16>{values, widened});
    } else {
        body(Halves<Bfloat16>{values, widened});
    }
}

// Of a type that is known when the kernel runs.
struct AnyNumbers {
    const void* values;
    float* widened;  // may be null
    int32_t type;    // VQ4J_FLOAT16, VQ4J_BFLOAT16 or fp32

    static constexpr int32_t float32 = -1;

    AnyNumbers(Floats numbers) : values(numbers.values), widened(nullptr), type(float32) {}
    AnyNumbers(Halves<Float16> numbers) : values(numbers.values), widened(numbers.widened), type(VQ4J_FLOAT16) {}
    AnyNumbers(Halves<Bfloat16> numbers) : values(numbers.values), widened(numbers.widened), type(VQ4J_BFLOAT16) {}

    // body(numbers) of the type: one branch for all of a loop, whose loads have none between them.
    template <typename Body>
    __device__ __forceinline__ auto with_type(Body body) const {
        if (type == float32) {
            return body(Floats{static_cast<const float*>(values)});
        }
        const auto* const halves = static_cast<const uint16_t*>(values);
        if (type == VQ4J_FLOAT16) {
            return body(Halves<Float16>{halves, widened});
        }
        return body(Halves<Bfloat16>{halves, widened});
    }
};

}  // namespace vq4j

#endif
