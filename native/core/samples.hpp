// Samples of a batch, equally many rows each, and the rows of a selection that belong to them.
#ifndef VQ4J_CORE_SAMPLES_HPP
#define VQ4J_CORE_SAMPLES_HPP

#include "core/random.hpp"

namespace vq4j {

// Rows chosen from a batch, by their numbers, ascending; all rows where order is null.
struct ChosenRows {
    const int64_t* order;
    int64_t count;
    int64_t rows_of_sample;

    VQ4J_SHARED_MEMBER int64_t sample(int64_t i) const { return (order == nullptr ? i : order[i]) / rows_of_sample; }

    // The first chosen row that is not before the sample.
    VQ4J_SHARED_MEMBER int64_t begin_of(int64_t sample) const {
        const int64_t first = sample * rows_of_sample;
        if (order == nullptr) {
            return first < count ? first : count;
        }
        int64_t low = 0;
        int64_t high = count;
        while (low < high) {
            const int64_t middle = low + (high - low) / 2;
            if (order[middle] < first) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low;
    }
};

VQ4J_SHARED int32_t draw_stages_of_sample(uint64_t seed, uint64_t step, int64_t sample, int32_t least, int32_t most) {
    const uint64_t index = static_cast<uint64_t>(sample);
    return least + static_cast<int32_t>(uniform_below(seed, index, purpose::stages_in_use + step, most - least + 1));
}

}  // namespace vq4j

#endif
