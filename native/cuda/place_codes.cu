// Codes that are replaced by vectors given in turn: a scan numbers the marked codes, then a thread a code, which draws the
// noise of its D numbers one after the other: bound by that.
#include "core/arguments.hpp"
#include "core/replacement.hpp"
#include "cuda/launch.cuh"
#include "cuda/scan.cuh"
#include "vq4j/cuda.h"

namespace vq4j::place_codes {

struct Mark {
    const int32_t* mask;
    int64_t* marks;

    __device__ void operator()(int64_t k) const { marks[k] = mask[k] != 0 ? 1 : 0; }
};

struct Place {
    const float* vectors;
    int64_t vectors_count;
    const int32_t* mask;
    const int64_t* numbers;  // of the marked codes, from 0
    int64_t exact;
    float noise;
    uint64_t seed;
    uint64_t step;
    CodePlaces places;

    __device__ void operator()(int64_t k) const {
        if (mask[k] != 0) {
            const float* const vector = vectors + numbers[k] % vectors_count * places.features;
            place_code(vector, 1, k, numbers[k] < exact ? 0.0f : noise, seed, step, places);
        }
    }
};

}  // namespace vq4j::place_codes

using namespace vq4j;

int32_t vq4j_cuda_place_codes(void* stream, const float* vectors, int64_t vectors_count, const int32_t* mask,
    int64_t codes_count, int64_t features, const float* scale, const float* shift, int64_t groups, int64_t exact,
    float noise, uint64_t seed, uint64_t step, float* codebook) {
    return guarded([&] {
        check_place_codes(vectors_count, codes_count, features, groups);
        check_present({vectors, mask, codebook});
        check_both_or_neither(scale, shift);
        const auto s = static_cast<cudaStream_t>(stream);
        const DeviceScratch<int64_t> numbers(codes_count + 1, s);
        for_each(codes_count, s, place_codes::Mark{mask, numbers.get()});
        exclusive_scan(numbers.get(), codes_count, s);
        const CodePlaces places{scale, shift, codes_count / groups, features, codebook};
        for_each(codes_count, s,
            place_codes::Place{vectors, vectors_count, mask, numbers.get(), exact, noise, seed, step, places});
    });
}
