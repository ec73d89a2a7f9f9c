// The codes that are used, by how often: their keys sorted (sort_keys.cu), a thread a code before and after.
#include "core/arguments.hpp"
#include "core/replacement.hpp"
#include "cuda/sort_keys.cuh"
#include "vq4j/cuda.h"

namespace vq4j::busiest_codes {

struct MakeKey {
    const int64_t* counts;
    int64_t codes_count;
    uint64_t* keys;
    unsigned long long* used;

    __device__ void operator()(int64_t k) const {
        const bool is_code = k < codes_count;
        keys[k] = is_code ? usage_key(counts[k], k) : 0;
        if (is_code && counts[k] > 0) {
            atomicAdd(used, 1ull);
        }
    }
};

struct TakeCode {
    const uint64_t* keys;
    const unsigned long long* used;
    const int64_t* wanted;
    int64_t* order;

    __device__ void operator()(int64_t i) const {
        const auto count = static_cast<int64_t>(*used);
        const bool is_none = count == 0 || (wanted != nullptr && *wanted == 0);
        order[i] = is_none ? 0 : number_of_key(keys[i % count]);
    }
};

}  // namespace vq4j::busiest_codes

using namespace vq4j;

int32_t vq4j_cuda_busiest_codes(void* stream, const int64_t* counts, int64_t codes_count, const int64_t* wanted,
    int64_t* order) {
    return guarded([&] {
        check_selection(codes_count, 1);
        check_present({counts, order});
        const auto s = static_cast<cudaStream_t>(stream);
        const int64_t padded = padded_keys(codes_count);
        const DeviceScratch<uint64_t> keys(padded, s);
        const DeviceScratch<unsigned long long> used(1, s);
        fill(used.get(), 0, sizeof(unsigned long long), s);
        for_each(padded, s, busiest_codes::MakeKey{counts, codes_count, keys.get(), used.get()});
        sort_keys(keys.get(), padded, wanted, s);
        for_each(codes_count, s, busiest_codes::TakeCode{keys.get(), used.get(), wanted, order});
    });
}
