// Prepares a codebook for assignment: centre, centred codes in panels, half squared lengths. Reads the codebook twice.
#include "core/arguments.hpp"
#include "cuda/first_bad.cuh"
#include "cuda/packed_codebook.cuh"
#include "vq4j/cuda.h"

namespace vq4j::pack_codebook {

// fp64 sum of one column over one chunk of codes.
struct SumChunk {
    const float* codebook;
    int64_t codes_count;
    int64_t features;
    double* partial;  // [chunks][D]
    BadRows bad;

    __device__ void operator()(int64_t i) const {
        const int64_t d = i % features;
        const int64_t begin = i / features * chunk_rows;
        const int64_t end = begin + chunk_rows < codes_count ? begin + chunk_rows : codes_count;
        double sum = 0.0;
        for (int64_t k = begin; k < end; ++k) {
            const float value = codebook[k * features + d];
            bad.note_unless_finite(value, k);
            sum = sum + static_cast<double>(value);
        }
        partial[i] = sum;
    }
};

struct FinishCentre {
    const double* partial;
    int64_t codes_count;
    int64_t features;
    float* centre;

    __device__ void operator()(int64_t d) const {
        double sum = 0.0;
        for (int64_t chunk = 0; chunk < chunks_of(codes_count); ++chunk) {
            sum = sum + partial[chunk * features + d];
        }
        centre[d] = static_cast<float>(sum / static_cast<double>(codes_count));
    }
};

// One code, or one of those that fill the last panel.
struct PackCode {
    const float* codebook;
    int64_t codes_count;
    int64_t features;
    PackedCodebook<float> packed;

    __device__ void operator()(int64_t k) const {
        float sum = 0.0f;
        for (int64_t d = 0; d < features; ++d) {
            const float value = k < codes_count ? codebook[k * features + d] - packed.centre[d] : 0.0f;
            packed.element(k, d, features) = value;
            sum = fused_multiply_add(value, value, sum);
        }
        packed.negative_h[k] = k < codes_count ? -0.5f * sum : -INFINITY;
    }
};

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
        for_each(partial_sums, s,
            pack_codebook::SumChunk{codebook, codes_count, features, partial.get(), bad.rows()});
        for_each(features, s, pack_codebook::FinishCentre{partial.get(), codes_count, features, view.centre});
        for_each(panels_of(codes_count) * panel_codes, s,
            pack_codebook::PackCode{codebook, codes_count, features, view});
        bad.require_finite("codebook");
    });
}
