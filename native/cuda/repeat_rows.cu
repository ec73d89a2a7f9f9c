// Rows repeated into a row-major matrix with noise: a thread an element of the result. Bound by the drawing of the noise.
#include "core/arguments.hpp"
#include "core/elements.hpp"
#include "core/random.hpp"
#include "cuda/launch.cuh"
#include "vq4j/cuda.h"

namespace vq4j::repeat_rows {

struct Repeat {
    const float* rows;
    Layout layout;
    float noise;
    uint64_t seed;
    float* out;

    __device__ void operator()(int64_t i) const {
        const int64_t n = i / layout.features % layout.rows();
        const float z = rows[layout.offset(n) + i % layout.features * layout.stride()];
        out[i] = noisy_element(z, noise, normal(seed, static_cast<uint64_t>(i), purpose::repetition_noise));
    }
};

}  // namespace vq4j::repeat_rows

using namespace vq4j;

int32_t vq4j_cuda_repeat_rows(void* stream, const float* rows, int64_t outer, int64_t inner, int64_t features,
    int64_t repeats, float noise, uint64_t seed, float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_sizes({{"repeats", repeats}, {"rows", layout.rows()}, {"features", features}});
        check_present({rows, out});
        for_each(repeats * layout.rows() * features, static_cast<cudaStream_t>(stream),
            repeat_rows::Repeat{rows, layout, noise, seed, out});
    });
}
