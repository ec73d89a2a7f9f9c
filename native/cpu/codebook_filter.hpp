// What the filters of an instruction set (isa/filtered_assign.hpp) know of a packed codebook, behind its panels.
//
// Packing a codebook only notes that there is none yet. assign makes one, from the panels, once it has been given so many
// rows with this codebook that it pays: bytes take about as long as scoring 20 rows, axes as assigning 50 with them. Other
// threads assign without a filter until it is ready; the codes do not depend on it.
#ifndef VQ4J_CPU_CODEBOOK_FILTER_HPP
#define VQ4J_CPU_CODEBOOK_FILTER_HPP

#include <atomic>

#include "cpu/kernels.hpp"
#include "cpu/packed_codebook.hpp"

namespace vq4j {

// Assigned with one codebook before it gets a filter.
constexpr int64_t least_rows_of_bytes = 64;
#ifdef VQ4J_FILTER_EVERYTHING  // tests of small shapes
constexpr int64_t least_pairs_of_axes = 1 << 13;  // of a row and a code
#else
constexpr int64_t least_pairs_of_axes = 1 << 22;
#endif

// A filter that costs more than it saves in more than one block of rows in five rests for a while.
constexpr int32_t most_filter_trust = 16;
constexpr int32_t filter_distrust = 4;
constexpr int32_t blocks_of_rest = 256;

// Of one kind of filter: whether it was made, and whether it serves.
class FilterUse {
public:
    bool is_begun() const { return begun_.load(std::memory_order_relaxed); }

    // Whether the caller is to make the filter; once.
    bool begin() { return !begun_.exchange(true); }
    void finish() { ready_.store(true, std::memory_order_release); }
    bool is_ready() const { return ready_.load(std::memory_order_acquire); }

    // Whether the next block is to be assigned with the filter.
    bool serves() {
        if (!is_ready()) {
            return false;
        }
        if (!rests()) {
            return true;
        }
        rest_.fetch_sub(1, std::memory_order_relaxed);
        return false;
    }

    bool rests() const { return rest_.load(std::memory_order_relaxed) > 0; }

    void note_block(bool cost_too_much) {
        const int32_t now = trust_.load(std::memory_order_relaxed) + (cost_too_much ? -filter_distrust : 1);
        if (now <= 0) {
            rest_.store(blocks_of_rest, std::memory_order_relaxed);
        }
        trust_.store(now <= 0 ? filter_distrust : now < most_filter_trust ? now : most_filter_trust,
            std::memory_order_relaxed);
    }

private:
    std::atomic<bool> begun_{false};
    std::atomic<bool> ready_{false};
    std::atomic<int32_t> trust_{filter_distrust};
    std::atomic<int32_t> rest_{0};  // blocks that are still to be assigned without the filter
};

struct FilterState {
    explicit FilterState(bool of_directions) : directions(of_directions) {}

    std::atomic<int64_t> rows{0};  // assigned while a filter was still to be made
    bool directions;               // the codes are, with h = 0
    float axes_slack = 0.0f;       // of isa/axes.hpp
    FilterUse axes;                // not ready where the codebook has none
    FilterUse bytes;
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

// Their kernel.
AssignRows assign_kernel();

}  // namespace vq4j

#endif
