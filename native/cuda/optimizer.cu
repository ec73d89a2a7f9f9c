// Optimiser steps on parameters in place: one kernel for up to 32 tensors, a block for 1,024 elements of one. Bound by memory,
// 12 to 28 bytes an element.
//
// How many steps there have been is counted on the device, by the block of a tensor that finishes last: a step that is not
// made, for a batch that has failed, is not counted, and the host does not have to know.
#include "core/optimizer.hpp"

#include <algorithm>

#include "core/arguments.hpp"
#include "cuda/launch.cuh"
#include "vq4j/cuda.h"

namespace vq4j::optimizer {

constexpr int64_t block_values = 4 * block_threads;

template <int parts>
struct Tensor {
    float* values[parts];
    int64_t count;
    int64_t* steps;
    unsigned end_block;
};

template <int parts>
struct Tensors {
    static constexpr int most = 32;

    Tensor<parts> tensors[most];
};

struct Sgd {
    static constexpr int parts = 3;
    using Step = Sgd;

    float learning_rate;
    float momentum;
    float weight_decay;

    __device__ Step step(int64_t) const { return *this; }
    static __device__ void apply(const Step& step, float* const (&values)[parts], int64_t i) {
        float velocity = values[2] == nullptr ? 0.0f : values[2][i];
        sgd_element(step.learning_rate, step.momentum, step.weight_decay, values[1][i], values[0][i], velocity);
        if (values[2] != nullptr) {
            values[2][i] = velocity;
        }
    }
};

struct Adam {
    static constexpr int parts = 4;
    using Step = AdamStep;

    double learning_rate;
    double beta1;
    double beta2;
    double epsilon;
    double weight_decay;
    bool decoupled;

    __device__ Step step(int64_t number) const {
        return adam_hyperparameters(number, learning_rate, beta1, beta2, epsilon, weight_decay, decoupled);
    }
    static __device__ void apply(const Step& step, float* const (&values)[parts], int64_t i) {
        adam_element(step, values[1][i], values[0][i], values[2][i], values[3][i]);
    }
};

template <typename Rule>
__global__ void __launch_bounds__(block_threads) step_kernel(Rule rule, Tensors<Rule::parts> all, Verdicts verdicts) {
    __shared__ typename Rule::Step step;
    __shared__ int told;
    unsigned first_block = 0;
    int number = 0;
    for (; blockIdx.x >= all.tensors[number].end_block; ++number) {
        first_block = all.tensors[number].end_block;
    }
    const Tensor<Rule::parts> tensor = all.tensors[number];
    if (threadIdx.x == 0) {
        step = rule.step(tensor.steps[0] + 1);
    }
    const bool failed = verdicts.failed(told);
    const int64_t begin = static_cast<int64_t>(blockIdx.x - first_block) * block_values;
    const int64_t end = begin + block_values < tensor.count ? begin + block_values : tensor.count;
    for (int64_t i = begin + threadIdx.x; !failed && i < end; i += block_threads) {
        Rule::apply(step, tensor.values, i);
    }
    if (threadIdx.x == 0) {
        auto* const finished = reinterpret_cast<unsigned*>(tensor.steps + 1);
        __threadfence();
        const bool is_last = atomicAdd(finished, 1u) == tensor.end_block - first_block - 1;
        __threadfence();
        if (is_last) {
            *finished = 0;
            tensor.steps[0] += failed ? 0 : 1;
        }
    }
}

template <typename Rule>
void step(Rule rule, float* const* tensors, const int64_t* counts, int64_t* const* steps, int64_t tensors_count,
    const Verdicts& verdicts, cudaStream_t stream) {
    constexpr int parts = Rule::parts;
    constexpr int64_t most = Tensors<parts>::most;
    for (int64_t first = 0; first < tensors_count; first += most) {
        Tensors<parts> all = {};
        unsigned blocks = 0;
        for (int64_t i = 0; i < std::min(most, tensors_count - first); ++i) {
            Tensor<parts>& tensor = all.tensors[i];
            std::copy_n(tensors + (first + i) * parts, parts, tensor.values);
            tensor.count = counts[first + i];
            tensor.steps = steps[first + i];
            tensor.end_block = blocks += blocks_for(tensor.count, block_values);
        }
        launch(step_kernel<Rule>, blocks, block_threads, 0, stream, rule, all, verdicts);
    }
}

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

int32_t vq4j_cuda_sgd_step(void* stream, float* const* tensors, const int64_t* counts, int64_t* const* steps,
    int64_t tensors_count, const int64_t* batches, int64_t batches_count, double learning_rate, double momentum,
    double weight_decay) {
    return guarded([&] {
        check_stepped(tensors, optimizer::Sgd::parts, counts, steps, tensors_count, batches, batches_count, momentum != 0.0);
        const auto s = static_cast<cudaStream_t>(stream);
        const optimizer::Sgd rule{static_cast<float>(learning_rate), static_cast<float>(momentum),
            static_cast<float>(weight_decay)};
        optimizer::step(rule, tensors, counts, steps, tensors_count, verdicts_of(batches, batches_count, s), s);
    });
}

int32_t vq4j_cuda_adam_step(void* stream, float* const* tensors, const int64_t* counts, int64_t* const* steps,
    int64_t tensors_count, const int64_t* batches, int64_t batches_count, double learning_rate, double beta1, double beta2,
    double epsilon, double weight_decay, int32_t decoupled) {
    return guarded([&] {
        check_stepped(tensors, optimizer::Adam::parts, counts, steps, tensors_count, batches, batches_count, true);
        const auto s = static_cast<cudaStream_t>(stream);
        const optimizer::Adam rule{learning_rate, beta1, beta2, epsilon, weight_decay, decoupled != 0};
        optimizer::step(rule, tensors, counts, steps, tensors_count, verdicts_of(batches, batches_count, s), s);
    });
}

int32_t vq4j_cuda_clear_rows(void* stream, float* values, int64_t codes_count, int64_t features, const int32_t* mask) {
    return guarded([&] {
        check_codebook(codes_count, features);
        check_present({values, mask});
        for_each(codes_count * features, static_cast<cudaStream_t>(stream), optimizer::ClearRow{values, features, mask});
    });
}
