// Optimiser steps on parameters in place. Bound by memory, 12 to 28 bytes an element.
#include "core/optimizer.hpp"

#include <algorithm>

#include "core/arguments.hpp"
#include "cpu/kernels.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

using namespace vq4j;

int32_t vq4j_cpu_sgd_step(float* const* tensors, const int64_t* counts, int64_t* const* steps, int64_t tensors_count,
    const int64_t* batches, int64_t batches_count, double learning_rate, double momentum, double weight_decay) {
    return guarded([&] {
        check_stepped(tensors, 3, counts, steps, tensors_count, batches, batches_count, momentum != 0.0);
        const Kernels& table = kernels();
        for (int64_t i = 0; i < tensors_count; ++i) {
            float* const* const tensor = tensors + i * 3;
            parallel_ranges(counts[i], 1, [&](int64_t begin, int64_t end) {
                table.sgd(tensor[0] + begin, tensor[1] + begin, tensor[2] == nullptr ? nullptr : tensor[2] + begin,
                    end - begin, static_cast<float>(learning_rate), static_cast<float>(momentum),
                    static_cast<float>(weight_decay));
            });
            ++steps[i][0];
        }
    });
}

int32_t vq4j_cpu_adam_step(float* const* tensors, const int64_t* counts, int64_t* const* steps, int64_t tensors_count,
    const int64_t* batches, int64_t batches_count, double learning_rate, double beta1, double beta2, double epsilon,
    double weight_decay, int32_t decoupled) {
    return guarded([&] {
        check_stepped(tensors, 4, counts, steps, tensors_count, batches, batches_count, true);
        const Kernels& table = kernels();
        for (int64_t i = 0; i < tensors_count; ++i) {
            float* const* const tensor = tensors + i * 4;
            const AdamStep step = adam_hyperparameters(
                steps[i][0] + 1, learning_rate, beta1, beta2, epsilon, weight_decay, decoupled != 0);
            parallel_ranges(counts[i], 1, [&](int64_t begin, int64_t end) {
                table.adam(step, tensor[0] + begin, tensor[1] + begin, tensor[2] + begin, tensor[3] + begin, end - begin);
            });
            ++steps[i][0];
        }
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
