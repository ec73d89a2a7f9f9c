// Codes that are replaced by vectors given in turn: the marked codes are numbered, then a task takes a range of codes. Bound by
// the drawing of the noise, D numbers a marked code.
#include "core/arguments.hpp"
#include "core/replacement.hpp"
#include "cpu/scratch.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

using namespace vq4j;

int32_t vq4j_cpu_place_codes(const float* vectors, int64_t vectors_count, const int32_t* mask, int64_t codes_count,
    int64_t features, const float* scale, const float* shift, int64_t groups, int64_t exact, float noise, uint64_t seed,
    uint64_t step, float* codebook) {
    return guarded([&] {
        check_place_codes(vectors_count, codes_count, features, groups);
        check_present({vectors, mask, codebook});
        check_both_or_neither(scale, shift);
        const Scratch<int64_t> before(codes_count);
        int64_t marked = 0;
        for (int64_t k = 0; k < codes_count; ++k) {
            before.get()[k] = marked;
            marked += mask[k] != 0 ? 1 : 0;
        }
        const int64_t* const numbers = before.get();
        const CodePlaces places{scale, shift, codes_count / groups, features, codebook};
        parallel_ranges(codes_count, draw_cost * features, [=](int64_t begin, int64_t end) {
            for (int64_t k = begin; k < end; ++k) {
                if (mask[k] != 0) {
                    const float* const vector = vectors + numbers[k] % vectors_count * features;
                    place_code(vector, 1, k, numbers[k] < exact ? 0.0f : noise, seed, step, places);
                }
            }
        });
    });
}
