// Checks of the C API's arguments that both implementations share.
#ifndef VQ4J_CORE_ARGUMENTS_HPP
#define VQ4J_CORE_ARGUMENTS_HPP

#include <limits>

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

inline void check_estimator(int32_t kind, const float* out_codes) {
    if (kind != VQ4J_ROTATION && kind != VQ4J_DIRECTED) {
        invalid("need kind VQ4J_ROTATION = 0 or VQ4J_DIRECTED = 1, got " + std::to_string(kind));
    }
    if (kind == VQ4J_DIRECTED && out_codes == nullptr) {
        invalid("VQ4J_DIRECTED needs out_codes, got null");
    }
}

// The part first ... first + count - 1 of a whole lies inside it.
inline void check_part(int64_t first, int64_t count, const char* whole_name, int64_t whole) {
    if (first < 0 || count < 1 || first > whole - count) {
        invalid("need a part of at least 1 within " + std::string(whole_name) + " = " + std::to_string(whole)
            + ", got " + std::to_string(count) + " from " + std::to_string(first));
    }
}

// The range in which 2^exponent times a sum of fp32 numbers can be used.
inline void check_exponent(int32_t exponent) {
    if (exponent < -200 || exponent > 200) {
        invalid("need -200 <= exponent <= 200, got " + std::to_string(exponent));
    }
}

inline void check_power(int32_t power) {
    if (power != 1 && power != 2) {
        invalid("need power 1 or 2, got " + std::to_string(power));
    }
}

inline void check_nearest(int64_t k, int64_t codes_count) {
    if (k < 1 || k > codes_count) {
        invalid("need 1 <= k <= codes_count = " + std::to_string(codes_count) + ", got k = " + std::to_string(k));
    }
}

inline void check_temperature(double temperature) {
    if (!(temperature > 0.0 && temperature <= std::numeric_limits<double>::max())) {
        invalid("need a finite temperature > 0, got " + std::to_string(temperature));
    }
}

inline void check_distance(int32_t kind) {
    if (kind != VQ4J_SQUARED_EUCLIDEAN && kind != VQ4J_EUCLIDEAN && kind != VQ4J_COSINE) {
        invalid("need kind VQ4J_SQUARED_EUCLIDEAN = 0, VQ4J_EUCLIDEAN = 1 or VQ4J_COSINE = 2, got " + std::to_string(kind));
    }
}

inline void check_half_type(int32_t type) {
    if (type != VQ4J_FLOAT16 && type != VQ4J_BFLOAT16) {
        invalid("need type VQ4J_FLOAT16 = 1 or VQ4J_BFLOAT16 = 2, got " + std::to_string(type));
    }
}

// `parts` addresses of each tensor, of which the last one is a velocity that may be missing without momentum.
inline void check_stepped(float* const* tensors, int64_t parts, const int64_t* counts, int64_t* const* steps,
    int64_t tensors_count, const int64_t* batches, int64_t batches_count, bool needs_last) {
    check_sizes({{"tensors_count", tensors_count}});
    check_present({tensors, counts, steps});
    if (batches_count != 0) {
        check_present({batches});
    }
    for (int64_t i = 0; i < tensors_count; ++i) {
        check_sizes({{"counts", counts[i]}});
        check_present({steps[i]});
        for (int64_t part = 0; part < parts - (needs_last ? 0 : 1); ++part) {
            check_present({tensors[i * parts + part]});
        }
    }
}

// The rows of a linear map.
inline Layout checked_linear(int64_t outer, int64_t inner, int64_t features, int64_t out_features) {
    check_sizes({{"features", features}, {"out_features", out_features}});
    check_sizes({{"outer", outer}, {"inner", inner}, {"out_features", out_features}});
    return checked_rows(outer, inner, features);
}

inline void check_both_or_neither(const float* scale, const float* shift) {
    if ((scale == nullptr) != (shift == nullptr)) {
        invalid("need both scale and shift or neither, got only one of them");
    }
}

// A selection of some of the rows, whose numbers are sorted as 32 bits.
inline void check_selection(int64_t rows_count, int64_t count) {
    check_sizes({{"rows_count", rows_count}, {"count", count}});
    if (rows_count > 0xffffffff || count > rows_count) {
        invalid("need 1 <= count <= rows_count < 2^32, got count = " + std::to_string(count) + " and rows_count = "
            + std::to_string(rows_count));
    }
}

inline void check_place_codes(int64_t vectors_count, int64_t codes_count, int64_t features, int64_t groups) {
    check_codebook(vectors_count, features);
    check_codebook(codes_count, features);
    check_divides("groups", groups, "codes_count", codes_count);
}

inline void check_enough_rows(int64_t rows_count, int64_t codes_count) {
    if (rows_count < codes_count) {
        invalid("need at least as many rows as codes, got " + std::to_string(rows_count) + " rows and "
            + std::to_string(codes_count) + " codes");
    }
}

// Codes are int32.
inline void check_codes_count(int64_t codes_count) {
    if (codes_count < 1 || codes_count > int64_t{1} << 31) {
        invalid("need 1 <= codes_count <= 2147483648, got " + std::to_string(codes_count));
    }
}

}  // namespace vq4j

#endif
