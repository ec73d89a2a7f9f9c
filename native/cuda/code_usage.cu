// Entropy of the histogram of codes and the number of codes that occur, whatever the number of codes that could: the
// codes are sorted, a thread a chunk of 256 looks where codes begin and finds their ends by bisection, and the chunks
// are added in order. Bound by the sort.
#include "core/code_usage.hpp"

#include "core/arguments.hpp"
#include "cuda/chunks.cuh"
#include "cuda/first_bad.cuh"
#include "cuda/group_by_code.cuh"
#include "vq4j/cuda.h"

namespace vq4j::code_usage {

struct CheckCode {
    const int32_t* codes;
    int64_t codes_count;
    BadRows bad;

    __device__ void operator()(int64_t n) const {
        if (codes[n] < 0 || codes[n] >= codes_count) {
            bad.note(n);
        }
    }
};

struct Usage {
    double entropy;
    int64_t used;
};

struct SumChunk {
    const int32_t* sorted;
    Segments segments;
    Usage* usages;  // [chunks]

    __device__ void operator()(int64_t i) const {
        const Chunk chunk = segments.chunk(i);
        Usage usage{0.0, 0};
        for (int64_t n = chunk.begin; n < chunk.end; ++n) {
            if (n == 0 || sorted[n] != sorted[n - 1]) {
                const int64_t end = first_not_below(sorted, n, segments.rows, int64_t{sorted[n]} + 1);
                usage.entropy = usage.entropy + usage_entropy_term(end - n, segments.rows);
                ++usage.used;
            }
        }
        usages[i] = usage;
    }
};

struct Combine {
    const Usage* usages;
    int64_t chunks;
    double* entropy;
    int64_t* used;

    __device__ void operator()(int64_t) const {
        Usage total{0.0, 0};
        for (int64_t chunk = 0; chunk < chunks; ++chunk) {
            total.entropy = total.entropy + usages[chunk].entropy;
            total.used += usages[chunk].used;
        }
        *entropy = total.entropy;
        *used = total.used;
    }
};

}  // namespace vq4j::code_usage

using namespace vq4j;

int32_t vq4j_cuda_code_usage(void* stream, const int32_t* codes, int64_t rows_count, int64_t codes_count,
    double* entropy, int64_t* used) {
    return guarded([&] {
        check_sizes({{"rows_count", rows_count}});
        check_codes_count(codes_count);
        check_present({codes, entropy, used});
        const auto s = static_cast<cudaStream_t>(stream);
        const DeviceFirstBad bad(s);
        for_each(rows_count, s, code_usage::CheckCode{codes, codes_count, bad.rows()});
        bad.require_codes_in_range(codes, codes_count);
        const SortedCodes sorted(codes, rows_count, codes_count, s);
        const Segments segments{1, rows_count};
        const DeviceScratch<code_usage::Usage> usages(segments.chunks(), s);
        for_each(segments.chunks(), s, code_usage::SumChunk{sorted.codes(), segments, usages.get()});
        for_each(1, s, code_usage::Combine{usages.get(), segments.chunks(), entropy, used});
    });
}
