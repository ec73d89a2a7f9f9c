// Finding bad input: the tasks of an operation note the rows they find bad, the operation asks at its end for the first.
#ifndef VQ4J_CPU_FIRST_BAD_HPP
#define VQ4J_CPU_FIRST_BAD_HPP

#include <atomic>
#include <cstdint>
#include <limits>

#include "core/failure.hpp"
#include "core/layout.hpp"

namespace vq4j {

// What a kernel returns when it found no bad row.
constexpr int64_t no_bad_row = std::numeric_limits<int64_t>::max();

// The first of the rows begin ... end with a NaN or an infinity, or end.
VQ4J_SHARED int64_t first_not_finite(const float* data, Layout layout, int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
        for (int64_t d = 0; d < layout.features; ++d) {
            if (!is_finite(data[layout.offset(n) + d * layout.stride()])) {
                return n;
            }
        }
    }
    return end;
}

class FirstBad {
public:
    void note(int64_t row) {
        int64_t seen = first_.load(std::memory_order_relaxed);
        while (row < seen && !first_.compare_exchange_weak(seen, row, std::memory_order_relaxed)) {
        }
    }

    void require_finite(const char* tensor) const {
        if (first_ != no_bad_row) {
            not_finite(tensor, first_);
        }
    }

    void require_codes_in_range(const int32_t* codes, int64_t codes_count) const {
        if (first_ != no_bad_row) {
            code_out_of_range(codes[first_], first_, codes_count);
        }
    }

    // fail(position) if there was a bad one.
    template <typename Fail>
    void require_none(Fail fail) const {
        if (first_ != no_bad_row) {
            fail(first_.load());
        }
    }

private:
    std::atomic<int64_t> first_{no_bad_row};
};

}  // namespace vq4j

#endif
