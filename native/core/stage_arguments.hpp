// Checks of the arguments of operations on chosen rows and on the stages of a residual layer.
#ifndef VQ4J_CORE_STAGE_ARGUMENTS_HPP
#define VQ4J_CORE_STAGE_ARGUMENTS_HPP

#include "core/arguments.hpp"

namespace vq4j {

// Numbers of rows, or all rows.
inline void check_chosen(const int64_t* order, int64_t count, int64_t rows_count) {
    if (count < 1 || count > rows_count || (order == nullptr && count != rows_count)) {
        invalid("need 1 to " + std::to_string(rows_count) + " rows in order, or all of them without, got "
            + std::to_string(count) + (order == nullptr ? " without" : ""));
    }
}

// The layout of several codes of each row, of which `count` rows are chosen.
inline Layout checked_codes_of_rows(int64_t outer, int64_t inner, int64_t codes_of_row, int64_t count) {
    check_sizes({{"outer", outer}, {"inner", inner}, {"codes_of_row", codes_of_row}});
    check_sizes({{"count", count}, {"codes_of_row", codes_of_row}});
    return {outer, inner, codes_of_row};
}

inline void check_stage_numbers(int32_t least, int32_t most) {
    if (least < 1 || least > most) {
        invalid("need 1 <= least <= most, got least = " + std::to_string(least) + ", most = " + std::to_string(most));
    }
}

inline void check_beams(int64_t rows_count, int64_t beams, int64_t candidates, int64_t stages, int64_t stage,
    int64_t kept) {
    check_sizes({{"rows_count", rows_count}, {"beams", beams}, {"candidates", candidates}});
    check_sizes({{"rows_count", rows_count}, {"beams", beams}, {"stages", stages}});
    check_part(stage, 1, "stages", stages);
    check_part(0, kept, "beams * candidates", beams * candidates);
    check_sizes({{"rows_count", rows_count}, {"kept", kept}, {"stages", stages}});
}

}  // namespace vq4j

#endif
