// The codes' vectors, in the layout of the rows. Bound by memory, 4 N D bytes written.
#include <cstring>

#include "core/arguments.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

namespace vq4j {
namespace {

// Features that a strided lookup takes at a time: the lines of that many places stay in the first-level cache.
constexpr int64_t strip_features = 16;

void look_up(const float* codebook, const int32_t* codes, Layout layout, int64_t begin, int64_t end, float* out) {
    const int64_t features = layout.features;
    if (layout.stride() == 1) {
        for (int64_t n = begin; n < end; ++n) {
            std::memcpy(out + n * features, codebook + codes[n] * features, static_cast<size_t>(features) * sizeof(float));
        }
        return;
    }
    for (int64_t first = 0; first < features; first += strip_features) {
        const int64_t last = std::min(features, first + strip_features);
        for (int64_t n = begin; n < end; ++n) {
            const float* const code = codebook + codes[n] * features;
            float* const row = out + layout.offset(n);
            for (int64_t d = first; d < last; ++d) {
                row[d * layout.stride()] = code[d];
            }
        }
    }
}

}  // namespace
}  // namespace vq4j

using namespace vq4j;

int32_t vq4j_cpu_lookup(const float* codebook, int64_t codes_count, const int32_t* codes, int64_t outer, int64_t inner,
    int64_t features, float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_codebook(codes_count, features);
        check_present({codebook, codes, out});
        FirstBad bad;
        parallel_ranges(layout.rows(), features, [&](int64_t begin, int64_t end) {
            const auto out_of_range = [=](int32_t code) { return code < 0 || code >= codes_count; };
            const int32_t* const found = std::find_if(codes + begin, codes + end, out_of_range);
            if (found != codes + end) {
                bad.note(found - codes);
            } else {
                look_up(codebook, codes, layout, begin, end, out);
            }
        });
        bad.require_codes_in_range(codes, codes_count);
    });
}
