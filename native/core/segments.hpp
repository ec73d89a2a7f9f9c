// Chunks of rows of equally long segments that follow one another: the samples of a batch, the groups of a codebook.
#ifndef VQ4J_CORE_SEGMENTS_HPP
#define VQ4J_CORE_SEGMENTS_HPP

#include "core/arithmetic.hpp"

namespace vq4j {

struct Chunk {
    int64_t begin;
    int64_t end;
};

struct Segments {
    int64_t count;
    int64_t rows;  // of each

    VQ4J_SHARED_MEMBER int64_t chunks() const { return chunks_of(rows); }

    // Chunk i of all, numbered segment by segment, in rows of the whole.
    VQ4J_SHARED_MEMBER Chunk chunk(int64_t i) const {
        const int64_t first = i / chunks() * rows;
        const int64_t begin = i % chunks() * chunk_rows;
        const int64_t end = begin + chunk_rows < rows ? begin + chunk_rows : rows;
        return {first + begin, first + end};
    }
};

}  // namespace vq4j

#endif
