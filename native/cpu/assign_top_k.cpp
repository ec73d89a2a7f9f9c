// The k nearest codes of every row: blocks of rows in parallel; isa/assign_top_k.hpp has the kernel.
#include "core/arguments.hpp"
#include "cpu/score_blocks.hpp"
#include "cpu/scratch.hpp"
#include "vq4j/cpu.h"

namespace vq4j {
namespace {

Layout checked_top_k(int64_t outer, int64_t inner, int64_t features, int64_t codes_count, int64_t k) {
    const Layout layout = checked_rows(outer, inner, features);
    check_codebook(codes_count, features);
    check_nearest(k, codes_count);
    check_sizes({{"outer", outer}, {"inner", inner}, {"k", k}});
    return layout;
}

void assign_top_k(const InputRows& input, const void* packed, int64_t codes_count, int64_t k, int32_t* codes) {
    const int64_t features = input.layout().features;
    const Kernels& table = kernels();
    const PackedCodebook<const float> view =
        packed_view(static_cast<const float*>(packed), codes_count, features, table.panel.codes);
    score_blocks(input, [&](Rows rows, int64_t begin, int64_t end, float* workspace) {
        const Scratch<float> scores((end - begin) * k);
        return table.assign_top_k(rows, view, codes_count, k, begin, end, workspace, scores.get(), codes);
    });
}

}  // namespace
}  // namespace vq4j

using namespace vq4j;

int32_t vq4j_cpu_assign_top_k(const float* rows, int64_t outer, int64_t inner, int64_t features, const void* packed,
    int64_t codes_count, int64_t k, int32_t* codes) {
    return guarded([&] {
        const Layout layout = checked_top_k(outer, inner, features, codes_count, k);
        check_present({rows, packed, codes});
        assign_top_k({rows, layout}, packed, codes_count, k, codes);
    });
}

int32_t vq4j_cpu_assign_top_k_half(const uint16_t* rows, int32_t type, int64_t outer, int64_t inner, int64_t features,
    const void* packed, int64_t codes_count, int64_t k, int32_t* codes, float* widened) {
    return guarded([&] {
        const Layout layout = checked_top_k(outer, inner, features, codes_count, k);
        check_half_type(type);
        check_present({rows, packed, codes, widened});
        assign_top_k({rows, type, layout, widened}, packed, codes_count, k, codes);
    });
}
