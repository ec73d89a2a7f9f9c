// The codes' vectors, in the layout of the rows: written, taken from the rows, added to a sum. A thread an element, along
// memory. Bound by memory, 4 N D bytes written, and as many or twice as many read.
#include "core/arguments.hpp"
#include "core/stage_codes.hpp"
#include "cuda/elements.cuh"
#include "cuda/first_bad.cuh"
#include "vq4j/cuda.h"

namespace vq4j::lookup {

// put(at, e) for an element's place and its code's value, where its row has one; codes out of range are noted instead.
template <typename Put>
struct WithCode {
    const float* codebook;
    int64_t codes_count;
    const int32_t* codes;
    int32_t least;
    Layout layout;
    BadRows bad;
    Put put;

    __device__ void operator()(int64_t i) const {
        const Element element = element_at(layout, i);
        const int32_t code = codes[element.row];
        if (code < least || code >= codes_count) {
            bad.note(element.row);
        } else if (code != no_code) {
            put(i, codebook[code * layout.features + element.feature]);
        }
    }
};

struct WriteGroups {
    const float* codebooks;
    const int32_t* codes;
    StageCodes of_groups;
    Layout layout;
    BadRows bad;
    float* out;

    __device__ void operator()(int64_t i) const {
        const Element element = element_at(layout, i);
        const int32_t code = codes[element.row];
        if (of_groups.has(code, element.row)) {
            out[i] = codebooks[code * layout.features + element.feature];
        } else {
            bad.note(element.row);
        }
    }
};

struct Write {
    float* out;

    __device__ void operator()(int64_t at, float e) const { out[at] = e; }
};

struct Subtract {
    const float* rows;
    float* out;

    __device__ void operator()(int64_t at, float e) const { out[at] = rows[at] - e; }
};

struct Add {
    float* sum;

    __device__ void operator()(int64_t at, float e) const { sum[at] = sum[at] + e; }
};

template <typename Put>
void with_codes(const float* codebook, int64_t codes_count, const int32_t* codes, int32_t least, Layout layout, Put put,
    cudaStream_t stream) {
    check_codebook(codes_count, layout.features);
    const DeviceFirstBad bad(stream);
    for_each(layout.rows() * layout.features, stream,
        WithCode<Put>{codebook, codes_count, codes, least, layout, bad.rows(), put});
    bad.require_codes_in_range(codes, codes_count);
}

}  // namespace vq4j::lookup

using namespace vq4j;

int32_t vq4j_cuda_lookup(void* stream, const float* codebook, int64_t codes_count, const int32_t* codes, int64_t outer,
    int64_t inner, int64_t features, float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_present({codebook, codes, out});
        lookup::with_codes(codebook, codes_count, codes, 0, layout, lookup::Write{out},
            static_cast<cudaStream_t>(stream));
    });
}

int32_t vq4j_cuda_lookup_groups(void* stream, const float* codebooks, int64_t codes_count, const int32_t* codes,
    int64_t outer, int64_t groups, int64_t inner, int64_t features, float* out) {
    return guarded([&] {
        check_sizes({{"outer", outer}, {"groups", groups}, {"inner", inner}, {"features", features}});
        check_sizes({{"groups", groups}, {"codes_count", codes_count}, {"features", features}});
        check_present({codebooks, codes, out});
        const StageCodes of_groups{groups, inner, codes_count};
        const Layout layout{outer * groups, inner, features};
        const auto s = static_cast<cudaStream_t>(stream);
        const DeviceFirstBad bad(s);
        for_each(layout.rows() * features, s,
            lookup::WriteGroups{codebooks, codes, of_groups, layout, bad.rows(), out});
        bad.require_none([=](int64_t i) { code_out_of_stage(read_back(codes + i, s), i, of_groups); });
    });
}

int32_t vq4j_cuda_residual(void* stream, const float* rows, int64_t outer, int64_t inner, int64_t features,
    const float* codebook, int64_t codes_count, const int32_t* codes, float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_present({rows, codebook, codes, out});
        lookup::with_codes(codebook, codes_count, codes, 0, layout, lookup::Subtract{rows, out},
            static_cast<cudaStream_t>(stream));
    });
}

int32_t vq4j_cuda_add_lookup(void* stream, const float* codebook, int64_t codes_count, const int32_t* codes,
    int64_t outer, int64_t inner, int64_t features, float* sum) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_present({codebook, codes, sum});
        lookup::with_codes(codebook, codes_count, codes, no_code, layout, lookup::Add{sum},
            static_cast<cudaStream_t>(stream));
    });
}
