// How often each code occurs: a thread a row, integer atomics, whose sums do not depend on their order. Bound by memory,
// or by contention where few codes take most of the rows.
#include "core/arguments.hpp"
#include "cuda/first_bad.cuh"
#include "vq4j/cuda.h"

namespace vq4j::count_codes {

struct Count {
    const int32_t* codes;
    int64_t codes_count;
    unsigned long long* counts;
    BadRows bad;

    __device__ void operator()(int64_t n) const {
        const int32_t code = codes[n];
        if (code < 0 || code >= codes_count) {
            bad.note(n);
        } else {
            atomicAdd(counts + code, 1ull);
        }
    }
};

}  // namespace vq4j::count_codes

using namespace vq4j;

int32_t vq4j_cuda_count_codes(void* stream, const int32_t* codes, int64_t rows_count, int64_t codes_count,
    int64_t* counts) {
    return guarded([&] {
        check_sizes({{"rows_count", rows_count}});
        check_sizes({{"codes_count", codes_count}});
        check_present({codes, counts});
        const auto s = static_cast<cudaStream_t>(stream);
        const DeviceFirstBad bad(s);
        fill(counts, 0, codes_count * static_cast<int64_t>(sizeof(int64_t)), s);
        for_each(rows_count, s,
            count_codes::Count{codes, codes_count, reinterpret_cast<unsigned long long*>(counts), bad.rows()});
        bad.require_codes_in_range(codes, codes_count);
    });
}
