// Sign codes, their decoding, losses and gradient: a thread a row for codes, a thread a chunk of 256 rows of one
// feature for the losses, combined in fp64, a thread an element for the gradient. Bound by memory, 8 N D bytes for
// codes, 4 for the losses and 12 for the gradient, or on devices with few fp64 units by the entropies.
#include "core/codebook_free_arguments.hpp"
#include "cuda/chunks.cuh"
#include "cuda/elements.cuh"
#include "cuda/first_bad.cuh"
#include "cuda/numbers.cuh"
#include "vq4j/cuda.h"

namespace vq4j::sign_code {

template <typename Numbers>
struct Quantize {
    Numbers rows;
    Layout layout;
    float scale;
    float* out;  // or null
    int32_t* codes;
    BadRows bad;

    __device__ void operator()(int64_t n) const {
        const int64_t first = layout.offset(n);
        int32_t code = 0;
        for (int64_t d = 0; d < layout.features; ++d) {
            const int64_t at = first + d * layout.stride();
            const float z = rows[at];
            bad.note_unless_finite(z, n);
            rows.keep(at, z);
            const int32_t bit = sign_bit(z);
            code |= bit << d;
            if (out != nullptr) {
                out[at] = sign_value(bit, scale);
            }
        }
        codes[n] = code;
    }
};

struct Decode {
    const int32_t* codes;
    Layout layout;
    float scale;
    float* out;
    BadRows bad;

    __device__ void operator()(int64_t n) const {
        const int32_t code = codes[n];
        if (code < 0 || code >= int64_t{1} << layout.features) {
            bad.note(n);
            return;
        }
        for (int64_t d = 0; d < layout.features; ++d) {
            out[layout.offset(n) + d * layout.stride()] = sign_value(code >> d & 1, scale);
        }
    }
};

struct SumChunk {
    const float* rows;
    Layout layout;
    Segments segments;
    float scale;
    double sharpness;
    SignSums* partial;  // [chunks][D]

    __device__ void operator()(int64_t i) const {
        const int64_t d = i % layout.features;
        const Chunk chunk = segments.chunk(i / layout.features);
        SignSums sums{0.0, 0.0, 0.0, 0.0};
        for (int64_t n = chunk.begin; n < chunk.end; ++n) {
            sums = add_terms(sums, sign_terms(rows[layout.offset(n) + d * layout.stride()], scale, sharpness));
        }
        partial[i] = sums;
    }
};

struct CombineChunks {
    const SignSums* partial;
    int64_t chunks;
    int64_t features;
    SignSums* sums;  // [D]

    __device__ void operator()(int64_t d) const {
        SignSums total{0.0, 0.0, 0.0, 0.0};
        for (int64_t chunk = 0; chunk < chunks; ++chunk) {
            total = add_terms(total, partial[chunk * features + d]);
        }
        sums[d] = total;
    }
};

struct Finish {
    const SignSums* sums;
    Layout layout;
    double* losses;
    double* mean_logits;

    __device__ void operator()(int64_t) const {
        finish_sign_losses(sums, layout.rows(), layout.features, losses, mean_logits);
    }
};

struct Gradient {
    const float* rows;
    const float* grad;  // or null
    Layout layout;
    SignGradient gradient;
    const double* mean_logits;
    float* out;
    BadRows bad;

    __device__ void operator()(int64_t i) const {
        const Element element = element_at(layout, i);
        const float g = grad == nullptr ? 0.0f : grad[i];
        bad.note_unless_finite(g, element.row);
        out[i] = sign_gradient_element(gradient, rows[i], g, mean_logits[element.feature]);
    }
};

template <typename Numbers>
void quantize(Numbers rows, int64_t outer, int64_t inner, int64_t features, float scale, float* out, int32_t* codes,
    cudaStream_t stream) {
    const Layout layout = checked_rows(outer, inner, features);
    check_sign_code(features, scale);
    check_present({rows.values, codes});
    const DeviceFirstBad bad(stream);
    for_each(layout.rows(), stream, Quantize<Numbers>{rows, layout, scale, out, codes, bad.rows()});
    bad.require_finite("z");
}

}  // namespace vq4j::sign_code

using namespace vq4j;

int32_t vq4j_cuda_sign_quantize(void* stream, const float* rows, int64_t outer, int64_t inner, int64_t features,
    float scale, float* out, int32_t* codes) {
    return guarded([&] {
        sign_code::quantize(Floats{rows}, outer, inner, features, scale, out, codes, static_cast<cudaStream_t>(stream));
    });
}

int32_t vq4j_cuda_sign_quantize_half(void* stream, const uint16_t* rows, int32_t type, int64_t outer, int64_t inner,
    int64_t features, float scale, float* out, int32_t* codes, float* widened) {
    return guarded([&] {
        check_half_type(type);
        check_present({widened});
        with_halves(rows, type, widened, [&](auto halves) {
            sign_code::quantize(halves, outer, inner, features, scale, out, codes, static_cast<cudaStream_t>(stream));
        });
    });
}

int32_t vq4j_cuda_sign_decode(void* stream, const int32_t* codes, int64_t outer, int64_t inner, int64_t features,
    float scale, float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_sign_code(features, scale);
        check_present({codes, out});
        const auto s = static_cast<cudaStream_t>(stream);
        const DeviceFirstBad bad(s);
        for_each(layout.rows(), s, sign_code::Decode{codes, layout, scale, out, bad.rows()});
        bad.require_codes_in_range(codes, int64_t{1} << features);
    });
}

int32_t vq4j_cuda_sign_losses(void* stream, const float* rows, int64_t outer, int64_t inner, int64_t features,
    float scale, double sharpness, double* losses, double* mean_logits) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_sign_code(features, scale);
        check_sharpness(sharpness);
        check_present({rows, losses, mean_logits});
        const auto s = static_cast<cudaStream_t>(stream);
        const Segments segments{1, layout.rows()};
        const DeviceScratch<SignSums> partial(segments.chunks() * features, s);
        const DeviceScratch<SignSums> sums(features, s);
        for_each(segments.chunks() * features, s,
            sign_code::SumChunk{rows, layout, segments, scale, sharpness, partial.get()});
        for_each(features, s, sign_code::CombineChunks{partial.get(), segments.chunks(), features, sums.get()});
        for_each(1, s, sign_code::Finish{sums.get(), layout, losses, mean_logits});
    });
}

int32_t vq4j_cuda_sign_gradient(void* stream, const float* rows, const float* grad, int64_t outer, int64_t inner,
    int64_t features, float scale, double sharpness, double commitment, double entropy, double diversity,
    const double* mean_logits, float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_sign_code(features, scale);
        check_sharpness(sharpness);
        check_present({rows, mean_logits, out});
        const auto s = static_cast<cudaStream_t>(stream);
        const DeviceFirstBad bad(s);
        for_each(layout.rows() * features, s,
            sign_code::Gradient{rows, grad, layout, {scale, sharpness, commitment, entropy, diversity}, mean_logits,
                out, bad.rows()});
        bad.require_finite("gradient");
    });
}
