// How the CUDA sources call the device: checked calls, launches, scratch memory. The one place that knows whether nvcc
// compiles for a GPU or g++ for a host run (VQ4J_HOST_RUN).
#ifndef VQ4J_CUDA_LAUNCH_CUH
#define VQ4J_CUDA_LAUNCH_CUH

#include <cuda_runtime.h>

#include <cstdint>
#include <string>
#include <tuple>

#include "core/failure.hpp"

namespace vq4j {

inline void check(cudaError_t error, const char* what) {
    if (error == cudaSuccess) {
        return;
    }
    cudaGetLastError();  // so that a later call of the process does not report it again
    if (error == cudaErrorMemoryAllocation) {
        throw Failure(VQ4J_OUT_OF_MEMORY, std::string(what) + ": out of device memory");
    }
    throw Failure(VQ4J_DEVICE_ERROR, std::string(what) + ": " + cudaGetErrorString(error));
}

// Starts kernel(arguments...) on the stream.
template <typename... Parameters, typename... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream,
    Arguments... arguments) {
#ifdef VQ4J_HOST_RUN
    static_cast<void>(stream);
    const std::tuple<Parameters...> parameters(arguments...);
    const bool launched = host_run::launch(grid, block, shared_bytes, [&] { std::apply(kernel, parameters); });
    check(launched ? cudaSuccess : cudaErrorInvalidConfiguration, "launch");
#else
    cudaLaunchConfig_t config = {};
    config.gridDim = grid;
    config.blockDim = block;
    config.dynamicSmemBytes = shared_bytes;
    config.stream = stream;
    check(cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...), "launch");
#endif
}

constexpr int block_threads = 256;

// The number of blocks of `size` that hold `count`; 2^31 - 1 is the most that a grid has.
inline unsigned blocks_for(int64_t count, int64_t size) {
    const int64_t blocks = (count + size - 1) / size;
    if (blocks > 0x7fffffff) {
        invalid("the operation needs " + std::to_string(blocks) + " blocks of threads; a device runs at most 2147483647");
    }
    return static_cast<unsigned>(blocks);
}

template <typename Body>
__global__ void for_each_kernel(int64_t count, Body body) {
    const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i < count) {
        body(i);
    }
}

// Runs body(i) for 0 <= i < count, a thread each.
template <typename Body>
void for_each(int64_t count, cudaStream_t stream, Body body) {
    launch(for_each_kernel<Body>, blocks_for(count, block_threads), block_threads, 0, stream, count, body);
}

// Device memory for the length of one operation, taken and given back in the order of the stream.
template <typename T>
class Scratch {
public:
    Scratch(int64_t count, cudaStream_t stream) : stream_(stream) {
        check(cudaMallocAsync(&memory_, static_cast<size_t>(count) * sizeof(T), stream), "scratch memory");
    }
    ~Scratch() { cudaFreeAsync(memory_, stream_); }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

    T* get() const { return memory_; }

private:
    T* memory_ = nullptr;
    cudaStream_t stream_;
};

// Copies to the host and waits for it.
template <typename T>
T read_back(const T* from, cudaStream_t stream) {
    T value;
    check(cudaMemcpyAsync(&value, from, sizeof value, cudaMemcpyDefault, stream), "copy to the host");
    check(cudaStreamSynchronize(stream), "synchronize");
    return value;
}

}  // namespace vq4j

#endif
