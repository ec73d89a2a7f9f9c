// The rows farthest from their codes: their keys sorted (sort_keys.cu), a thread a row before and after.
#include "core/arguments.hpp"
#include "core/replacement.hpp"
#include "cuda/sort_keys.cuh"
#include "vq4j/cuda.h"

namespace vq4j::farthest_rows {

struct MakeKey {
    const float* distances;
    int64_t rows_count;
    uint64_t* keys;

    __device__ void operator()(int64_t i) const { keys[i] = i < rows_count ? distance_key(distances[i], i) : 0; }
};

struct TakeRow {
    const uint64_t* keys;
    const int64_t* wanted;
    int64_t* order;

    __device__ void operator()(int64_t i) const {
        order[i] = wanted != nullptr && *wanted == 0 ? 0 : number_of_key(keys[i]);
    }
};

}  // namespace vq4j::farthest_rows

using namespace vq4j;

int32_t vq4j_cuda_farthest_rows(void* stream, const float* distances, int64_t rows_count, int64_t count,
    const int64_t* wanted, int64_t* order) {
    return guarded([&] {
        check_selection(rows_count, count);
        check_present({distances, order});
        const auto s = static_cast<cudaStream_t>(stream);
        const int64_t padded = padded_keys(rows_count);
        const DeviceScratch<uint64_t> keys(padded, s);
        for_each(padded, s, farthest_rows::MakeKey{distances, rows_count, keys.get()});
        sort_keys(keys.get(), padded, wanted, s);
        for_each(count, s, farthest_rows::TakeRow{keys.get(), wanted, order});
    });
}
