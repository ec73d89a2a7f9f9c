// What batches of the calling thread have done, for vq4j_cuda_batch_counts.
#ifndef VQ4J_CUDA_BATCH_COUNTS_CUH
#define VQ4J_CUDA_BATCH_COUNTS_CUH

#include <cstdint>

namespace vq4j {
namespace batching {

enum Count { graphs_made, graphs_launched, nodes_updated, run_without_graph, waits, steps_run, counts_of };

inline thread_local int64_t counts[counts_of];

inline void add(Count count, int64_t by = 1) {
    counts[count] += by;
}

}  // namespace batching
}  // namespace vq4j

#endif
