// How the CUDA sources call the device: checked calls, launches, fills, copies, scratch memory. It knows whether nvcc compiles
// for a GPU or g++ for a host run (VQ4J_HOST_RUN), as do the headers of single instructions, tensor_core.cuh and hopper.cuh.
#ifndef VQ4J_CUDA_LAUNCH_CUH
#define VQ4J_CUDA_LAUNCH_CUH

#include <cuda_runtime.h>

#include <cstdint>
#include <string>
#include <tuple>

#include "core/failure.hpp"
#include "cuda/batch.cuh"

// Before a loop: as it stands, for kernels that would take more registers otherwise.
#ifdef VQ4J_HOST_RUN
#define VQ4J_NOT_UNROLLED
#else
#define VQ4J_NOT_UNROLLED _Pragma("unroll 1")
#endif

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

inline int current_device() {
    int device = 0;
    check(cudaGetDevice(&device), "device");
    return device;
}

// The current device of the thread, until the end of a block.
class OnDevice {
public:
    explicit OnDevice(int device) {
        if (cudaGetDevice(&before_) == cudaSuccess && before_ != device) {
            changed_ = cudaSetDevice(device) == cudaSuccess;
        }
    }
    ~OnDevice() {
        if (changed_) {
            cudaSetDevice(before_);
        }
    }
    OnDevice(const OnDevice&) = delete;
    OnDevice& operator=(const OnDevice&) = delete;

private:
    int before_ = 0;
    bool changed_ = false;
};

inline int attribute_of(int device, cudaDeviceAttr attribute) {
    int value = 0;
    check(cudaDeviceGetAttribute(&value, attribute, device), "device");
    return value;
}

// The device whose memory this is; -1: memory of the host.
inline int device_of(const void* memory) noexcept {
    cudaPointerAttributes attributes = {};
    if (cudaPointerGetAttributes(&attributes, memory) != cudaSuccess) {
        cudaGetLastError();
        return -1;
    }
    const bool of_a_device = attributes.type == cudaMemoryTypeDevice || attributes.type == cudaMemoryTypeManaged;
    return of_a_device ? attributes.device : -1;
}

// Lets launches of the kernel on the current device have more dynamic shared memory than the 48 KiB that all kernels may.
template <typename... Parameters>
void allow_shared_memory(void (*kernel)(Parameters...), int bytes) {
    check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize, bytes),
        "shared memory");
}

// Starts kernel(arguments...) on the stream, or adds it to the stream's open batch.
template <typename... Parameters, typename... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream,
    Arguments... arguments) {
    if (Batch* const batch = Batch::open(stream)) {
#ifdef VQ4J_HOST_RUN
        host_run::know(kernel);
#endif
        const std::tuple<Parameters...> parameters(static_cast<Parameters>(arguments)...);
        std::apply(
            [&](const Parameters&... each) {
                const KernelArgument values[] = {{&each, sizeof each}...};
                batch->add_kernel(reinterpret_cast<const void*>(kernel), grid, block, shared_bytes, values, sizeof...(each));
            },
            parameters);
        return;
    }
    count_steps(1);
#ifdef VQ4J_HOST_RUN
    const std::tuple<Parameters...> parameters(arguments...);
    const bool launched = host_run::launch(grid, block, shared_bytes, [&] { std::apply(kernel, parameters); },
        host_run::shared_limit(reinterpret_cast<const void*>(kernel)));
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

// Fills memory with a byte, in the order of the stream.
inline void fill(void* memory, int byte, int64_t bytes, cudaStream_t stream) {
    if (Batch* const batch = Batch::open(stream)) {
        batch->add_fill(memory, byte, static_cast<size_t>(bytes));
    } else {
        count_steps(1);
        check(cudaMemsetAsync(memory, byte, static_cast<size_t>(bytes), stream), "fill");
    }
}

// Copies within the device, in the order of the stream.
inline void copy_on_device(void* to, const void* from, int64_t bytes, cudaStream_t stream) {
    if (Batch* const batch = Batch::open(stream)) {
        batch->add_copy(to, from, static_cast<size_t>(bytes));
    } else {
        count_steps(1);
        check(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyDefault, stream), "copy");
    }
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
class DeviceScratch {
public:
    DeviceScratch(int64_t count, cudaStream_t stream) : stream_(stream), batch_(Batch::open(stream)) {
        const size_t bytes = static_cast<size_t>(count) * sizeof(T);
        memory_ = static_cast<T*>(batch_ != nullptr ? batch_->take(bytes) : allocate_from_pool(bytes, stream));
    }
    ~DeviceScratch() {
        if (batch_ != nullptr) {
            batch_->give_back();
        } else {
            release_to_pool(memory_, stream_);
        }
    }
    DeviceScratch(const DeviceScratch&) = delete;
    DeviceScratch& operator=(const DeviceScratch&) = delete;

    T* get() const { return memory_; }

private:
    T* memory_;
    cudaStream_t stream_;
    Batch* batch_;
};

// Copies to the host and waits for it; all of an open batch has run then.
template <typename T>
T read_back(const T* from, cudaStream_t stream) {
    if (Batch* const batch = Batch::open(stream)) {
        batch->catch_up();
    }
    T value;
    check(cudaMemcpyAsync(&value, from, sizeof value, cudaMemcpyDeviceToHost, stream), "copy to the host");
    wait_for(stream);
    return value;
}

}  // namespace vq4j

#endif
