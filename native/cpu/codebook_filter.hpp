// What the filter of an instruction set (isa/filtered_assign.hpp) knows of a packed codebook, behind its panels.
//
// Packing a codebook only notes that there is no filter yet. assign makes it, from the panels, once it has been given
// so many rows with this codebook that it pays: making it takes about as long as scoring 20 rows, of which it saves a
// third to two thirds. Other threads assign without a filter until it is ready; the codes do not depend on it.
#ifndef VQ4J_CPU_CODEBOOK_FILTER_HPP
#define VQ4J_CPU_CODEBOOK_FILTER_HPP

#include <atomic>

#include "cpu/packed_codebook.hpp"

namespace vq4j {

constexpr int64_t least_filtered_rows = 64;  // assigned with one codebook before it gets its filter

// A filter that costs more than it saves in more than one block of rows in five rests for a while.
constexpr int32_t most_filter_trust = 16;
constexpr int32_t filter_distrust = 4;
constexpr int32_t blocks_of_rest = 256;

struct FilterState {
    explicit FilterState(bool of_directions) : directions(of_directions) {}

    std::atomic<int64_t> rows{0};  // assigned so far
    std::atomic<bool> begun{false};
    std::atomic<bool> ready{false};
    bool directions;  // the codes are, with h = 0
    std::atomic<int32_t> trust{most_filter_trust};
    std::atomic<int32_t> rest{0};  // blocks that are still to be assigned without the filter

    // Whether the next block is to be assigned with the filter.
    bool serves() {
        if (!ready.load(std::memory_order_acquire)) {
            return false;
        }
        if (rest.load(std::memory_order_relaxed) <= 0) {
            return true;
        }
        rest.fetch_sub(1, std::memory_order_relaxed);
        return false;
    }

    void note_block(bool cost_too_much) {
        const int32_t now = trust.load(std::memory_order_relaxed) + (cost_too_much ? -filter_distrust : 1);
        if (now <= 0) {
            rest.store(blocks_of_rest, std::memory_order_relaxed);
        }
        trust.store(now <= 0 ? filter_distrust : now < most_filter_trust ? now : most_filter_trust,
            std::memory_order_relaxed);
    }
};
constexpr int64_t filter_state_floats = 16;
static_assert(sizeof(FilterState) <= filter_state_floats * sizeof(float), "the state has its place");

VQ4J_SHARED FilterState& filter_state(PackedCodebook<const float> packed) {
    return *reinterpret_cast<FilterState*>(packed.filter);
}

// How many floats a packed codebook is, its filter included.
int64_t packed_floats(int64_t codes_count, int64_t features);

// Of a codebook whose panels are new; whether they hold directions.
void clear_filter(PackedCodebook<float> packed, int64_t codes_count, int64_t features, bool directions);

// The operations that assign call this first; `rows` is how many they have. Whether there is a filter.
bool make_filter_for(int64_t rows, PackedCodebook<const float> packed, int64_t codes_count, int64_t features);

}  // namespace vq4j

#endif
