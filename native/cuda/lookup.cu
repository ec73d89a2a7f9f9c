// The codes' vectors, in the layout of the rows: a thread an element, along memory. Bound by memory, 4 N D bytes written.
#include "core/arguments.hpp"
#include "cuda/elements.cuh"
#include "cuda/first_bad.cuh"
#include "vq4j/cuda.h"

namespace vq4j::lookup {

struct LookUp {
    const float* codebook;
    int64_t codes_count;
    const int32_t* codes;
    Layout layout;
    float* out;
    BadRows bad;

    __device__ void operator()(int64_t i) const {
        const Element element = element_at(layout, i);
        const int32_t code = codes[element.row];
        if (code < 0 || code >= codes_count) {
            bad.note(element.row);
        } else {
            out[i] = codebook[code * layout.features + element.feature];
        }
    }
};

}  // namespace vq4j::lookup

using namespace vq4j;

int32_t vq4j_cuda_lookup(void* stream, const float* codebook, int64_t codes_count, const int32_t* codes, int64_t outer,
    int64_t inner, int64_t features, float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_codebook(codes_count, features);
        check_present({codebook, codes, out});
        const auto s = static_cast<cudaStream_t>(stream);
        const FirstBad bad(s);
        for_each(layout.rows() * features, s,
            lookup::LookUp{codebook, codes_count, codes, layout, out, bad.rows()});
        bad.require_codes_in_range(codes, codes_count);
    });
}
