// Gradient of the input, straight-through plus commitment: a thread an element, along memory. Bound by memory,
// 12 N D bytes.
#include "core/arguments.hpp"
#include "core/elements.hpp"
#include "cuda/elements.cuh"
#include "cuda/first_bad.cuh"
#include "vq4j/cuda.h"

namespace vq4j::input_gradient {

struct Gradient {
    const float* rows;
    const float* grad;
    Layout layout;
    const float* codebook;
    const int32_t* codes;
    float coefficient;
    float* out;
    BadRows bad;

    __device__ void operator()(int64_t i) const {
        const Element element = element_at(layout, i);
        const float g = grad == nullptr ? 0.0f : grad[i];
        bad.note_unless_finite(g, element.row);
        const float e = codebook[codes[element.row] * layout.features + element.feature];
        out[i] = input_gradient_element(g, rows[i], e, coefficient);
    }
};

}  // namespace vq4j::input_gradient

using namespace vq4j;

int32_t vq4j_cuda_input_gradient(void* stream, const float* rows, const float* grad, int64_t outer, int64_t inner,
    int64_t features, const float* codebook, const int32_t* codes, float coefficient, float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_present({rows, codebook, codes, out});
        const auto s = static_cast<cudaStream_t>(stream);
        const DeviceFirstBad bad(s);
        for_each(layout.rows() * features, s,
            input_gradient::Gradient{rows, grad, layout, codebook, codes, coefficient, out, bad.rows()});
        bad.require_finite("gradient");
    });
}
