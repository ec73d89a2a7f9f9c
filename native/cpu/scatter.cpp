// Sums over the rows of each code: of the rows themselves (scatter) and of their gradients (codebook_gradient).
//
// The rows are grouped by code with a stable sort. Every chunk of 256 rows of a code is summed in fp32, the chunks of a
// code in fp64, in order. One read of the rows, 4 N D bytes (8 with a gradient), plus the sort; bound by memory.
#include <algorithm>

#include "core/arguments.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/group_by_code.hpp"
#include "cpu/kernels.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

namespace vq4j {
namespace {

// The first chunk of every code, and the number of all chunks.
void number_chunks(const int64_t* starts, int64_t codes_count, int64_t* first_chunk) {
    int64_t chunks = 0;
    for (int64_t k = 0; k < codes_count; ++k) {
        first_chunk[k] = chunks;
        chunks += chunks_of(starts[k + 1] - starts[k]);
    }
    first_chunk[codes_count] = chunks;
}

// sum_chunk(code, rows, count, sums) sums one chunk of a code's rows.
template <typename SumChunk>
void sum_by_code(Layout layout, const int32_t* codes, int64_t codes_count, float* out, SumChunk sum_chunk) {
    const int64_t features = layout.features;
    const GroupedRows grouped(codes, layout.rows(), codes_count);
    const int64_t* const starts = grouped.starts();
    const Scratch<int64_t> first_chunk(codes_count + 1);
    number_chunks(starts, codes_count, first_chunk.get());
    const int64_t chunks = first_chunk.get()[codes_count];
    const Scratch<float> partial(chunks * features);

    const int64_t rows_per_chunk = std::max<int64_t>(1, layout.rows() / chunks);
    parallel_ranges(chunks, rows_per_chunk * features, [&](int64_t begin, int64_t end) {
        // Codes without rows have no chunk: the last code whose first chunk is not behind this one has it.
        int64_t k = std::upper_bound(first_chunk.get(), first_chunk.get() + codes_count, begin) - first_chunk.get() - 1;
        for (int64_t chunk = begin; chunk < end; ++chunk) {
            while (first_chunk.get()[k + 1] <= chunk) {
                ++k;
            }
            const int64_t first = starts[k] + (chunk - first_chunk.get()[k]) * chunk_rows;
            const int64_t count = std::min(chunk_rows, starts[k + 1] - first);
            sum_chunk(k, grouped.order() + first, count, partial.get() + chunk * features);
        }
    });
    parallel_ranges(codes_count, features, [&](int64_t begin, int64_t end) {
        for (int64_t k = begin; k < end; ++k) {
            const float* const of_code = partial.get() + first_chunk.get()[k] * features;
            const int64_t chunks_of_code = first_chunk.get()[k + 1] - first_chunk.get()[k];
            for (int64_t d = 0; d < features; ++d) {
                double sum = 0.0;
                for (int64_t chunk = 0; chunk < chunks_of_code; ++chunk) {
                    sum = sum + static_cast<double>(of_code[chunk * features + d]);
                }
                out[k * features + d] = static_cast<float>(sum);
            }
        }
    });
}

}  // namespace
}  // namespace vq4j

using namespace vq4j;

int32_t vq4j_cpu_codebook_gradient(const float* rows, const float* grad, int64_t outer, int64_t inner, int64_t features,
    const float* codebook, const int32_t* codes, int64_t codes_count, float coefficient, float nu, float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_codebook(codes_count, features);
        check_present({rows, codebook, codes, out});
        const Kernels& table = kernels();
        FirstBad bad;
        sum_by_code(layout, codes, codes_count, out, [&](int64_t k, const int64_t* order, int64_t count, float* sums) {
            bad.note(table.sum_gradients({rows, layout}, grad, order, count, codebook + k * features, coefficient, nu,
                sums));
        });
        bad.require_finite("gradient");
    });
}

int32_t vq4j_cpu_scatter(const float* rows, int64_t outer, int64_t inner, int64_t features, const int32_t* codes,
    int64_t codes_count, float* sums) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_codebook(codes_count, features);
        check_present({rows, codes, sums});
        const Kernels& table = kernels();
        sum_by_code(layout, codes, codes_count, sums, [&](int64_t, const int64_t* order, int64_t count, float* chunk) {
            table.sum_rows({rows, layout}, order, count, chunk);
        });
    });
}
