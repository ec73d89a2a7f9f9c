// Checks of the C API's arguments that both implementations share.
#ifndef VQ4J_CORE_ARGUMENTS_HPP
#define VQ4J_CORE_ARGUMENTS_HPP

#include "core/failure.hpp"
#include "core/layout.hpp"

namespace vq4j {

inline Layout checked_rows(int64_t outer, int64_t inner, int64_t features) {
    check_sizes({{"outer", outer}, {"inner", inner}, {"features", features}});
    return {outer, inner, features};
}

inline void check_codebook(int64_t codes_count, int64_t features) {
    check_sizes({{"codes_count", codes_count}, {"features", features}});
}

inline void check_row_norm(int32_t kind) {
    if (kind != VQ4J_UNIT && kind != VQ4J_MAX_NORM) {
        invalid("need kind VQ4J_UNIT = 0 or VQ4J_MAX_NORM = 1, got " + std::to_string(kind));
    }
}

}  // namespace vq4j

#endif
