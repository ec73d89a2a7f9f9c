// What the filter of an instruction set (isa/filtered_assign.hpp) knows of a packed codebook, behind its panels.
//
// Packing a codebook only notes that there is no filter yet. assign makes it, from the panels, once it has been given
// so many rows with this codebook that it pays: making it takes about as long as scoring 60 rows, of which it saves a
// sixth to two thirds, and a codebook that changes with every small batch is better off without. Other threads assign
// without a filter until it is ready; the codes do not depend on it.
#ifndef VQ4J_CPU_CODEBOOK_FILTER_HPP
#define VQ4J_CPU_CODEBOOK_FILTER_HPP

#include <atomic>

#include "cpu/packed_codebook.hpp"

namespace vq4j {

constexpr int64_t least_filtered_rows = 512;  // assigned with one codebook before it gets its filter

// The axes are left for good where more than one block of rows in five took longer by them than without a filter.
constexpr int32_t most_axes_trust = 16;
constexpr int32_t axes_distrust = 4;

struct FilterState {
    std::atomic<int64_t> rows{0};  // assigned so far
    std::atomic<bool> begun{false};
    std::atomic<bool> ready{false};
    std::atomic<int32_t> blocks_without{0};  // to be assigned without the filter, which did not help before
    std::atomic<int32_t> axes_trust{0};      // above 0 where codes lie near few axes, which helped so far
    float axes_slack = 0.0f;                 // codebook_axes.hpp

    void change_axes_trust(int32_t by) {
        const int32_t trust = axes_trust.load(std::memory_order_relaxed) + by;
        axes_trust.store(trust < most_axes_trust ? trust : most_axes_trust, std::memory_order_relaxed);
    }
};
constexpr int64_t filter_state_floats = 16;
static_assert(sizeof(FilterState) <= filter_state_floats * sizeof(float), "the state has its place");

VQ4J_SHARED FilterState& filter_state(PackedCodebook<const float> packed) {
    return *reinterpret_cast<FilterState*>(packed.filter);
}

// How many floats a packed codebook is, its filter included.
int64_t packed_floats(int64_t codes_count, int64_t features);

// Of a codebook whose panels are new.
void clear_filter(PackedCodebook<float> packed, int64_t codes_count, int64_t features);

// The operations that assign call this first; `rows` is how many they have. Whether there is a filter.
bool make_filter_for(int64_t rows, PackedCodebook<const float> packed, int64_t codes_count, int64_t features);

}  // namespace vq4j

#endif
