// The kernels by which batches fill and copy: no node of a graph is anything else than a kernel. Bound by memory.
#ifndef VQ4J_CUDA_BATCH_COPIES_CUH
#define VQ4J_CUDA_BATCH_COPIES_CUH

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "cuda/launch.cuh"

namespace vq4j {
namespace batching {

// Copies that follow one another are one kernel: each by itself would take longer to start than to run.
constexpr int most_copied_parts = 12;
constexpr unsigned memory_threads = 256;  // of kernels that only fill or copy

inline bool overlap(const void* a, size_t a_bytes, const void* b, size_t b_bytes) {
    const auto first = reinterpret_cast<uintptr_t>(a);
    const auto second = reinterpret_cast<uintptr_t>(b);
    return first < second + b_bytes && second < first + a_bytes;
}

struct CopiedPart {
    unsigned char* to;
    const unsigned char* from;
    size_t bytes;

    bool touches(const unsigned char* memory, size_t count) const {
        return overlap(to, bytes, memory, count) || overlap(from, bytes, memory, count);
    }
};

struct CopiedParts {
    int count;
    CopiedPart parts[most_copied_parts];

    // Whether a part reads or writes what another copy writes, or writes what it reads.
    bool touch(const CopiedPart& other) const {
        return std::any_of(parts, parts + count, [&](const CopiedPart& part) {
            return part.touches(other.to, other.bytes) || other.touches(part.to, part.bytes);
        });
    }
};

// body(i, zero) for the numbers of the words that `bytes` have, over all threads of the grid. A word, of which zero is one, has
// 8, 4 or 1 bytes: as many as divide `bits`, the addresses and sizes.
template <typename Body>
__device__ void for_each_word(uintptr_t bits, size_t bytes, Body body) {
    const size_t first = size_t{blockIdx.x} * blockDim.x + threadIdx.x;
    const size_t threads = size_t{gridDim.x} * blockDim.x;
    if (bits % sizeof(uint64_t) == 0) {
        for (size_t i = first; i < bytes / sizeof(uint64_t); i += threads) {
            body(i, uint64_t{});
        }
    } else if (bits % sizeof(uint32_t) == 0) {
        for (size_t i = first; i < bytes / sizeof(uint32_t); i += threads) {
            body(i, uint32_t{});
        }
    } else {
        for (size_t i = first; i < bytes; i += threads) {
            body(i, static_cast<unsigned char>(0));
        }
    }
}

static __global__ void __launch_bounds__(memory_threads) copy_parts_kernel(CopiedParts copies) {
    for (int i = 0; i < copies.count; ++i) {
        const CopiedPart part = copies.parts[i];
        const uintptr_t bits = reinterpret_cast<uintptr_t>(part.to) | reinterpret_cast<uintptr_t>(part.from) | part.bytes;
        for_each_word(bits, part.bytes, [=](size_t word, auto zero) {
            using Word = decltype(zero);
            reinterpret_cast<Word*>(part.to)[word] = reinterpret_cast<const Word*>(part.from)[word];
        });
    }
}

static __global__ void __launch_bounds__(memory_threads) fill_kernel(unsigned char* memory, uint64_t word_of_bytes,
    size_t bytes) {
    for_each_word(reinterpret_cast<uintptr_t>(memory) | bytes, bytes, [=](size_t word, auto zero) {
        using Word = decltype(zero);
        reinterpret_cast<Word*>(memory)[word] = static_cast<Word>(word_of_bytes);
    });
}

inline unsigned memory_blocks(size_t bytes) {
    constexpr size_t bytes_of_block = size_t{32} << 10;
    constexpr size_t most = 1024;
    return static_cast<unsigned>(std::min(std::max<size_t>((bytes + bytes_of_block - 1) / bytes_of_block, 1), most));
}

// ---- copies that are not made where the batch has failed ----------------------------------------------------------------

// Several copies, numbered word by word.
template <typename Word>
struct Commits {
    static constexpr int most = 8;

    struct Copy {
        Word* to;
        const Word* from;
        int64_t end;  // of its words, among those of all
    };

    Copy copies[most];

    __device__ void copy(int64_t i) const {
        int64_t begin = 0;
        int number = 0;
        for (; i >= copies[number].end; ++number) {
            begin = copies[number].end;
        }
        copies[number].to[i - begin] = copies[number].from[i - begin];
    }
};

// Copies by one kernel, a thread a word, none of which is made where the batch has failed.
template <typename Word>
__global__ void __launch_bounds__(block_threads) commit_kernel(Commits<Word> commits, int64_t words, Verdicts verdicts) {
    __shared__ int told;
    const int64_t i = static_cast<int64_t>(blockIdx.x) * block_threads + threadIdx.x;
    if (!verdicts.failed(told) && i < words) {
        commits.copy(i);
    }
}

template <typename Word>
void launch_commits_of(const Commits<Word>& commits, int64_t words, const Verdicts& verdicts, cudaStream_t stream) {
    launch(commit_kernel<Word>, blocks_for(words, block_threads), block_threads, 0, stream, commits, words, verdicts);
}

// Commits that no operation has come after.
class PendingCommits {
public:
    bool is_empty() const { return count_ == 0; }

    // Whether one more can be made together with them: there is room, and it does not read what they write.
    bool takes(const void* to, const void* from, size_t bytes) const {
        for (int i = 0; i < count_; ++i) {
            const int64_t begin = i == 0 ? 0 : all_.copies[i - 1].end;
            const auto size = static_cast<size_t>(all_.copies[i].end - begin) * sizeof(uint32_t);
            if (overlap(all_.copies[i].to, size, from, bytes) || overlap(all_.copies[i].to, size, to, bytes)
                || overlap(all_.copies[i].from, size, to, bytes)) {
                return false;
            }
        }
        return count_ < all_.most;
    }

    void add(void* to, const void* from, size_t bytes) {
        const int64_t words = static_cast<int64_t>(bytes / sizeof(uint32_t));
        all_.copies[count_] = {static_cast<uint32_t*>(to), static_cast<const uint32_t*>(from), words_of_all() + words};
        ++count_;
    }

    void launch(const Verdicts& verdicts, cudaStream_t stream) {
        const Commits<uint32_t> commits = all_;
        const int64_t words = words_of_all();
        forget();
        launch_commits_of(commits, words, verdicts, stream);
    }

    void forget() {
        count_ = 0;
        all_ = {};
    }

private:
    int64_t words_of_all() const { return count_ == 0 ? 0 : all_.copies[count_ - 1].end; }

    Commits<uint32_t> all_ = {};
    int count_ = 0;
};

}  // namespace batching
}  // namespace vq4j

#endif
