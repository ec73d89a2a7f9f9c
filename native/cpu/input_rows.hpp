// The rows that an operation reads, in fp32 where they lie, or of a 16-bit tensor: then the task that works on some of them
// widens these first, in the caches, into memory where they are kept.
#ifndef VQ4J_CPU_INPUT_ROWS_HPP
#define VQ4J_CPU_INPUT_ROWS_HPP

#include "core/failure.hpp"
#include "cpu/kernels.hpp"
#include "vq4j/cpu.h"

namespace vq4j {

class InputRows {
public:
    InputRows(const float* rows, Layout layout) : rows_{rows, layout}, halves_(nullptr), type_(0), widened_(nullptr) {}

    // Rows that are not row-major are all widened at once: those of a task lie scattered over the tensor.
    InputRows(const uint16_t* halves, int32_t type, Layout layout, float* widened)
        : rows_{widened, layout}, halves_(layout.inner == 1 ? halves : nullptr), type_(type), widened_(widened) {
        if (layout.inner > 1) {
            require_ok(vq4j_cpu_widen(halves, type, layout.rows() * layout.features, widened));
        }
    }

    // All rows, of which begin ... end - 1 are there.
    Rows with(int64_t begin, int64_t end) const {
        if (halves_ != nullptr) {
            const int64_t features = rows_.layout.features;
            kernels().widen(halves_ + begin * features, type_, (end - begin) * features, widened_ + begin * features);
        }
        return rows_;
    }

    Layout layout() const { return rows_.layout; }

private:
    Rows rows_;
    const uint16_t* halves_;  // null where the rows are there
    int32_t type_;
    float* widened_;
};

}  // namespace vq4j

#endif
