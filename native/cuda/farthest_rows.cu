// The rows farthest from their codes: their keys sorted by a bitonic network, padded to a power of two by keys that
// come last. log2(N) (log2(N) + 1) / 2 passes over 8 N bytes: bound by memory, and by launches for few rows.
#include "core/arguments.hpp"
#include "core/replacement.hpp"
#include "cuda/launch.cuh"
#include "vq4j/cuda.h"

namespace vq4j::farthest_rows {

struct MakeKey {
    const float* distances;
    int64_t rows_count;
    uint64_t* keys;

    __device__ void operator()(int64_t i) const { keys[i] = i < rows_count ? distance_key(distances[i], i) : 0; }
};

// One comparison of the network, pair i of those `distance` apart: blocks of `block` keys become sorted, in turn the
// greatest first and the least first, until the one block of all has the greatest first.
struct Compare {
    int64_t block;
    int64_t distance;
    uint64_t* keys;

    __device__ void operator()(int64_t i) const {
        const int64_t low = i / distance * (2 * distance) + i % distance;
        const int64_t high = low + distance;
        const uint64_t a = keys[low];
        const uint64_t b = keys[high];
        const bool greatest_first = (low & block) == 0;
        if ((a < b) == greatest_first) {
            keys[low] = b;
            keys[high] = a;
        }
    }
};

struct TakeRow {
    const uint64_t* keys;
    int64_t* order;

    __device__ void operator()(int64_t i) const { order[i] = row_of_key(keys[i]); }
};

}  // namespace vq4j::farthest_rows

using namespace vq4j;

int32_t vq4j_cuda_farthest_rows(void* stream, const float* distances, int64_t rows_count, int64_t count,
    int64_t* order) {
    return guarded([&] {
        check_selection(rows_count, count);
        check_present({distances, order});
        const auto s = static_cast<cudaStream_t>(stream);
        int64_t padded = 1;
        while (padded < rows_count) {
            padded *= 2;
        }
        const DeviceScratch<uint64_t> keys(padded, s);
        for_each(padded, s, farthest_rows::MakeKey{distances, rows_count, keys.get()});
        for (int64_t block = 2; block <= padded; block *= 2) {
            for (int64_t distance = block / 2; distance > 0; distance /= 2) {
                for_each(padded / 2, s, farthest_rows::Compare{block, distance, keys.get()});
            }
        }
        for_each(count, s, farthest_rows::TakeRow{keys.get(), order});
    });
}
