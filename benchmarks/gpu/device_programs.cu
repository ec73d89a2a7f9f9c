// What the GPU benchmark measures below Python: the rate of fused multiply-adds of the card, and a training step whose
// operations follow one another without Python in between.
#include <cuda_runtime.h>

#include <cstdio>
#include <memory>

#include "core/failure.hpp"
#include "vq4j/cuda.h"

namespace vq4j::benchmark {

constexpr int chains = 16;  // independent ones a thread
constexpr int block_threads = 256;

// Every thread runs 16 chains of fused multiply-adds; the sums keep the compiler from leaving them out.
__global__ void multiply_adds_kernel(int64_t steps, float* sums) {
    const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    float chain[chains];
    for (int c = 0; c < chains; ++c) {
        chain[c] = static_cast<float>(i + c);
    }
    for (int64_t step = 0; step < steps; ++step) {
        for (int c = 0; c < chains; ++c) {
            chain[c] = fmaf(chain[c], 0.999f, 0.5f);
        }
    }
    float sum = 0.0f;
    for (int c = 0; c < chains; ++c) {
        sum += chain[c];
    }
    sums[i] = sum;
}

}  // namespace vq4j::benchmark

using namespace vq4j;

// 2 * 16 * steps * 256 * blocks operations.
extern "C" VQ4J_API int32_t vq4j_benchmark_multiply_adds(void* stream, int64_t blocks, int64_t steps, float* sums) {
    const auto grid = static_cast<unsigned>(blocks);
#ifdef VQ4J_HOST_RUN
    static_cast<void>(stream);
    const bool launched = host_run::launch(grid, benchmark::block_threads, 0,
        [=] { benchmark::multiply_adds_kernel(steps, sums); });
    return launched ? VQ4J_OK : VQ4J_DEVICE_ERROR;
#else
    benchmark::multiply_adds_kernel<<<grid, benchmark::block_threads, 0, static_cast<cudaStream_t>(stream)>>>(steps, sums);
    const cudaError_t error = cudaGetLastError();
    if (error != cudaSuccess) {
        std::fprintf(stderr, "multiply-adds: %s\n", cudaGetErrorString(error));
    }
    return error == cudaSuccess ? VQ4J_OK : VQ4J_DEVICE_ERROR;
#endif
}

namespace {

// A batch that is dropped where an operation of it fails: left open, it would take in all that is called later.
class OpenBatch {
public:
    explicit OpenBatch(void* stream) { require_ok(vq4j_cuda_begin_batch(stream, &number_)); }
    ~OpenBatch() {
        if (number_ != 0) {
            vq4j_cuda_drop_batch(number_);
        }
    }
    OpenBatch(const OpenBatch&) = delete;
    OpenBatch& operator=(const OpenBatch&) = delete;

    // Its number, for finish_batch.
    int64_t submit() {
        const int64_t number = number_;
        number_ = 0;  // gone even after an error
        require_ok(vq4j_cuda_submit_batch(number));
        return number;
    }

private:
    int64_t number_ = 0;
};

}  // namespace

// `steps` training steps of a layer of one codebook: codes, output, loss and histogram; both gradients; AdamW. Each is one
// batch, and the host asks for the numbers of a step when the next one has been submitted.
extern "C" VQ4J_API int32_t vq4j_benchmark_training_steps(void* stream, const float* rows, const float* grad,
    int64_t rows_count, int64_t features, float* codebook, int64_t codes_count, void* packed, int32_t* codes,
    float* output, float* distances, double* losses, int64_t* counts, float* grad_rows, float* grad_codebook,
    float* first_moment, float* second_moment, int64_t steps) {
    return guarded([&] {
        const float commitment = 0.1f / static_cast<float>(rows_count * features);
        const float of_codes = 1.9f / static_cast<float>(rows_count * features);
        const auto release = [=](void* memory) { vq4j_cuda_release(stream, memory); };
        const std::unique_ptr<void, decltype(release)> counter(vq4j_cuda_allocate(stream, 2 * sizeof(int64_t)), release);
        check_present({counter.get()});
        require_ok(vq4j_cuda_clear(stream, counter.get(), 2 * sizeof(int64_t)));
        float* const stepped[] = {codebook, grad_codebook, first_moment, second_moment};
        const int64_t size = codes_count * features;
        auto* const step_counter = static_cast<int64_t*>(counter.get());
        double fetched[2][2] = {};
        int64_t before = 0;
        for (int64_t step = 0; step < steps; ++step) {
            OpenBatch batch(stream);
            require_ok(vq4j_cuda_pack_codebook(stream, codebook, codes_count, features, packed));
            require_ok(vq4j_cuda_assign(stream, rows, rows_count, 1, features, packed, codes_count, codes));
            require_ok(vq4j_cuda_commitment_loss(stream, rows, rows_count, 1, features, codebook, codes, 1, distances, losses,
                losses + 1, output, nullptr));
            require_ok(vq4j_cuda_count_codes(stream, codes, rows_count, codes_count, counts));
            require_ok(vq4j_cuda_fetch(stream, fetched[step % 2], losses, sizeof fetched[0]));
            require_ok(vq4j_cuda_input_gradient(stream, rows, grad, rows_count, 1, features, codebook, codes, commitment,
                grad_rows));
            require_ok(vq4j_cuda_codebook_gradient(stream, rows, nullptr, rows_count, 1, features, codebook, codes, codes_count,
                of_codes, 0.0f, grad_codebook));
            require_ok(vq4j_cuda_adam_step(
                stream, stepped, &size, &step_counter, 1, nullptr, 0, 1e-3, 0.9, 0.999, 1e-8, 0.01, 1));
            const int64_t submitted = batch.submit();
            if (before != 0) {
                require_ok(vq4j_cuda_finish_batch(before));
            }
            before = submitted;
        }
        require_ok(before == 0 ? VQ4J_OK : vq4j_cuda_finish_batch(before));
    });
}
