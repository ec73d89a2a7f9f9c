// Optimiser steps on parameters in place: a thread an element. Bound by memory, 12 to 28 bytes an element.
#include "core/arguments.hpp"
#include "cuda/launch.cuh"
#include "vq4j/cuda.h"

namespace vq4j::optimizer {

struct Sgd {
    float* parameter;
    const float* gradient;
    float* velocity;  // null without momentum
    float learning_rate;
    float momentum;
    float weight_decay;

    __device__ void operator()(int64_t i) const {
        float v = velocity == nullptr ? 0.0f : velocity[i];
        sgd_element(learning_rate, momentum, weight_decay, gradient[i], parameter[i], v);
        if (velocity != nullptr) {
            velocity[i] = v;
        }
    }
};

struct Adam {
    AdamStep step;
    float* parameter;
    const float* gradient;
    float* first_moment;
    float* second_moment;

    __device__ void operator()(int64_t i) const {
        adam_element(step, gradient[i], parameter[i], first_moment[i], second_moment[i]);
    }
};

struct ClearRow {
    float* values;
    int64_t features;
    const int32_t* mask;

    __device__ void operator()(int64_t i) const {
        if (mask[i / features] != 0) {
            values[i] = 0.0f;
        }
    }
};

}  // namespace vq4j::optimizer

using namespace vq4j;

int32_t vq4j_cuda_sgd_step(void* stream, float* parameter, const float* gradient, float* velocity, int64_t count,
    double learning_rate, double momentum, double weight_decay) {
    return guarded([&] {
        check_sizes({{"count", count}});
        check_present({parameter, gradient});
        check_velocity(velocity, momentum);
        for_each(count, static_cast<cudaStream_t>(stream),
            optimizer::Sgd{parameter, gradient, velocity, static_cast<float>(learning_rate), static_cast<float>(momentum),
                static_cast<float>(weight_decay)});
    });
}

int32_t vq4j_cuda_adam_step(void* stream, float* parameter, const float* gradient, float* first_moment,
    float* second_moment, int64_t count, int64_t step, double learning_rate, double beta1, double beta2, double epsilon,
    double weight_decay, int32_t decoupled) {
    return guarded([&] {
        check_sizes({{"count", count}});
        check_sizes({{"step", step}});
        check_present({parameter, gradient, first_moment, second_moment});
        const AdamStep values =
            adam_hyperparameters(step, learning_rate, beta1, beta2, epsilon, weight_decay, decoupled != 0);
        for_each(count, static_cast<cudaStream_t>(stream),
            optimizer::Adam{values, parameter, gradient, first_moment, second_moment});
    });
}

int32_t vq4j_cuda_clear_rows(void* stream, float* values, int64_t codes_count, int64_t features, const int32_t* mask) {
    return guarded([&] {
        check_codebook(codes_count, features);
        check_present({values, mask});
        for_each(codes_count * features, static_cast<cudaStream_t>(stream), optimizer::ClearRow{values, features, mask});
    });
}
