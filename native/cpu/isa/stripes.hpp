// Sums over the features of a row in the 16 stripes of core/arithmetic.hpp, in vectors.
#ifndef VQ4J_CPU_ISA_STRIPES_HPP
#define VQ4J_CPU_ISA_STRIPES_HPP

#include "cpu/isa/vector.hpp"

namespace vq4j {
namespace {

constexpr int stripe_vectors = stripes / lanes;

struct Stripes {
    Floats part[stripe_vectors];
};

VQ4J_SHARED Stripes no_stripes() {
    Stripes sums;
#pragma GCC unroll 2
    for (int i = 0; i < stripe_vectors; ++i) {
        sums.part[i] = all(0.0f);
    }
    return sums;
}

VQ4J_SHARED Stripes load_stripes(const float* p) {
    Stripes sums;
#pragma GCC unroll 2
    for (int i = 0; i < stripe_vectors; ++i) {
        sums.part[i] = load(p + i * lanes);
    }
    return sums;
}

VQ4J_SHARED void store_stripes(float* p, const Stripes& sums) {
#pragma GCC unroll 2
    for (int i = 0; i < stripe_vectors; ++i) {
        store(p + i * lanes, sums.part[i]);
    }
}

// sum = accumulate(sum, d, access) for the vectors of the features; d counts from a multiple of 16.
template <typename Accumulate>
VQ4J_SHARED void add_features(Stripes& sums, int64_t features, Accumulate accumulate) {
    int64_t d = 0;
    for (; d + stripes <= features; d += stripes) {
#pragma GCC unroll 2
        for (int i = 0; i < stripe_vectors; ++i) {
            sums.part[i] = accumulate(sums.part[i], d + i * lanes, Whole{});
        }
    }
#pragma GCC unroll 2
    for (int i = 0; i < stripe_vectors && d < features; ++i, d += lanes) {
        if (d + lanes <= features) {
            sums.part[i] = accumulate(sums.part[i], d, Whole{});
        } else {
            const First access{features - d};
            sums.part[i] = access.choose(accumulate(sums.part[i], d, access), sums.part[i]);
        }
    }
}

// The stripes as the balanced tree of the shared add_stripes.
VQ4J_SHARED float add_stripes(Stripes sums) {
#pragma GCC unroll 2
    for (int width = stripe_vectors / 2; width > 0; width /= 2) {
#pragma GCC unroll 2
        for (int i = 0; i < width; ++i) {
            sums.part[i] = sums.part[i] + sums.part[i + width];
        }
    }
    return add_lanes(sums.part[0]);
}

}  // namespace
}  // namespace vq4j

#endif
