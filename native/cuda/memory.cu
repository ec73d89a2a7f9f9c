// Memory of the device, copies, and the message of the last failure.
#include "cuda/launch.cuh"
#include "vq4j/cuda.h"

using namespace vq4j;

const char* vq4j_cuda_last_error(void) {
    return last_message().c_str();
}

void* vq4j_cuda_allocate(int64_t bytes) {
    void* memory = nullptr;
    const int32_t status = guarded([&] {
        check_sizes({{"bytes", bytes}});
        check(cudaMalloc(&memory, static_cast<size_t>(bytes)), "allocate");
    });
    return status == VQ4J_OK ? memory : nullptr;
}

void vq4j_cuda_release(void* memory) {
    cudaFree(memory);
}

int32_t vq4j_cuda_copy(void* stream, void* to, const void* from, int64_t bytes) {
    return guarded([&] {
        check_sizes({{"bytes", bytes}});
        check_present({to, from});
        const auto s = static_cast<cudaStream_t>(stream);
        check(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyDefault, s), "copy");
        check(cudaStreamSynchronize(s), "synchronize");
    });
}

int32_t vq4j_cuda_clear(void* stream, void* memory, int64_t bytes) {
    return guarded([&] {
        check_sizes({{"bytes", bytes}});
        check_present({memory});
        check(cudaMemsetAsync(memory, 0, static_cast<size_t>(bytes), static_cast<cudaStream_t>(stream)), "clear");
    });
}
