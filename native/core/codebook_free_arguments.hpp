// Checks of the arguments of the quantizers without a codebook, and what follows from their options.
#ifndef VQ4J_CORE_CODEBOOK_FREE_ARGUMENTS_HPP
#define VQ4J_CORE_CODEBOOK_FREE_ARGUMENTS_HPP

#include <limits>

#include "core/arguments.hpp"
#include "core/finite_scalar.hpp"
#include "core/sign_code.hpp"

namespace vq4j {

inline FiniteScalarGrid checked_finite_scalar_grid(const int32_t* levels, int64_t features) {
    constexpr int64_t most_codes = 0x7fffffff;
    FiniteScalarGrid grid;
    grid.codes_count = 1;
    for (int64_t d = 0; d < features; ++d) {
        if (levels[d] < 2) {
            invalid("need at least 2 levels for every feature, got " + std::to_string(levels[d]) + " for feature "
                + std::to_string(d));
        }
        if (grid.codes_count > most_codes / levels[d]) {
            invalid("need a product of the levels of at most " + std::to_string(most_codes) + ", got more from feature "
                + std::to_string(d) + " on");
        }
        const double half_range = static_cast<double>(levels[d] - 1) * (1.0 + 1e-3) / 2.0;
        const double offset = levels[d] % 2 == 0 ? 0.5 : 0.0;
        const double ratio = offset / half_range;
        // artanh(ratio)
        const double shift = ratio == 0.0 ? 0.0 : -0.5 * natural_logarithm((1.0 - ratio) / (1.0 + ratio));
        grid.axes[d] = {half_range, offset, shift, static_cast<double>(levels[d] / 2), levels[d],
            static_cast<int32_t>(grid.codes_count)};
        grid.codes_count *= levels[d];
    }
    return grid;
}

inline void check_sign_code(int64_t features, float scale) {
    if (features > sign_code_features) {
        invalid("need at most " + std::to_string(sign_code_features) + " features, a bit of an int32 code each, got "
            + std::to_string(features));
    }
    if (!(scale > 0.0f) || !is_finite(scale)) {
        invalid("need a finite scale > 0, got " + std::to_string(scale));
    }
}

// Within fp32, so that its products with numbers of fp32 are within fp64.
inline void check_sharpness(double sharpness) {
    if (!(sharpness > 0.0 && sharpness <= static_cast<double>(std::numeric_limits<float>::max()))) {
        invalid("need a sharpness > 0 and within fp32, got " + std::to_string(sharpness));
    }
}

}  // namespace vq4j

#endif
