// How kernels walk over rows whose feature axis stands anywhere, so that the innermost loop runs along memory.
#ifndef VQ4J_CPU_ISA_RUNS_HPP
#define VQ4J_CPU_ISA_RUNS_HPP

#include <type_traits>

#include "core/layout.hpp"

namespace vq4j {
namespace {

// body(stride), with a stride of 1 known to the compiler.
template <typename Body>
VQ4J_SHARED auto by_stride(Layout layout, Body body) {
    return layout.stride() == 1 ? body(std::integral_constant<int64_t, 1>{}) : body(layout.stride());
}

// body(at, feature, row) for all elements of the rows begin ... end; `at` is the element's place.
template <typename Body>
VQ4J_SHARED void for_each_element(Layout layout, int64_t begin, int64_t end, Body body) {
    if (layout.inner == 1) {
        for (int64_t n = begin; n < end; ++n) {
            for (int64_t d = 0; d < layout.features; ++d) {
                body(n * layout.features + d, d, n);
            }
        }
        return;
    }
    for (int64_t n = begin; n < end;) {
        const int64_t left = layout.inner - n % layout.inner;
        const int64_t count = left < end - n ? left : end - n;
        for (int64_t d = 0; d < layout.features; ++d) {
            const int64_t at = layout.offset(n) + d * layout.stride();
            for (int64_t i = 0; i < count; ++i) {
                body(at + i, d, n + i);
            }
        }
        n += count;
    }
}

}  // namespace
}  // namespace vq4j

#endif
