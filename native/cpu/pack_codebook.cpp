// Prepares a codebook for assignment: centre, centred codes in panels, half squared lengths. Reads the codebook twice.
#include "core/arguments.hpp"
#include "cpu/codebook_filter.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/kernels.hpp"
#include "cpu/scratch.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

namespace vq4j {

void centre_codebook(const float* codebook, int64_t codes_count, int64_t features, float* centre) {
    const Kernels& table = kernels();
    const int64_t chunks = chunks_of(codes_count);
    const Scratch<double> partial(chunks * features);
    FirstBad bad;
    parallel_ranges(chunks, chunk_rows * features, [&](int64_t begin, int64_t end) {
        for (int64_t chunk = begin; chunk < end; ++chunk) {
            bad.note(table.sum_codes(codebook, features, chunk * chunk_rows,
                std::min(codes_count, (chunk + 1) * chunk_rows), partial.get() + chunk * features));
        }
    });
    bad.require_finite("codebook");
    for (int64_t d = 0; d < features; ++d) {
        double sum = 0.0;
        for (int64_t chunk = 0; chunk < chunks; ++chunk) {
            sum = sum + partial.get()[chunk * features + d];
        }
        centre[d] = static_cast<float>(sum / static_cast<double>(codes_count));
    }
}

void pack_panels(const float* codebook, int64_t codes_count, int64_t features, PackedCodebook<float> packed) {
    const Kernels& table = kernels();
    parallel_ranges(panels_of(codes_count, table.panel.codes), table.panel.codes * features,
        [&](int64_t begin, int64_t end) {
            for (int64_t panel = begin; panel < end; ++panel) {
                table.pack_panel(codebook, codes_count, features, packed.centre, panel, packed);
            }
        });
}

}  // namespace vq4j

using namespace vq4j;

int64_t vq4j_cpu_packed_codebook_bytes(int64_t codes_count, int64_t features) {
    int64_t bytes = 0;
    const int32_t status = guarded([&] {
        check_codebook(codes_count, features);
        const int64_t panel_codes = kernels().panel.codes;
        // Once more with what the panels, the centre and the filter add at most.
        check_sizes({{"codes_count", codes_count + 2 * panel_codes}, {"features", features + 16}, {"copies", 2}});
        bytes = 4 * packed_floats(codes_count, features);
    });
    return status == VQ4J_OK ? bytes : -1;
}

int32_t vq4j_cpu_pack_codebook(const float* codebook, int64_t codes_count, int64_t features, void* packed) {
    return guarded([&] {
        check_codebook(codes_count, features);
        check_present({codebook, packed});
        const PackedCodebook<float> view =
            packed_view(static_cast<float*>(packed), codes_count, features, kernels().panel.codes);
        centre_codebook(codebook, codes_count, features, view.centre);
        pack_panels(codebook, codes_count, features, view);
        clear_filter(view, codes_count, features, false);
    });
}
