// Memory for the length of one operation: taken from a stack that every thread keeps, so that after the first calls of a
// shape nothing is allocated any more. Objects of this class live on the stack of the same thread, last in, first out.
#ifndef VQ4J_CPU_SCRATCH_HPP
#define VQ4J_CPU_SCRATCH_HPP

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

namespace vq4j {

constexpr size_t scratch_alignment = 64;

class ScratchStack {
public:
    struct Place {
        size_t block;
        size_t used;
    };

    Place place() const { return {current_, current_ < blocks_.size() ? blocks_[current_].used : 0}; }

    void* take(size_t bytes) {
        bytes = (bytes + scratch_alignment - 1) / scratch_alignment * scratch_alignment;
        while (current_ < blocks_.size() && blocks_[current_].bytes - blocks_[current_].used < bytes) {
            ++current_;
        }
        if (current_ == blocks_.size()) {
            blocks_.emplace_back(bytes > least_block ? bytes : least_block);
        }
        Block& block = blocks_[current_];
        void* const memory = block.memory.get() + block.used;
        block.used += bytes;
        return memory;
    }

    void give_back_to(Place place) {
        for (size_t i = place.block + 1; i <= current_ && i < blocks_.size(); ++i) {
            blocks_[i].used = 0;
        }
        current_ = place.block;
        if (current_ < blocks_.size()) {
            blocks_[current_].used = place.used;
        }
        if (current_ == 0 && place.used == 0 && blocks_.size() > 1) {
            join_blocks();
        }
    }

    static ScratchStack& of_this_thread() {
        static thread_local ScratchStack stack;
        return stack;
    }

private:
    static constexpr size_t least_block = size_t{1} << 16;

    struct Free {
        void operator()(unsigned char* memory) const { std::free(memory); }
    };

    struct Block {
        explicit Block(size_t size)
            : bytes(size), memory(static_cast<unsigned char*>(std::aligned_alloc(scratch_alignment, size))) {
            if (memory == nullptr) {
                throw std::bad_alloc();
            }
        }
        size_t bytes;
        size_t used = 0;
        std::unique_ptr<unsigned char, Free> memory;
    };

    // One block of the size of all, so that the next operation finds it all in one piece; none where that is not to be had: a
    // destructor calls this.
    void join_blocks() noexcept {
        size_t bytes = 0;
        for (const Block& block : blocks_) {
            bytes += block.bytes;
        }
        blocks_.clear();
        try {
            blocks_.emplace_back(bytes);
        } catch (const std::bad_alloc&) {
        }
    }

    std::vector<Block> blocks_;
    size_t current_ = 0;
};

template <typename T>
class Scratch {
public:
    explicit Scratch(int64_t count)
        : place_(ScratchStack::of_this_thread().place()),
          memory_(static_cast<T*>(ScratchStack::of_this_thread().take(static_cast<size_t>(count) * sizeof(T)))) {}
    ~Scratch() { ScratchStack::of_this_thread().give_back_to(place_); }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

    T* get() const { return memory_; }

private:
    ScratchStack::Place place_;
    T* memory_;
};

}  // namespace vq4j

#endif
