// Rows repeated into a row-major matrix with noise. Bound by the drawing of the noise.
#include "core/arguments.hpp"
#include "core/elements.hpp"
#include "core/random.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

using namespace vq4j;

int32_t vq4j_cpu_repeat_rows(const float* rows, int64_t outer, int64_t inner, int64_t features, int64_t repeats,
    float noise, uint64_t seed, float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_sizes({{"repeats", repeats}, {"rows", layout.rows()}, {"features", features}});
        check_present({rows, out});
        parallel_ranges(repeats * layout.rows() * features, draw_cost, [=](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) {
                const int64_t n = i / features % layout.rows();
                const float z = rows[layout.offset(n) + i % features * layout.stride()];
                out[i] = noisy_element(z, noise, normal(seed, static_cast<uint64_t>(i), purpose::repetition_noise));
            }
        });
    });
}
