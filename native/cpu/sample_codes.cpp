// A random code of every row: blocks of rows in parallel; isa/sample_codes.hpp has the kernel.
#include "core/arguments.hpp"
#include "cpu/assign_blocks.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/kernels.hpp"
#include "cpu/scratch.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

using namespace vq4j;

int32_t vq4j_cpu_sample_codes(const float* rows, int64_t outer, int64_t inner, int64_t features, const void* packed,
    int64_t codes_count, double temperature, uint64_t seed, uint64_t step, int32_t* codes) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_codebook(codes_count, features);
        check_sizes({{"outer", outer}, {"inner", inner}, {"codes_count", codes_count}});
        check_temperature(temperature);
        check_present({rows, packed, codes});
        const Kernels& table = kernels();
        const PackedCodebook<const float> view =
            packed_view(static_cast<const float*>(packed), codes_count, features, table.panel.codes);
        const CodeSampling sampling = code_sampling(codes_count, temperature, seed, step);
        const int64_t block = rows_in_block(features, table.panel.rows);
        FirstBad bad;
        parallel_for((layout.rows() + block - 1) / block, [&](int64_t i) {
            const Scratch<float> workspace(assign_workspace_floats(block, features));
            bad.note(table.sample_codes({rows, layout}, view, codes_count, sampling, i * block,
                std::min(layout.rows(), (i + 1) * block), workspace.get(), codes));
        });
        bad.require_finite("z");
    });
}
