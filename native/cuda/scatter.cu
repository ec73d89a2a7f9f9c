// Sums over the rows of each code: of the rows themselves (scatter) and of their gradients (codebook_gradient).
//
// The rows are grouped by code with a stable sort. Every chunk of 256 rows of a code is summed in fp32 by a thread a
// feature, eight loads ahead of the sum, then the chunks of a code in fp64, in order. One read of the rows, 4 N D bytes (8
// with a gradient), plus the sort; bound by memory.
#include "core/arguments.hpp"
#include "cuda/chunks.cuh"
#include "cuda/first_bad.cuh"
#include "cuda/group_by_code.cuh"
#include "cuda/scan.cuh"
#include "vq4j/cuda.h"

namespace vq4j::scatter {

// What the sum of one feature of one code takes of a row.
struct AddRow {
    const float* rows;
    Layout layout;

    __device__ float load(int64_t n, int64_t d) const { return rows[layout.offset(n) + d * layout.stride()]; }
    __device__ float code(int64_t, int64_t) const { return 0.0f; }
    __device__ float operator()(float sum, float value, float, int64_t) const { return sum + value; }
};

struct AddGradient {
    struct Elements {
        float z;
        float grad;
    };

    const float* rows;
    const float* grad;
    Layout layout;
    const float* codebook;
    float coefficient;
    float nu;
    BadRows bad;

    __device__ Elements load(int64_t n, int64_t d) const {
        const int64_t at = layout.offset(n) + d * layout.stride();
        return {rows[at], grad == nullptr ? 0.0f : grad[at]};
    }
    __device__ float code(int64_t k, int64_t d) const { return codebook[k * layout.features + d]; }
    __device__ float operator()(float sum, Elements elements, float code, int64_t n) const {
        bad.note_unless_finite(elements.grad, n);
        return add_codebook_gradient(sum, elements.grad, elements.z, code, coefficient, nu);
    }
};

// One feature of one chunk; there are at most as many chunks as threads were started for.
template <typename Add>
struct SumChunk {
    Add add;
    const int64_t* order;
    const int64_t* starts;
    const int64_t* first_chunk;  // of every code; [K] the number of chunks
    int64_t codes_count;
    int64_t features;
    float* partial;

    __device__ void operator()(int64_t i) const {
        const int64_t chunk = i / features;
        const int64_t d = i % features;
        if (chunk >= first_chunk[codes_count]) {
            return;
        }
        // The last code whose first chunk is not behind this one; codes without rows have no chunk.
        int64_t k = 0;
        for (int64_t high = codes_count; high - k > 1;) {
            const int64_t middle = k + (high - k) / 2;
            if (first_chunk[middle] <= chunk) {
                k = middle;
            } else {
                high = middle;
            }
        }
        const int64_t begin = starts[k] + (chunk - first_chunk[k]) * chunk_rows;
        const int64_t end = begin + chunk_rows < starts[k + 1] ? begin + chunk_rows : starts[k + 1];
        const float code = add.code(k, d);
        float sum = 0.0f;
        load_ahead(
            begin, end, [&](int64_t position) { return add.load(order[position], d); },
            [&](auto value, int64_t position) { sum = add(sum, value, code, order[position]); });
        partial[i] = sum;
    }
};

struct Combine {
    const float* partial;
    const int64_t* first_chunk;
    int64_t features;
    float* out;

    __device__ void operator()(int64_t i) const {
        const int64_t k = i / features;
        double sum = 0.0;
        for (int64_t chunk = first_chunk[k]; chunk < first_chunk[k + 1]; ++chunk) {
            sum = sum + static_cast<double>(partial[chunk * features + i % features]);
        }
        out[i] = static_cast<float>(sum);
    }
};

template <typename Add>
void sum_by_code(Add add, Layout layout, const int32_t* codes, int64_t codes_count, float* out, cudaStream_t stream) {
    const int64_t rows_count = layout.rows();
    const int64_t features = layout.features;
    const GroupedRows grouped(codes, rows_count, codes_count, stream);
    exclusive_scan(grouped.chunks(), codes_count, stream);
    const int64_t* const first_chunk = grouped.chunks();

    const int64_t codes_with_rows = codes_count < rows_count ? codes_count : rows_count;
    const int64_t most_chunks = rows_count / chunk_rows + codes_with_rows;
    const DeviceScratch<float> partial(most_chunks * features, stream);
    for_each(most_chunks * features, stream,
        SumChunk<Add>{add, grouped.order(), grouped.starts(), first_chunk, codes_count, features, partial.get()});
    for_each(codes_count * features, stream, Combine{partial.get(), first_chunk, features, out});
}

}  // namespace vq4j::scatter

using namespace vq4j;

int32_t vq4j_cuda_codebook_gradient(void* stream, const float* rows, const float* grad, int64_t outer, int64_t inner,
    int64_t features, const float* codebook, const int32_t* codes, int64_t codes_count, float coefficient, float nu,
    float* out) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_codebook(codes_count, features);
        check_present({rows, codebook, codes, out});
        const auto s = static_cast<cudaStream_t>(stream);
        const DeviceFirstBad bad(s);
        scatter::sum_by_code(scatter::AddGradient{rows, grad, layout, codebook, coefficient, nu, bad.rows()}, layout, codes,
            codes_count, out, s);
        bad.require_finite("gradient");
    });
}

int32_t vq4j_cuda_scatter(void* stream, const float* rows, int64_t outer, int64_t inner, int64_t features,
    const int32_t* codes, int64_t codes_count, float* sums) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_codebook(codes_count, features);
        check_present({rows, codes, sums});
        scatter::sum_by_code(scatter::AddRow{rows, layout}, layout, codes, codes_count, sums,
            static_cast<cudaStream_t>(stream));
    });
}
