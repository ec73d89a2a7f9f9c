// A random code of every row: blocks of rows in parallel; isa/sample_codes.hpp has the kernel.
#include "core/arguments.hpp"
#include "cpu/score_blocks.hpp"
#include "vq4j/cpu.h"

namespace vq4j {
namespace {

Layout checked_sampling(int64_t outer, int64_t inner, int64_t features, int64_t codes_count, double temperature) {
    const Layout layout = checked_rows(outer, inner, features);
    check_codebook(codes_count, features);
    check_sizes({{"outer", outer}, {"inner", inner}, {"codes_count", codes_count}});
    check_temperature(temperature);
    return layout;
}

void sample_codes(const InputRows& input, const void* packed, int64_t codes_count, CodeSampling sampling, int32_t* codes) {
    const int64_t features = input.layout().features;
    const Kernels& table = kernels();
    const PackedCodebook<const float> view =
        packed_view(static_cast<const float*>(packed), codes_count, features, table.panel.codes);
    score_blocks(input, [&](Rows rows, int64_t begin, int64_t end, float* workspace) {
        return table.sample_codes(rows, view, codes_count, sampling, begin, end, workspace, codes);
    });
}

}  // namespace
}  // namespace vq4j

using namespace vq4j;

int32_t vq4j_cpu_sample_codes(const float* rows, int64_t outer, int64_t inner, int64_t features, const void* packed,
    int64_t codes_count, double temperature, uint64_t seed, uint64_t step, int32_t* codes) {
    return guarded([&] {
        const Layout layout = checked_sampling(outer, inner, features, codes_count, temperature);
        check_present({rows, packed, codes});
        sample_codes({rows, layout}, packed, codes_count, code_sampling(codes_count, temperature, seed, step), codes);
    });
}

int32_t vq4j_cpu_sample_codes_half(const uint16_t* rows, int32_t type, int64_t outer, int64_t inner, int64_t features,
    const void* packed, int64_t codes_count, double temperature, uint64_t seed, uint64_t step, int32_t* codes,
    float* widened) {
    return guarded([&] {
        const Layout layout = checked_sampling(outer, inner, features, codes_count, temperature);
        check_half_type(type);
        check_present({rows, packed, codes, widened});
        sample_codes({rows, type, layout, widened}, packed, codes_count,
            code_sampling(codes_count, temperature, seed, step), codes);
    });
}
