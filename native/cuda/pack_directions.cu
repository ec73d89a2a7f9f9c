// Prepares a codebook for assignment by cosine: its codes scaled to length 1 in panels; a thread a code, which reads it
// twice.
#include "core/arguments.hpp"
#include "core/lengths.hpp"
#include "cuda/first_bad.cuh"
#include "cuda/packed_codebook.cuh"
#include "vq4j/cuda.h"

namespace vq4j::pack_directions {

// One code, or one of those that fill the last panel.
struct PackDirection {
    const float* codebook;
    int64_t codes_count;
    int64_t features;
    PackedCodebook<float> packed;
    BadRows bad;

    __device__ void operator()(int64_t k) const {
        const bool exists = k < codes_count;
        const float* const code = codebook + k * features;
        const double length = exists ? length_in_fp64(code, 1, features) : 0.0;
        if (!is_finite_length(length)) {
            bad.note(k);
        }
        const double factor = length_factor(length, 1.0);
        for (int64_t d = 0; d < features; ++d) {
            packed.element(k, d, features) = exists ? scaled_in_fp64(code[d], factor) : 0.0f;
        }
        packed.negative_h[k] = exists ? 0.0f : -INFINITY;
    }
};

}  // namespace vq4j::pack_directions

using namespace vq4j;

int32_t vq4j_cuda_pack_directions(void* stream, const float* codebook, int64_t codes_count, int64_t features,
    void* packed) {
    return guarded([&] {
        check_codebook(codes_count, features);
        check_present({codebook, packed});
        const auto s = static_cast<cudaStream_t>(stream);
        const PackedCodebook<float> view = packed_view(static_cast<float*>(packed), codes_count, features);
        const DeviceFirstBad bad(s);
        fill(view.centre, 0, features * static_cast<int64_t>(sizeof(float)), s);
        for_each(panels_of(codes_count) * panel_codes, s,
            pack_directions::PackDirection{codebook, codes_count, features, view, bad.rows()});
        bad.require_finite("codebook");
    });
}
