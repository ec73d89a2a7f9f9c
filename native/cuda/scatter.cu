// Sums over the rows of each code: of the rows themselves (scatter) and of their gradients (codebook_gradient; gradients,
// which writes the input's gradient on its way).
//
// The rows are grouped by code with a stable sort. Every chunk of 256 rows of a code is summed in fp32 by a thread a
// feature, eight loads ahead of the sum; the threads that finish the last chunk of a code add its chunks up in fp64, in
// order. One read of the rows, 4 N D bytes (8 with a gradient, 12 with the input's), plus the sort; bound by memory.
#include "core/arguments.hpp"
#include "core/elements.hpp"
#include "cuda/chunks.cuh"
#include "cuda/first_bad.cuh"
#include "cuda/group_by_code.cuh"
#include "vq4j/cuda.h"

namespace vq4j::scatter {

// What the sum of one feature of one code takes of a row.
struct AddRow {
    const float* rows;
    Layout layout;

    __device__ float load(int64_t n, int64_t d) const { return rows[layout.offset(n) + d * layout.stride()]; }
    __device__ float code(int64_t, int64_t) const { return 0.0f; }
    __device__ float operator()(float sum, float value, float, int64_t, int64_t) const { return sum + value; }
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
    __device__ float operator()(float sum, Elements elements, float code, int64_t n, int64_t) const {
        bad.note_unless_finite(elements.grad, n);
        return add_codebook_gradient(sum, elements.grad, elements.z, code, coefficient, nu);
    }
};

// Every row has one code, so that the pass over the rows of all codes comes by every element of the input's gradient.
struct AddBothGradients {
    AddGradient of_codes;  // of row-major rows
    float input_coefficient;
    float* input_gradient;

    __device__ AddGradient::Elements load(int64_t n, int64_t d) const { return of_codes.load(n, d); }
    __device__ float code(int64_t k, int64_t d) const { return of_codes.code(k, d); }
    __device__ float operator()(float sum, AddGradient::Elements elements, float code, int64_t n, int64_t d) const {
        input_gradient[n * of_codes.layout.features + d] =
            input_gradient_element(elements.grad, elements.z, code, input_coefficient);
        return of_codes(sum, elements, code, n, d);
    }
};

constexpr int lanes = 32;
constexpr unsigned whole_warp = 0xffffffffu;

// Chunks of rows by code and strips of up to 32 features: what the threads that share a chunk have. The first chunks of all
// codes come first, even where a code has no rows, then the further ones of those that have more.
struct Chunks {
    const int64_t* order;
    const int64_t* starts;
    const int64_t* further;
    int64_t codes_count;
    int64_t features;
    int width;       // threads that share a chunk, each a feature of the strip
    int64_t strips;  // of the features

    __device__ int64_t count() const { return codes_count + further[codes_count]; }

    __device__ int64_t code_of(int64_t chunk) const {
        if (chunk < codes_count) {
            return chunk;
        }
        // The last code whose further chunks do not begin behind this one; others have none in between.
        int64_t k = 0;
        for (int64_t high = codes_count; high - k > 1;) {
            const int64_t middle = k + (high - k) / 2;
            if (further[middle] <= chunk - codes_count) {
                k = middle;
            } else {
                high = middle;
            }
        }
        return k;
    }

    // Where the sum of chunk number i of a code is kept.
    __device__ int64_t place(int64_t k, int64_t i) const { return i == 0 ? k : codes_count + further[k] + i - 1; }
};

// A group of `width` threads has a strip of a chunk. The sum of a code of one chunk is the result; of others the group that
// finishes last adds the chunks up.
template <typename Add>
__global__ void __launch_bounds__(block_threads, 3) sum_kernel(Add add, Chunks chunks, float* partial, unsigned* finished,
    float* out) {
    const int lane = static_cast<int>(threadIdx.x) % chunks.width;
    const int64_t group =
        (static_cast<int64_t>(blockIdx.x) * block_threads + threadIdx.x) / chunks.width;
    const int64_t chunk = group / chunks.strips;
    const int64_t strip = group % chunks.strips;
    const int64_t d = strip * chunks.width + lane;
    const int64_t features = chunks.features;
    const bool has_sum = chunk < chunks.count() && d < features;
    int64_t k = 0;
    int64_t chunks_of_code = 0;
    if (has_sum) {
        k = chunks.code_of(chunk);
        chunks_of_code = 1 + chunks.further[k + 1] - chunks.further[k];
        const int64_t i = chunk < chunks.codes_count ? 0 : 1 + chunk - chunks.codes_count - chunks.further[k];
        const int64_t begin = chunks.starts[k] + i * chunk_rows;
        const int64_t end = begin + chunk_rows < chunks.starts[k + 1] ? begin + chunk_rows : chunks.starts[k + 1];
        const float code = add.code(k, d);
        float sum = 0.0f;
        load_ahead(
            begin, end, [&](int64_t position) { return add.load(chunks.order[position], d); },
            [&](auto value, int64_t position) { sum = add(sum, value, code, chunks.order[position], d); });
        if (chunks_of_code == 1) {
            out[k * features + d] = sum;
        } else {
            partial[chunk * features + d] = sum;
        }
    }
    // Lane 0 releases what all of its group have written, and acquires for them what other groups have: a fence on both
    // sides of its addition, between barriers of the warp.
    __syncwarp(whole_warp);
    unsigned finished_before = 0;
    if (has_sum && lane == 0 && chunks_of_code > 1) {
        __threadfence();
        finished_before = atomicAdd(finished + k * chunks.strips + strip, 1u);
        __threadfence();
    }
    __syncwarp(whole_warp);
    finished_before = __shfl_sync(whole_warp, finished_before, static_cast<int>(threadIdx.x) % lanes - lane);
    if (!has_sum || chunks_of_code == 1 || finished_before + 1 != static_cast<unsigned>(chunks_of_code)) {
        return;
    }
    double sum = 0.0;
    load_ahead(
        0, chunks_of_code, [&](int64_t i) { return partial[chunks.place(k, i) * features + d]; },
        [&](float value, int64_t) { sum = sum + static_cast<double>(value); });
    out[k * features + d] = static_cast<float>(sum);
}

template <typename Add>
void sum_by_code(Add add, Layout layout, const int32_t* codes, int64_t codes_count, float* out, cudaStream_t stream) {
    const int64_t rows_count = layout.rows();
    const int64_t features = layout.features;
    int width = 1;
    while (width < lanes && width < features) {
        width *= 2;
    }
    const int64_t strips = (features + width - 1) / width;
    const GroupedRows grouped(codes, rows_count, codes_count, strips, stream);
    const int64_t most_chunks = codes_count + rows_count / chunk_rows;
    const DeviceScratch<float> partial(most_chunks * features, stream);
    const Chunks chunks{grouped.order(), grouped.starts(), grouped.further(), codes_count, features, width, strips};
    launch(sum_kernel<Add>, blocks_for(most_chunks * strips * width, block_threads), block_threads, 0, stream, add, chunks,
        partial.get(), grouped.counters(), out);
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

int32_t vq4j_cuda_gradients(void* stream, const float* rows, const float* grad, int64_t outer, int64_t inner,
    int64_t features, const float* codebook, const int32_t* codes, int64_t codes_count, float input_coefficient,
    float codebook_coefficient, float nu, float* out_rows, float* out_codebook) {
    return guarded([&] {
        if (inner != 1) {
            // The rows of a code lie as single floats, which would be written one sector each.
            require_ok(vq4j_cuda_input_gradient(
                stream, rows, grad, outer, inner, features, codebook, codes, input_coefficient, out_rows));
            require_ok(vq4j_cuda_codebook_gradient(stream, rows, nu == 0.0f ? nullptr : grad, outer, inner, features,
                codebook, codes, codes_count, codebook_coefficient, nu, out_codebook));
            return;
        }
        const Layout layout = checked_rows(outer, inner, features);
        check_codebook(codes_count, features);
        check_present({rows, codebook, codes, out_rows, out_codebook});
        const auto s = static_cast<cudaStream_t>(stream);
        const DeviceFirstBad bad(s);
        const scatter::AddGradient of_codes{rows, grad, layout, codebook, codebook_coefficient, nu, bad.rows()};
        scatter::sum_by_code(scatter::AddBothGradients{of_codes, input_coefficient, out_rows}, layout, codes, codes_count,
            out_codebook, s);
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
