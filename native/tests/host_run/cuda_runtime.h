// Stands in for the CUDA toolkit's header of this name when g++ compiles .cu files for a host run: the part of the language
// and of the runtime API that the sources of vq4j use. Host and device memory are one. Streams run at once, but graphs wait
// until something needs what they do: the host must not look at their results before it has waited.
#ifndef VQ4J_TESTS_HOST_RUN_CUDA_RUNTIME_H
#define VQ4J_TESTS_HOST_RUN_CUDA_RUNTIME_H

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <type_traits>

#include "host_run.hpp"

// ---- language --------------------------------------------------------------------------------------------------

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __shared__ static __attribute__((section("vq4j_shared")))

struct uint3 {
    unsigned x, y, z;
};

extern uint3 threadIdx;
extern uint3 blockIdx;
extern dim3 blockDim;
extern dim3 gridDim;

// File and line of the caller, for the reports of barriers and warp collectives.
#define VQ4J_CALLER const char *file = __builtin_FILE(), int line = __builtin_LINE()

inline void __syncthreads(VQ4J_CALLER) {
    host_run::block_barrier({"__syncthreads", file, line});
}

inline void __syncwarp(unsigned mask = 0xffffffffu, VQ4J_CALLER) {
    host_run::warp_collective({"__syncwarp", file, line}, mask, {0, -1});
}

// Blocks run one after the other, and what a thread writes the next one sees.
inline void __threadfence() {}

namespace host_run {

template <typename T>
T shuffle(Place place, unsigned mask, T value, int source) {
    static_assert(std::is_arithmetic_v<T> && (sizeof(T) == 4 || sizeof(T) == 8), "what a GPU shuffles");
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    bits = warp_collective(place, mask, {bits, source});
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

inline unsigned ballot(Place place, unsigned mask, int predicate) {
    return static_cast<unsigned>(warp_collective(place, mask, {predicate != 0, -1}));
}

}  // namespace host_run

template <typename T>
T __shfl_sync(unsigned mask, T value, int source, VQ4J_CALLER) {
    return host_run::shuffle({"__shfl_sync", file, line}, mask, value, source & 31);
}

// Lanes that would read from outside the warp keep their own value.
template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, VQ4J_CALLER) {
    const int source = host_run::lane() - static_cast<int>(delta);
    return host_run::shuffle({"__shfl_up_sync", file, line}, mask, value, source < 0 ? host_run::lane() : source);
}

template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, VQ4J_CALLER) {
    const int source = host_run::lane() + static_cast<int>(delta);
    return host_run::shuffle({"__shfl_down_sync", file, line}, mask, value, source > 31 ? host_run::lane() : source);
}

template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, VQ4J_CALLER) {
    return host_run::shuffle({"__shfl_xor_sync", file, line}, mask, value, (host_run::lane() ^ lane_mask) & 31);
}

inline unsigned __ballot_sync(unsigned mask, int predicate, VQ4J_CALLER) {
    return host_run::ballot({"__ballot_sync", file, line}, mask, predicate);
}

inline int __any_sync(unsigned mask, int predicate, VQ4J_CALLER) {
    return host_run::ballot({"__any_sync", file, line}, mask, predicate) != 0;
}

inline int __all_sync(unsigned mask, int predicate, VQ4J_CALLER) {
    return host_run::ballot({"__all_sync", file, line}, mask, predicate) == mask;
}

// The lanes of the mask that have the same value.
template <typename T>
unsigned __match_any_sync(unsigned mask, T value, VQ4J_CALLER) {
    static_assert(std::is_arithmetic_v<T> && (sizeof(T) == 4 || sizeof(T) == 8), "what a GPU matches");
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    return static_cast<unsigned>(
        host_run::warp_collective({"__match_any_sync", file, line}, mask, {bits, host_run::matching_lanes}));
}

#undef VQ4J_CALLER

// One more than the number of the lowest bit that is set; 0 without any.
inline int __ffs(int bits) {
    return __builtin_ffs(bits);
}

inline int __popc(unsigned bits) {
    return __builtin_popcount(bits);
}

// Atomics: fibers give way at barriers and collectives only, so that plain reads and writes do. The overloads are CUDA's;
// there is none for floats, whose sums would depend on the order of the threads.
#define VQ4J_ATOMIC(name, type, combined)  \
    inline type name(type* address, type value) { \
        const type old = *address; \
        *address = combined; \
        return old; \
    }
VQ4J_ATOMIC(atomicAdd, int, static_cast<int>(static_cast<unsigned>(old) + static_cast<unsigned>(value)))
VQ4J_ATOMIC(atomicAdd, unsigned, old + value)
VQ4J_ATOMIC(atomicAdd, unsigned long long, old + value)
VQ4J_ATOMIC(atomicMin, int, value < old ? value : old)
VQ4J_ATOMIC(atomicMin, unsigned, value < old ? value : old)
VQ4J_ATOMIC(atomicMin, long long, value < old ? value : old)
VQ4J_ATOMIC(atomicMin, unsigned long long, value < old ? value : old)
VQ4J_ATOMIC(atomicMax, int, value > old ? value : old)
VQ4J_ATOMIC(atomicMax, unsigned, value > old ? value : old)
VQ4J_ATOMIC(atomicMax, long long, value > old ? value : old)
VQ4J_ATOMIC(atomicMax, unsigned long long, value > old ? value : old)
#undef VQ4J_ATOMIC

// ---- runtime API -----------------------------------------------------------------------------------------------

enum cudaError_t {
    cudaSuccess = 0,
    cudaErrorInvalidValue = 1,
    cudaErrorMemoryAllocation = 2,
    cudaErrorInvalidConfiguration = 9,
    cudaErrorInvalidDevice = 101
};

enum cudaMemcpyKind { cudaMemcpyDeviceToHost = 2, cudaMemcpyDefault = 4 };

enum cudaMemoryType {
    cudaMemoryTypeUnregistered = 0,
    cudaMemoryTypeHost = 1,
    cudaMemoryTypeDevice = 2,
    cudaMemoryTypeManaged = 3
};

struct cudaPointerAttributes {
    cudaMemoryType type;
    int device;
};

using cudaStream_t = struct CUstream_st*;

struct cudaDeviceProp {
    char name[256];
    int major;
    int minor;
    int multiProcessorCount;
};

inline const char* cudaGetErrorString(cudaError_t error) {
    switch (error) {
        case cudaSuccess: return "no error";
        case cudaErrorInvalidValue: return "invalid argument";
        case cudaErrorMemoryAllocation: return "out of memory";
        case cudaErrorInvalidConfiguration: return "invalid configuration argument";
        case cudaErrorInvalidDevice: return "invalid device ordinal";
    }
    return "unrecognized error code";
}

// Calls report their own errors here; none is left behind for later.
inline cudaError_t cudaGetLastError() {
    return cudaSuccess;
}

namespace host_run {
// Two of the same kind, which know their own memory: for what tells devices apart.
constexpr int devices = 2;
inline thread_local int current_device = 0;  // of the thread
}  // namespace host_run

inline cudaError_t cudaGetDeviceCount(int* count) {
    *count = host_run::devices;
    return cudaSuccess;
}

inline cudaError_t cudaSetDevice(int device) {
    if (device < 0 || device >= host_run::devices) {
        return cudaErrorInvalidDevice;
    }
    host_run::current_device = device;
    return cudaSuccess;
}

inline cudaError_t cudaGetDevice(int* device) {
    *device = host_run::current_device;
    return cudaSuccess;
}

enum cudaDeviceAttr {
    cudaDevAttrMultiProcessorCount = 16,
    cudaDevAttrComputeCapabilityMajor = 75,
    cudaDevAttrComputeCapabilityMinor = 76,
    cudaDevAttrMemoryPoolsSupported = 115
};

inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
    if (device < 0 || device >= host_run::devices) {
        return cudaErrorInvalidDevice;
    }
    *properties = cudaDeviceProp{"host run of the CUDA kernels", 9, 0, 1};
    return cudaSuccess;
}

inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
    cudaDeviceProp properties;
    const cudaError_t error = cudaGetDeviceProperties(&properties, device);
    if (error == cudaSuccess) {
        *value = attribute == cudaDevAttrMultiProcessorCount ? properties.multiProcessorCount
            : attribute == cudaDevAttrComputeCapabilityMajor ? properties.major
            : attribute == cudaDevAttrComputeCapabilityMinor ? properties.minor
                                                             : 1;
    }
    return error;
}

enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };

inline cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute, int bytes) {
    if (bytes < 0 || static_cast<size_t>(bytes) > host_run::most_shared_bytes) {
        return cudaErrorInvalidValue;
    }
    host_run::set_shared_limit(kernel, static_cast<size_t>(bytes));
    return cudaSuccess;
}

// Of exactly the size asked for, so that AddressSanitizer sees the first byte beyond it.
template <typename T>
cudaError_t cudaMalloc(T** pointer, size_t bytes) {
    void* memory = nullptr;
    if (bytes != 0 && posix_memalign(&memory, 256, bytes) != 0) {
        return cudaErrorMemoryAllocation;
    }
    host_run::poison(memory, bytes);
    host_run::note_device_memory(memory, bytes, host_run::current_device);
    *pointer = static_cast<T*>(memory);
    return cudaSuccess;
}

inline cudaError_t cudaFree(void* memory) {
    host_run::catch_up();
    host_run::forget_device_memory(memory);
    std::free(memory);
    return cudaSuccess;
}

// In the order of the stream; the host does not wait.
inline cudaError_t cudaFreeAsync(void* memory, cudaStream_t) {
    host_run::later([memory] {
        host_run::forget_device_memory(memory);
        std::free(memory);
    });
    return cudaSuccess;
}

inline cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* memory) {
    const int device = host_run::device_of_memory(memory);
    *attributes = {device < 0 ? cudaMemoryTypeUnregistered : cudaMemoryTypeDevice, device};
    return cudaSuccess;
}

inline cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t) {
    host_run::catch_up();
    std::memcpy(to, from, bytes);
    return cudaSuccess;
}

inline cudaError_t cudaMemsetAsync(void* memory, int value, size_t bytes, cudaStream_t) {
    host_run::catch_up();
    std::memset(memory, value, bytes);
    return cudaSuccess;
}

inline cudaError_t cudaStreamSynchronize(cudaStream_t) {
    host_run::catch_up();
    return cudaSuccess;
}

inline cudaError_t cudaDeviceSynchronize() {
    host_run::catch_up();
    return cudaSuccess;
}

#include "graphs.hpp"

#endif
