// 16-bit numbers as fp32 and back; rows of them as row-major fp32. Bound by memory.
#ifndef VQ4J_CPU_ISA_HALF_HPP
#define VQ4J_CPU_ISA_HALF_HPP

#include "core/half.hpp"
#include "cpu/isa/blocks.hpp"
#include "cpu/kernels.hpp"
#include "vq4j/status.h"

namespace vq4j {
namespace {

// body(Float16{}) or body(Bfloat16{}).
template <typename Body>
VQ4J_SHARED void by_half_type(int32_t type, Body body) {
    if (type == VQ4J_FLOAT16) {
        body(Float16{});
    } else {
        body(Bfloat16{});
    }
}

void widen(const uint16_t* __restrict values, int32_t type, int64_t count, float* __restrict out) {
    by_half_type(type, [=](auto half) {
        for (int64_t i = 0; i < count; ++i) {
            out[i] = half.widen(values[i]);
        }
    });
}

void narrow(const float* __restrict values, int64_t count, int32_t type, uint16_t* __restrict out) {
    by_half_type(type, [=](auto half) {
        for (int64_t i = 0; i < count; ++i) {
            out[i] = half.narrow(values[i]);
        }
    });
}

// Rows begin ... end as a row-major matrix.
void widen_rows(const uint16_t* rows, int32_t type, Layout layout, int64_t begin, int64_t end, float* out) {
    const int64_t features = layout.features;
    if (layout.inner == 1) {
        widen(rows + begin * features, type, (end - begin) * features, out);
        return;
    }
    for_each_run(layout, begin, end, block_rows, [=](int64_t n, int64_t count) {
        alignas(64) float buffer[block_floats];
        float* const lines = buffer;
        for_each_strip(layout, [=](int64_t first, int64_t width) {
            for (int64_t d = 0; d < width; ++d) {
                widen(rows + layout.offset(n) + (first + d) * layout.inner, type, count, lines + d * block_rows);
            }
            transpose_lines<false>([=](int64_t d, int64_t i) { return lines + d * block_rows + i; }, width, count,
                out + (n - begin) * features + first, features);
        });
    });
}

}  // namespace
}  // namespace vq4j

#endif
