// What a batch runs, a sequence of kernels, and the graph that is made of a sequence and used again for those of its shape.
//
// The shape of a sequence is its kernels with their grids, in order; the values are all arguments. Fills and copies are
// kernels, too: the driver lets their arguments change to any address, while it refuses nodes of fills and copies for some
// kinds of memory. A graph is a chain of nodes; for another sequence, the nodes whose values have changed are updated.
#ifndef VQ4J_CUDA_BATCH_GRAPH_CUH
#define VQ4J_CUDA_BATCH_GRAPH_CUH

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cuda/batch_counts.cuh"
#include "cuda/launch.cuh"

namespace vq4j {
namespace batching {

struct Step {
    const void* kernel;
    dim3 grid;
    dim3 block;
    size_t shared_bytes;
    size_t first_argument;
    size_t argument_count;

    bool has_shape_of(const Step& other) const {
        return kernel == other.kernel && grid.x == other.grid.x && grid.y == other.grid.y && grid.z == other.grid.z
            && block.x == other.block.x && block.y == other.block.y && block.z == other.block.z
            && shared_bytes == other.shared_bytes;
    }
};

class Sequence {
public:
    void add(const Step& step) { steps_.push_back(step); }

    void add_argument(const KernelArgument& argument) {
        const size_t at = (values_.size() + 15) / 16 * 16;
        values_.resize(at + argument.bytes);
        std::memcpy(values_.data() + at, argument.value, argument.bytes);
        argument_ends_.push_back(at + argument.bytes);
        argument_begins_.push_back(at);
    }

    size_t arguments() const { return argument_begins_.size(); }

    const std::vector<Step>& steps() const { return steps_; }

    bool has_shape_of(const Sequence& other) const {
        return steps_.size() == other.steps_.size()
            && std::equal(steps_.begin(), steps_.end(), other.steps_.begin(),
                [](const Step& a, const Step& b) { return a.has_shape_of(b); });
    }

    // Of a sequence of the same shape, whose arguments therefore lie in the same places.
    bool has_values_of(const Sequence& other, size_t step) const {
        const Step& ours = steps_[step];
        if (ours.argument_count == 0) {
            return true;
        }
        const size_t begin = argument_begins_[ours.first_argument];
        const size_t end = argument_ends_[ours.first_argument + ours.argument_count - 1];
        return std::memcmp(values_.data() + begin, other.values_.data() + begin, end - begin) == 0;
    }

    uint64_t hash() const {
        uint64_t hash = 0xcbf29ce484222325u;
        const auto mix = [&](uint64_t value) { hash = (hash ^ value) * 0x100000001b3u; };
        for (const Step& step : steps_) {
            mix(reinterpret_cast<uintptr_t>(step.kernel));
            mix(step.grid.x);
            mix(step.grid.y);
            mix(step.block.x);
        }
        return hash;
    }

    cudaKernelNodeParams kernel_parameters(const Step& step, std::vector<void*>& addresses) {
        addresses.clear();
        for (size_t i = 0; i < step.argument_count; ++i) {
            addresses.push_back(values_.data() + argument_begins_[step.first_argument + i]);
        }
        cudaKernelNodeParams parameters = {};
        parameters.func = const_cast<void*>(step.kernel);
        parameters.gridDim = step.grid;
        parameters.blockDim = step.block;
        parameters.sharedMemBytes = static_cast<unsigned>(step.shared_bytes);
        parameters.kernelParams = addresses.data();
        return parameters;
    }

    void run(cudaStream_t stream) {
        std::vector<void*> addresses;
        for (const Step& step : steps_) {
            const cudaKernelNodeParams p = kernel_parameters(step, addresses);
            check(cudaLaunchKernel(p.func, p.gridDim, p.blockDim, p.kernelParams, p.sharedMemBytes, stream), "launch");
        }
    }

    void clear() {
        steps_.clear();
        argument_begins_.clear();
        argument_ends_.clear();
        values_.clear();
    }

private:
    std::vector<Step> steps_;
    std::vector<size_t> argument_begins_;
    std::vector<size_t> argument_ends_;
    std::vector<unsigned char> values_;
};

class Graph {
public:
    // Null where the driver refuses it.
    static std::unique_ptr<Graph> of(const Sequence& sequence) {
        std::unique_ptr<Graph> graph(new Graph(sequence));
        if (graph->make() != cudaSuccess) {
            cudaGetLastError();
            return nullptr;
        }
        add(graphs_made);
        return graph;
    }
    ~Graph() {
        if (executable_ != nullptr) {
            cudaGraphExecDestroy(executable_);  // which the driver puts off where the graph still runs
        }
        if (graph_ != nullptr) {
            cudaGraphDestroy(graph_);
        }
    }
    Graph(const Graph&) = delete;
    Graph& operator=(const Graph&) = delete;

    const Sequence& sequence() const { return sequence_; }

    // Takes the values of a sequence of the same shape over. False, the sequence as it was, where the driver refuses one.
    bool update(Sequence& sequence) {
        std::vector<void*> addresses;
        for (size_t i = 0; i < nodes_.size(); ++i) {
            if (sequence.has_values_of(sequence_, i)) {
                continue;
            }
            const cudaKernelNodeParams parameters = sequence.kernel_parameters(sequence.steps()[i], addresses);
            if (cudaGraphExecKernelNodeSetParams(executable_, nodes_[i], &parameters) != cudaSuccess) {
                cudaGetLastError();
                return false;
            }
            batching::add(nodes_updated);
        }
        std::swap(sequence_, sequence);
        return true;
    }

    void launch(cudaStream_t stream) {
        check(cudaGraphLaunch(executable_, stream), "graph");
        batching::add(graphs_launched);
    }

    int64_t last_use = 0;

private:
    explicit Graph(const Sequence& sequence) : sequence_(sequence) {}

    cudaError_t make() {
        if (const cudaError_t error = cudaGraphCreate(&graph_, 0)) {
            return error;
        }
        std::vector<void*> addresses;
        for (const Step& step : sequence_.steps()) {
            const cudaKernelNodeParams parameters = sequence_.kernel_parameters(step, addresses);
            cudaGraphNode_t node = nullptr;
            const cudaGraphNode_t* const before = nodes_.empty() ? nullptr : &nodes_.back();
            if (const cudaError_t error = cudaGraphAddKernelNode(&node, graph_, before, nodes_.empty() ? 0 : 1, &parameters)) {
                return error;
            }
            nodes_.push_back(node);
        }
        return cudaGraphInstantiate(&executable_, graph_, 0);
    }

    Sequence sequence_;
    cudaGraph_t graph_ = nullptr;
    cudaGraphExec_t executable_ = nullptr;
    std::vector<cudaGraphNode_t> nodes_;
};

// How often a shape has to come until it becomes a graph; 0: never.
inline std::atomic<int32_t> uses_until_graph{2};

// The graphs of a stream, by their shapes; the one that was used longest ago makes room.
class Graphs {
public:
    // The graph of the sequence, with its values; null where it is not to have one.
    Graph* of(Sequence& sequence) {
        const int32_t wanted = uses_until_graph.load(std::memory_order_relaxed);
        if (wanted == 0) {
            return nullptr;
        }
        Graph* const graph = graph_of(sequence, sequence.hash(), wanted);
        if (graph != nullptr) {
            graph->last_use = ++uses_;
        }
        return graph;
    }

private:
    static constexpr size_t most_graphs = 64;

    Graph* graph_of(Sequence& sequence, uint64_t hash, int32_t wanted) {
        const auto [first, last] = graphs_.equal_range(hash);
        for (auto each = first; each != last; ++each) {
            if (each->second->sequence().has_shape_of(sequence)) {
                if (each->second->update(sequence)) {
                    return each->second.get();
                }
                graphs_.erase(each);
                return add(sequence, hash);
            }
        }
        if (++seen_[hash] < wanted) {
            return nullptr;
        }
        make_room();
        return add(sequence, hash);
    }

    Graph* add(const Sequence& sequence, uint64_t hash) {
        std::unique_ptr<Graph> graph = Graph::of(sequence);
        return graph == nullptr ? nullptr : graphs_.emplace(hash, std::move(graph))->second.get();
    }

    void make_room() {
        if (seen_.size() > 64 * most_graphs) {
            seen_.clear();
        }
        if (graphs_.size() >= most_graphs) {
            const auto oldest = std::min_element(graphs_.begin(), graphs_.end(),
                [](const auto& a, const auto& b) { return a.second->last_use < b.second->last_use; });
            graphs_.erase(oldest);
        }
    }

    std::unordered_multimap<uint64_t, std::unique_ptr<Graph>> graphs_;
    std::unordered_map<uint64_t, int32_t> seen_;
    int64_t uses_ = 0;
};

}  // namespace batching
}  // namespace vq4j

#endif
