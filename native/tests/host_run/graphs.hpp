// The part of the shim that stands in for CUDA graphs, events, pinned memory and pools.
#ifndef VQ4J_TESTS_HOST_RUN_GRAPHS_HPP
#define VQ4J_TESTS_HOST_RUN_GRAPHS_HPP

#include <memory>
#include <tuple>
#include <utility>
#include <vector>

// ---- kernels by their address ----------------------------------------------------------------------------------

namespace host_run {

template <typename T>
T value_at(const void* memory) {
    alignas(T) unsigned char bytes[sizeof(T)];
    std::memcpy(bytes, memory, sizeof(T));
    return *reinterpret_cast<T*>(bytes);
}

template <typename... Parameters, size_t... index>
void call(void (*kernel)(Parameters...), void* const* arguments, std::index_sequence<index...>) {
    static_cast<void>(arguments);
    kernel(value_at<Parameters>(arguments[index])...);
}

// Lets a kernel be launched by its address: what nvcc's host code does when a program starts.
template <typename... Parameters>
void know(void (*kernel)(Parameters...)) {
    if (is_known(reinterpret_cast<const void*>(kernel))) {
        return;
    }
    know(reinterpret_cast<const void*>(kernel), {sizeof(Parameters)...}, [kernel](void* const* arguments) {
        call(kernel, arguments, std::index_sequence_for<Parameters...>());
    });
}

}  // namespace host_run

inline cudaError_t cudaLaunchKernel(const void* kernel, dim3 grid, dim3 block, void** arguments, size_t shared_bytes,
    cudaStream_t) {
    const host_run::Kernel& known = host_run::kernel_at(kernel);
    const bool launched = host_run::launch(grid, block, shared_bytes, [&] { known.run(arguments); },
        host_run::shared_limit(kernel));
    return launched ? cudaSuccess : cudaErrorInvalidConfiguration;
}

// ---- graphs ----------------------------------------------------------------------------------------------------

struct cudaKernelNodeParams {
    void* func;
    dim3 gridDim;
    dim3 blockDim;
    unsigned sharedMemBytes;
    void** kernelParams;
    void** extra;
};

// What a node does, with the values that it was given.
struct CUgraphNode_st {
    std::function<void()> run;
};

struct CUgraph_st {
    std::vector<std::unique_ptr<CUgraphNode_st>> nodes;
};

// The values of an executable graph are its own: changing them leaves launches that were made before alone.
struct CUgraphExec_st {
    std::vector<CUgraphNode_st*> keys;
    std::vector<std::function<void()>> runs;
};

using cudaGraphNode_t = CUgraphNode_st*;
using cudaGraph_t = CUgraph_st*;
using cudaGraphExec_t = CUgraphExec_st*;

namespace host_run {

inline std::function<void()> kernel_node(const cudaKernelNodeParams& parameters) {
    const Kernel& known = kernel_at(parameters.func);
    std::vector<std::vector<unsigned char>> values;
    for (size_t i = 0; i < known.argument_bytes.size(); ++i) {
        const auto* const begin = static_cast<const unsigned char*>(parameters.kernelParams[i]);
        values.emplace_back(begin, begin + known.argument_bytes[i]);
    }
    return [=, &known] {
        std::vector<std::vector<unsigned char>> own = values;
        std::vector<void*> arguments;
        for (std::vector<unsigned char>& each : own) {
            arguments.push_back(each.data());
        }
        if (!launch(parameters.gridDim, parameters.blockDim, parameters.sharedMemBytes, [&] { known.run(arguments.data()); },
                shared_limit(parameters.func))) {
            std::abort();
        }
    };
}

// Nodes form a chain, in the order in which they are added.
inline cudaError_t add_node(cudaGraphNode_t* node, cudaGraph_t graph, const cudaGraphNode_t* before, size_t count,
    std::function<void()> run) {
    const bool is_next = graph->nodes.empty() ? count == 0 : count == 1 && *before == graph->nodes.back().get();
    if (!is_next) {
        return cudaErrorInvalidValue;
    }
    graph->nodes.push_back(std::make_unique<CUgraphNode_st>(CUgraphNode_st{std::move(run)}));
    *node = graph->nodes.back().get();
    return cudaSuccess;
}

inline cudaError_t set_node(cudaGraphExec_t executable, cudaGraphNode_t node, std::function<void()> run) {
    for (size_t i = 0; i < executable->keys.size(); ++i) {
        if (executable->keys[i] == node) {
            executable->runs[i] = std::move(run);
            return cudaSuccess;
        }
    }
    return cudaErrorInvalidValue;
}

}  // namespace host_run

inline cudaError_t cudaGraphCreate(cudaGraph_t* graph, unsigned) {
    *graph = new CUgraph_st;
    return cudaSuccess;
}

inline cudaError_t cudaGraphAddKernelNode(cudaGraphNode_t* node, cudaGraph_t graph, const cudaGraphNode_t* before,
    size_t count, const cudaKernelNodeParams* parameters) {
    return host_run::add_node(node, graph, before, count, host_run::kernel_node(*parameters));
}

inline cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
    if (host_run::graphs_are_refused()) {
        return cudaErrorInvalidValue;
    }
    *executable = new CUgraphExec_st;
    for (const auto& node : graph->nodes) {
        (*executable)->keys.push_back(node.get());
        (*executable)->runs.push_back(node->run);
    }
    return cudaSuccess;
}

inline cudaError_t cudaGraphExecKernelNodeSetParams(cudaGraphExec_t executable, cudaGraphNode_t node,
    const cudaKernelNodeParams* parameters) {
    if (host_run::graphs_are_refused()) {
        return cudaErrorInvalidValue;
    }
    return host_run::set_node(executable, node, host_run::kernel_node(*parameters));
}

inline cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t) {
    host_run::later([runs = executable->runs] {
        for (const std::function<void()>& run : runs) {
            run();
        }
    });
    return cudaSuccess;
}

inline cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
    delete executable;
    return cudaSuccess;
}

inline cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    delete graph;
    return cudaSuccess;
}

// ---- events, pinned memory, pools ------------------------------------------------------------------------------

struct CUevent_st {};
using cudaEvent_t = CUevent_st*;

constexpr unsigned cudaEventDisableTiming = 2;
constexpr unsigned cudaHostAllocPortable = 1;

inline cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
    *event = new CUevent_st;
    return cudaSuccess;
}

inline cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) {
    return cudaSuccess;
}

inline cudaError_t cudaEventSynchronize(cudaEvent_t) {
    host_run::catch_up();
    return cudaSuccess;
}

inline cudaError_t cudaHostAlloc(void** memory, size_t bytes, unsigned) {
    return posix_memalign(memory, 64, bytes) == 0 ? cudaSuccess : cudaErrorMemoryAllocation;
}

struct CUmemPoolHandle_st {};
using cudaMemPool_t = CUmemPoolHandle_st*;

enum cudaMemAllocationType { cudaMemAllocationTypePinned = 1 };
enum cudaMemLocationType { cudaMemLocationTypeDevice = 1 };
enum cudaMemPoolAttr { cudaMemPoolAttrReleaseThreshold = 4 };

struct cudaMemLocation {
    cudaMemLocationType type;
    int id;
};

struct cudaMemPoolProps {
    cudaMemAllocationType allocType;
    cudaMemLocation location;
};

inline cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool, const cudaMemPoolProps*) {
    *pool = new CUmemPoolHandle_st;
    return cudaSuccess;
}

inline cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) {
    return cudaSuccess;
}

// There is nothing that the pool keeps.
inline cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, size_t) {
    return cudaSuccess;
}

template <typename T>
cudaError_t cudaMallocFromPoolAsync(T** pointer, size_t bytes, cudaMemPool_t, cudaStream_t) {
    return cudaMalloc(pointer, bytes);
}

#endif
