// The memory that operations of a batch take for their length, at the same places for the same requests, so that the graph
// of a batch keeps its arguments.
#ifndef VQ4J_CUDA_BATCH_ARENA_CUH
#define VQ4J_CUDA_BATCH_ARENA_CUH

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "cuda/launch.cuh"

namespace vq4j {
namespace batching {

// All of it is free again once everything has been given back.
class Arena {
public:
    void* take(size_t bytes, cudaStream_t stream) {
        const size_t aligned = (std::max<size_t>(bytes, 1) + 255) / 256 * 256;
        while (chunk_ < chunks_.size() && used_ + aligned > chunks_[chunk_].bytes) {
            ++chunk_;
            used_ = 0;
        }
        if (chunk_ == chunks_.size()) {
            const size_t next = chunks_.empty() ? least_bytes : std::min(2 * chunks_.back().bytes, most_bytes_ahead);
            const size_t size = std::max(aligned, next);
            chunks_.push_back({static_cast<unsigned char*>(allocate_from_pool(size, stream)), size});
        }
        unsigned char* const memory = chunks_[chunk_].memory + used_;
        used_ += aligned;
        ++taken_;
        return memory;
    }

    void give_back() {
        if (--taken_ == 0) {
            chunk_ = 0;
            used_ = 0;
        }
    }

    // With nothing taken.
    void release(cudaStream_t stream) {
        for (const Chunk& chunk : chunks_) {
            release_to_pool(chunk.memory, stream);
        }
        chunks_.clear();
    }

private:
    static constexpr size_t least_bytes = size_t{1} << 20;
    static constexpr size_t most_bytes_ahead = size_t{32} << 20;  // of a chunk, unless one request is larger
    struct Chunk {
        unsigned char* memory;
        size_t bytes;
    };

    std::vector<Chunk> chunks_;
    size_t chunk_ = 0;
    size_t used_ = 0;
    int64_t taken_ = 0;
};

}  // namespace batching
}  // namespace vq4j

#endif
