// Linear maps of rows, and the gradient of their weights.
//
// The map: the weights packed, a thread an element, as if they were codes, with centre 0 and the bias in the place of -h,
// whose scores by the tiles of score_tile.cuh are the outputs; a block takes 64 rows and 64 outputs. The gradient: a block
// takes a chunk of 256 rows, 64 outputs and 64 features; 256 threads hold 4 x 4 sums each and walk through the rows in steps
// of 16 held in shared memory; the chunks' sums are then added in fp64, a thread an element. Both bound by arithmetic where
// the sizes are large.
#include "core/arguments.hpp"
#include "core/linear.hpp"
#include "cuda/chunks.cuh"
#include "cuda/score_tile.cuh"
#include "vq4j/cuda.h"

namespace vq4j::linear_maps {

struct PackWeight {
    const float* weight;
    const float* bias;
    LinearSize size;
    bool transposed;
    PackedCodebook<float> packed;
    BadRows bad;

    // Element i of the panels, as they lie in memory: outputs are fast.
    __device__ void operator()(int64_t i) const {
        const int64_t line = i / panel_codes;  // panel * D + feature
        const int64_t o = line / size.features * panel_codes + i % panel_codes;
        const int64_t d = line % size.features;
        float value = 0.0f;
        if (o < size.out_features) {
            value = weight[transposed ? d * size.out_features + o : o * size.features + d];
            bad.note_unless_finite(value, transposed ? d : o);
        }
        packed.codes[i] = value;
        if (d == 0) {
            packed.negative_h[o] = bias != nullptr && o < size.out_features ? bias[o] : 0.0f;
        }
    }
};

template <typename Numbers>
__global__ void __launch_bounds__(ScoreTile::threads, 2) map_kernel(Numbers rows, Layout layout,
    PackedCodebook<const float> packed, int64_t out_features, unsigned row_blocks, float* out, BadRows bad) {
    constexpr int part = ScoreTile::part;
    __shared__ ScoreTile tile;
    const int64_t first_row = static_cast<int64_t>(blockIdx.x % row_blocks) * ScoreTile::rows;
    const int64_t first_output = static_cast<int64_t>(blockIdx.x / row_blocks) * ScoreTile::codes;
    float score[part][part];
    tile.score(rows, layout, packed, first_row, first_output, bad, score);
    const Layout out_layout{layout.outer, layout.inner, out_features};
    for (int i = 0; i < part; ++i) {
        const int64_t n = first_row + ScoreTile::down() + i;
        for (int j = 0; j < part; ++j) {
            const int64_t o = first_output + ScoreTile::across() + j;
            if (n < layout.rows() && o < out_features) {
                out[out_layout.offset(n) + o * out_layout.stride()] = score[i][j];
            }
        }
    }
}

constexpr int tile = 64;
constexpr int tile_rows = 16;
constexpr int threads = 256;
constexpr int threads_across = 16;
constexpr int part = 4;

// How the blocks of a gradient are numbered: outputs slowest, chunks fastest.
struct GradientBlocks {
    int64_t chunks;
    int64_t feature_tiles;
    int64_t output_tiles;
};

// A row's element, zero beyond the features.
__device__ float element_or_zero(const float* data, Layout layout, int64_t n, int64_t d) {
    return d < layout.features ? data[layout.offset(n) + d * layout.stride()] : 0.0f;
}

__global__ void __launch_bounds__(threads) gradient_kernel(const float* rows, const float* grad, Layout layout,
    LinearSize size, int64_t first_chunk, GradientBlocks blocks, float* partial) {
    __shared__ float z[tile_rows][tile];
    __shared__ float g[tile_rows][tile];
    const int t = static_cast<int>(threadIdx.x);
    const int across = t % threads_across * part;
    const int down = t / threads_across * part;
    const int64_t block = static_cast<int64_t>(blockIdx.x);
    const int64_t chunk = block % blocks.chunks;
    const int64_t first_feature = block / blocks.chunks % blocks.feature_tiles * tile;
    const int64_t first_output = block / blocks.chunks / blocks.feature_tiles * tile;
    const int64_t begin = (first_chunk + chunk) * chunk_rows;
    const int64_t end = begin + chunk_rows < layout.rows() ? begin + chunk_rows : layout.rows();
    const Layout grad_layout{layout.outer, layout.inner, size.out_features};

    float sums[part][part] = {};
    for (int64_t first_row = begin; first_row < end; first_row += tile_rows) {
        const int count = end - first_row < tile_rows ? static_cast<int>(end - first_row) : tile_rows;
        for (int e = t; e < tile * count; e += threads) {
            // Threads run along memory: along the features of a row-major tensor, else along the rows.
            const int r = layout.inner == 1 ? e / tile : e % count;
            const int i = layout.inner == 1 ? e % tile : e / count;
            z[r][i] = element_or_zero(rows, layout, first_row + r, first_feature + i);
            g[r][i] = element_or_zero(grad, grad_layout, first_row + r, first_output + i);
        }
        __syncthreads();
        for (int r = 0; r < count; ++r) {
            for (int o = 0; o < part; ++o) {
                for (int i = 0; i < part; ++i) {
                    sums[o][i] = fused_multiply_add(g[r][down + o], z[r][across + i], sums[o][i]);
                }
            }
        }
        __syncthreads();
    }
    float* const of_chunk = partial + chunk * size.gradients();
    for (int o = 0; o < part; ++o) {
        for (int i = 0; i < part; ++i) {
            if (first_output + down + o < size.out_features && first_feature + across + i < size.features) {
                of_chunk[(first_output + down + o) * size.features + first_feature + across + i] = sums[o][i];
            }
        }
    }
}

// One output's bias over one chunk.
struct SumBias {
    const float* grad;
    Layout layout;  // of grad
    LinearSize size;
    int64_t first_chunk;
    float* partial;

    __device__ void operator()(int64_t i) const {
        const int64_t chunk = i / size.out_features;
        const int64_t o = i % size.out_features;
        const int64_t begin = (first_chunk + chunk) * chunk_rows;
        const int64_t end = begin + chunk_rows < layout.rows() ? begin + chunk_rows : layout.rows();
        float sum = 0.0f;
        load_ahead(
            begin, end, [&](int64_t n) { return grad[layout.offset(n) + o * layout.stride()]; },
            [&](float value, int64_t) { sum = sum + value; });
        partial[chunk * size.gradients() + size.weights() + o] = sum;
    }
};

struct AddChunks {
    const float* partial;
    int64_t chunks;
    int64_t count;
    double* totals;

    __device__ void operator()(int64_t e) const {
        double total = totals[e];
        load_ahead(
            0, chunks, [&](int64_t chunk) { return partial[chunk * count + e]; },
            [&](float value, int64_t) { total = total + static_cast<double>(value); });
        totals[e] = total;
    }
};

struct Round {
    const double* totals;
    float* out;

    __device__ void operator()(int64_t e) const { out[e] = static_cast<float>(totals[e]); }
};

template <typename Numbers>
void map(Numbers rows, int64_t outer, int64_t inner, int64_t features, const float* weight, const float* bias,
    int64_t out_features, bool transposed, float* out, cudaStream_t stream) {
    const Layout layout = checked_linear(outer, inner, features, out_features);
    check_present({rows.values, weight, out});
    const int64_t bytes = vq4j_cuda_packed_codebook_bytes(out_features, features);
    require_ok(bytes < 0 ? VQ4J_INVALID_ARGUMENT : VQ4J_OK);
    const DeviceScratch<float> memory(bytes / static_cast<int64_t>(sizeof(float)), stream);
    const auto packed = packed_view(memory.get(), out_features, features);
    const DeviceFirstBad bad_weights(stream);
    const DeviceFirstBad bad(stream);
    fill(packed.centre, 0, features * static_cast<int64_t>(sizeof(float)), stream);
    for_each(panels_of(out_features) * panel_codes * features, stream,
        PackWeight{weight, bias, {features, out_features}, transposed, packed, bad_weights.rows()});
    const unsigned row_blocks = blocks_for(layout.rows(), ScoreTile::rows);
    const unsigned blocks = blocks_for(row_blocks * ((out_features + ScoreTile::codes - 1) / ScoreTile::codes), 1);
    launch(map_kernel<Numbers>, blocks, ScoreTile::threads, 0, stream, rows, layout,
        packed_view(static_cast<const float*>(memory.get()), out_features, features), out_features, row_blocks, out,
        bad.rows());
    bad_weights.require_finite("weight");
    bad.require_finite("z");
}

}  // namespace vq4j::linear_maps

using namespace vq4j;

int32_t vq4j_cuda_linear(void* stream, const float* rows, int64_t outer, int64_t inner, int64_t features,
    const float* weight, const float* bias, int64_t out_features, int32_t transposed, float* out) {
    return guarded([&] {
        linear_maps::map(Floats{rows}, outer, inner, features, weight, bias, out_features, transposed != 0, out,
            static_cast<cudaStream_t>(stream));
    });
}

int32_t vq4j_cuda_linear_half(void* stream, const uint16_t* rows, int32_t type, int64_t outer, int64_t inner,
    int64_t features, const float* weight, const float* bias, int64_t out_features, int32_t transposed, float* out,
    float* widened) {
    return guarded([&] {
        check_half_type(type);
        check_present({widened});
        with_halves(rows, type, widened, [&](auto halves) {
            linear_maps::map(halves, outer, inner, features, weight, bias, out_features, transposed != 0, out,
                static_cast<cudaStream_t>(stream));
        });
    });
}

int32_t vq4j_cuda_linear_gradient(void* stream, const float* rows, const float* grad, int64_t outer, int64_t inner,
    int64_t features, int64_t out_features, float* grad_weight, float* grad_bias) {
    return guarded([&] {
        const Layout layout = checked_linear(outer, inner, features, out_features);
        check_present({rows, grad, grad_weight});
        const auto s = static_cast<cudaStream_t>(stream);
        const LinearSize size{features, out_features};
        const int64_t at_once = chunks_at_once(size, layout.rows());
        const DeviceScratch<double> totals(size.gradients(), s);
        const DeviceScratch<float> partial(at_once * size.gradients(), s);
        fill(totals.get(), 0, size.gradients() * static_cast<int64_t>(sizeof(double)), s);
        for (int64_t first = 0; first < chunks_of(layout.rows()); first += at_once) {
            const int64_t left = chunks_of(layout.rows()) - first;
            const int64_t chunks = left < at_once ? left : at_once;
            const linear_maps::GradientBlocks blocks{chunks, (features + linear_maps::tile - 1) / linear_maps::tile,
                (out_features + linear_maps::tile - 1) / linear_maps::tile};
            launch(linear_maps::gradient_kernel, blocks_for(chunks * blocks.feature_tiles * blocks.output_tiles, 1),
                linear_maps::threads, 0, s, rows, grad, layout, size, first, blocks, partial.get());
            for_each(chunks * out_features, s,
                linear_maps::SumBias{grad, {outer, inner, out_features}, size, first, partial.get()});
            for_each(size.gradients(), s,
                linear_maps::AddChunks{partial.get(), chunks, size.gradients(), totals.get()});
        }
        for_each(size.weights(), s, linear_maps::Round{totals.get(), grad_weight});
        if (grad_bias != nullptr) {
            for_each(out_features, s, linear_maps::Round{totals.get() + size.weights(), grad_bias});
        }
    });
}
