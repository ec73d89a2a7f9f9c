// Finite scalar quantization, its decoding and its gradient: a thread a row for codes, a thread an element for the
// gradient. Bound by memory, 8 N D bytes (12 for the gradient), or on devices with few fp64 units by tanh.
#include "core/codebook_free_arguments.hpp"
#include "cuda/elements.cuh"
#include "cuda/first_bad.cuh"
#include "cuda/numbers.cuh"
#include "vq4j/cuda.h"

namespace vq4j::finite_scalar {

template <typename Numbers>
struct Quantize {
    Numbers rows;
    Layout layout;
    FiniteScalarGrid grid;
    float* out;  // or null
    int32_t* codes;
    BadRows bad;

    __device__ void operator()(int64_t n) const {
        const int64_t first = layout.offset(n);
        int32_t code = 0;
        for (int64_t d = 0; d < layout.features; ++d) {
            const FiniteScalarAxis& axis = grid.axes[d];
            const int64_t at = first + d * layout.stride();
            const float z = rows[at];
            bad.note_unless_finite(z, n);
            rows.keep(at, z);
            const int32_t digit = finite_scalar_digit(axis, z);
            code += digit * axis.place;
            if (out != nullptr) {
                out[at] = finite_scalar_value(axis, digit);
            }
        }
        codes[n] = code;
    }
};

struct Decode {
    const int32_t* codes;
    Layout layout;
    FiniteScalarGrid grid;
    float* out;
    BadRows bad;

    __device__ void operator()(int64_t n) const {
        const int32_t code = codes[n];
        if (code < 0 || code >= grid.codes_count) {
            bad.note(n);
            return;
        }
        float* row = out + layout.offset(n);
        for (int64_t d = 0; d < layout.features; ++d) {
            const FiniteScalarAxis& axis = grid.axes[d];
            row[d * layout.stride()] = finite_scalar_value(axis, finite_scalar_digit_of_code(axis, code));
        }
    }
};

struct Gradient {
    const float* rows;
    const float* grad;
    Layout layout;
    FiniteScalarGrid grid;
    float* out;
    BadRows bad;

    __device__ void operator()(int64_t i) const {
        const Element element = element_at(layout, i);
        bad.note_unless_finite(grad[i], element.row);
        out[i] = finite_scalar_gradient_element(grid.axes[element.feature], rows[i], grad[i]);
    }
};

template <typename Numbers>
void quantize(Numbers rows, int64_t outer, int64_t inner, int64_t features, const int32_t* levels, float* out, int32_t* codes,
    cudaStream_t stream) {
    const Layout layout = checked_rows(outer, inner, features);
    check_present({rows.values, levels, codes});
    const FiniteScalarGrid grid = checked_finite_scalar_grid(levels, features);
    const DeviceFirstBad bad(stream);
    for_each(layout.rows(), stream, Quantize<Numbers>{rows, layout, grid, out, codes, bad.rows()});
    bad.require_finite("z");
}

}  // namespace vq4j::finite_scalar

using namespace vq4j;

int32_t vq4j_cuda_finite_scalar_quantize(void* stream, const float* rows, int64_t outer, int64_t inner, int64_t features,
    const int32_t* levels, float* out, int32_t* codes) {
    return guarded([&] {
        finite_scalar::quantize(Floats{rows}, outer, inner, features, levels, out, codes, static_cast<cudaStream_t>(stream));
    });
}

int32_t vq4j_cuda_finite_scalar_quantize_half(void* stream, const uint16_t* rows, int32_t type, int64_t outer, int64_t inner,
    int64_t features, const int32_t* levels, float* out, int32_t* codes, float* widened) {
    return guarded([&] {
        check_half_type(type);
        check_present({widened});
        with_halves(rows, type, widened, [&](auto halves) {
            finite_scalar::quantize(halves, outer, inner, features, levels, out, codes, static_cast<cudaStream_t>(stream));
        });
    });
}

int32_t vq4j_cuda_finite_scalar_decode(void* stream, const int32_t* codes, int64_t outer, int64_t inner,
    int64_t features, const int32_t* levels, float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_present({codes, levels, out});
        const FiniteScalarGrid grid = checked_finite_scalar_grid(levels, features);
        const auto s = static_cast<cudaStream_t>(stream);
        const DeviceFirstBad bad(s);
        for_each(layout.rows(), s, finite_scalar::Decode{codes, layout, grid, out, bad.rows()});
        bad.require_codes_in_range(codes, grid.codes_count);
    });
}

int32_t vq4j_cuda_finite_scalar_gradient(void* stream, const float* rows, const float* grad, int64_t outer,
    int64_t inner, int64_t features, const int32_t* levels, float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_present({rows, grad, levels, out});
        const FiniteScalarGrid grid = checked_finite_scalar_grid(levels, features);
        const auto s = static_cast<cudaStream_t>(stream);
        const DeviceFirstBad bad(s);
        for_each(layout.rows() * features, s, finite_scalar::Gradient{rows, grad, layout, grid, out, bad.rows()});
        bad.require_finite("gradient");
    });
}
