// Optimiser steps on parameters in place. Bound by memory, 12 to 28 bytes an element.
#include "core/arguments.hpp"
#include "cpu/kernels.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

using namespace vq4j;

int32_t vq4j_cpu_sgd_step(float* parameter, const float* gradient, float* velocity, int64_t count, double learning_rate,
    double momentum, double weight_decay) {
    return guarded([&] {
        check_sizes({{"count", count}});
        check_present({parameter, gradient});
        check_velocity(velocity, momentum);
        const Kernels& table = kernels();
        parallel_ranges(count, 1, [&](int64_t begin, int64_t end) {
            table.sgd(parameter + begin, gradient + begin, velocity == nullptr ? nullptr : velocity + begin, end - begin,
                static_cast<float>(learning_rate), static_cast<float>(momentum), static_cast<float>(weight_decay));
        });
    });
}

int32_t vq4j_cpu_adam_step(float* parameter, const float* gradient, float* first_moment, float* second_moment,
    int64_t count, int64_t step, double learning_rate, double beta1, double beta2, double epsilon, double weight_decay,
    int32_t decoupled) {
    return guarded([&] {
        check_sizes({{"count", count}});
        check_sizes({{"step", step}});
        check_present({parameter, gradient, first_moment, second_moment});
        const AdamStep values =
            adam_hyperparameters(step, learning_rate, beta1, beta2, epsilon, weight_decay, decoupled != 0);
        const Kernels& table = kernels();
        parallel_ranges(count, 1, [&](int64_t begin, int64_t end) {
            table.adam(values, parameter + begin, gradient + begin, first_moment + begin, second_moment + begin,
                end - begin);
        });
    });
}

int32_t vq4j_cpu_clear_rows(float* values, int64_t codes_count, int64_t features, const int32_t* mask) {
    return guarded([&] {
        check_codebook(codes_count, features);
        check_present({values, mask});
        for (int64_t k = 0; k < codes_count; ++k) {
            if (mask[k] != 0) {
                std::fill_n(values + k * features, features, 0.0f);
            }
        }
    });
}
