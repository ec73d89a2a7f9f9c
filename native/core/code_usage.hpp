// One code's share of the entropy of a histogram.
#ifndef VQ4J_CORE_CODE_USAGE_HPP
#define VQ4J_CORE_CODE_USAGE_HPP

#include "core/elementary_functions.hpp"

namespace vq4j {

// -p ln p of a code that `count` of the rows have. The terms are summed over chunks of 256 of the sorted codes, each in
// the chunk in which its code begins.
VQ4J_SHARED double usage_entropy_term(int64_t count, int64_t rows) {
    const double share = static_cast<double>(count) / static_cast<double>(rows);
    return -share * natural_logarithm(share);
}

}  // namespace vq4j

#endif
