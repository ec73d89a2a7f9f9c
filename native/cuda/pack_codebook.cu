// Prepares a codebook for assignment: centre, centred codes in panels, half squared lengths. Two kernels, since every code
// needs the whole centre.
//
// The first one sums chunks of 256 codes: 8 x 32 threads bring 32 features of a chunk along memory, 32 threads add them up in
// fp64, and the block that finishes last adds up the chunks. The second one takes 32 codes a block, which go through shared
// memory, because they lie along the features in the codebook and along the codes in the panels. Reads the codebook twice.
#include "core/arguments.hpp"
#include "cuda/chunks.cuh"
#include "cuda/first_bad.cuh"
#include "cuda/last_block.cuh"
#include "cuda/packed_codebook.cuh"
#include "vq4j/cuda.h"

namespace vq4j::pack_codebook {

constexpr int lanes = 32;
constexpr int warps = block_threads / lanes;
constexpr int codes_of_warp = static_cast<int>(chunk_rows) / warps;

// Block i has features 32 (i % strips) ... of chunk i / strips.
__global__ void __launch_bounds__(block_threads) centre_kernel(const float* codebook, int64_t codes_count, int64_t features,
    double* partial, float* centre, BadRows bad, FinishedBlocks finished) {
    __shared__ float values[chunk_rows][lanes];
    __shared__ bool is_last;
    const int lane = static_cast<int>(threadIdx.x) % lanes;
    const int warp = static_cast<int>(threadIdx.x) / lanes;
    const int64_t strips = (features + lanes - 1) / lanes;
    const int64_t chunk = blockIdx.x / strips;
    const int64_t d = blockIdx.x % strips * lanes + lane;
    const int64_t first = chunk * chunk_rows;
    const int count = static_cast<int>(codes_count - first < chunk_rows ? codes_count - first : chunk_rows);
    for (int i = 0; i < codes_of_warp; ++i) {
        const int c = i * warps + warp;
        values[c][lane] = c < count && d < features ? codebook[(first + c) * features + d] : 0.0f;
    }
    __syncthreads();
    for (int c = warp; c < count; c += warps) {
        bad.note_unless_finite(values[c][lane], first + c);
    }
    if (warp == 0 && d < features) {
        double sum = 0.0;
        for (int c = 0; c < count; ++c) {
            sum = sum + static_cast<double>(values[c][lane]);
        }
        partial[chunk * features + d] = sum;
    }

    if (!finished.this_is_last(is_last)) {
        return;
    }
    const int64_t chunks = chunks_of(codes_count);
    for (int64_t of = threadIdx.x; of < features; of += block_threads) {
        double sum = 0.0;
        load_ahead(
            0, chunks, [&](int64_t i) { return partial[i * features + of]; },
            [&](double value, int64_t) { sum = sum + value; });
        centre[of] = static_cast<float>(sum / static_cast<double>(codes_count));
    }
}

// 32 codes, among them those that fill the last panel. h is one chain for each code, in ascending features.
__global__ void __launch_bounds__(block_threads) pack_kernel(const float* codebook, int64_t codes_count, int64_t features,
    PackedCodebook<float> packed) {
    __shared__ float values[lanes][lanes + 1];
    const int lane = static_cast<int>(threadIdx.x) % lanes;
    const int warp = static_cast<int>(threadIdx.x) / lanes;
    const int64_t first = static_cast<int64_t>(blockIdx.x) * lanes;
    float sum = 0.0f;  // of the code `lane`, in warp 0
    for (int64_t strip = 0; strip < features; strip += lanes) {
        const int64_t d = strip + lane;
        const float centre = d < features ? packed.centre[d] : 0.0f;
        for (int c = warp; c < lanes; c += warps) {
            const bool is_code = first + c < codes_count && d < features;
            values[c][lane] = is_code ? codebook[(first + c) * features + d] - centre : 0.0f;
        }
        __syncthreads();
        const int width = static_cast<int>(features - strip < lanes ? features - strip : lanes);
        for (int f = warp; f < width; f += warps) {
            packed.element(first + lane, strip + f, features) = values[lane][f];
        }
        if (warp == 0) {
            for (int f = 0; f < width; ++f) {
                sum = fused_multiply_add(values[lane][f], values[lane][f], sum);
            }
        }
        __syncthreads();
    }
    if (warp == 0) {
        packed.negative_h[first + lane] = first + lane < codes_count ? -0.5f * sum : -INFINITY;
    }
}

}  // namespace vq4j::pack_codebook

using namespace vq4j;

int64_t vq4j_cuda_packed_codebook_bytes(int64_t codes_count, int64_t features) {
    int64_t bytes = 0;
    const int32_t status = guarded([&] {
        check_codebook(codes_count, features);
        // Once more with what the panels and the centre add at most.
        check_sizes({{"codes_count", codes_count + panel_codes}, {"features", features + 16}});
        bytes = 4 * (packed_centre_floats(features) + panels_of(codes_count) * panel_codes * (features + 1));
    });
    return status == VQ4J_OK ? bytes : -1;
}

int32_t vq4j_cuda_pack_codebook(void* stream, const float* codebook, int64_t codes_count, int64_t features,
    void* packed) {
    return guarded([&] {
        check_codebook(codes_count, features);
        check_present({codebook, packed});
        const auto s = static_cast<cudaStream_t>(stream);
        const PackedCodebook<float> view = packed_view(static_cast<float*>(packed), codes_count, features);
        const int64_t partial_sums = chunks_of(codes_count) * features;
        const DeviceScratch<double> partial(partial_sums, s);
        const DeviceFirstBad bad(s);
        const DeviceFinishedBlocks finished(s);
        const int64_t strips = (features + pack_codebook::lanes - 1) / pack_codebook::lanes;
        launch(pack_codebook::centre_kernel, blocks_for(chunks_of(codes_count) * strips, 1), block_threads, 0, s, codebook,
            codes_count, features, partial.get(), view.centre, bad.rows(), finished.get());
        launch(pack_codebook::pack_kernel, blocks_for(panels_of(codes_count) * panel_codes, pack_codebook::lanes),
            block_threads, 0, s, codebook, codes_count, features, view);
        bad.require_finite("codebook");
    });
}
