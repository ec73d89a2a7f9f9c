// k-means by Lloyd's moves: the operations of a move are one batch, the same graph every time. The objective comes back to the
// host once a move, to decide whether it was the last; nothing else does.
#include "core/arguments.hpp"
#include "core/clustering.hpp"
#include "cuda/launch.cuh"
#include "vq4j/cuda.h"

using namespace vq4j;

int32_t vq4j_cuda_lloyd(void* stream, const float* rows, int64_t outer, int64_t inner, int64_t features,
    int64_t codes_count, int64_t max_iterations, double tolerance, float* codebook, int32_t* codes, double* objective,
    int64_t* iterations) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_codebook(codes_count, features);
        check_fit(max_iterations, tolerance);
        check_present({rows, codebook, codes, objective, iterations});
        const int64_t packed_bytes = vq4j_cuda_packed_codebook_bytes(codes_count, features);
        require_ok(packed_bytes < 0 ? VQ4J_INVALID_ARGUMENT : VQ4J_OK);
        const auto s = static_cast<cudaStream_t>(stream);
        const int64_t rows_count = layout.rows();
        const DeviceScratch<unsigned char> packed(packed_bytes, s);
        const DeviceScratch<float> fitted(codes_count * features, s);
        const DeviceScratch<float> distances(rows_count, s);
        const DeviceScratch<double> mean_of_sample(1, s);
        const DeviceScratch<float> sums(codes_count * features, s);
        const DeviceScratch<int64_t> counts(codes_count, s);
        const int64_t codebook_bytes = codes_count * features * static_cast<int64_t>(sizeof(float));
        require_ok(vq4j_cuda_copy(stream, fitted.get(), codebook, codebook_bytes));
        double previous = 0.0;
        int64_t iteration = 0;
        for (;; ++iteration) {
            double current = 0.0;
            run_together(s, [&] {
                if (iteration > 0) {
                    require_ok(vq4j_cuda_scatter(stream, rows, outer, inner, features, codes, codes_count, sums.get()));
                    require_ok(vq4j_cuda_count_codes(stream, codes, rows_count, codes_count, counts.get()));
                    require_ok(
                        vq4j_cuda_update_centroids(stream, sums.get(), counts.get(), codes_count, features, fitted.get()));
                }
                require_ok(vq4j_cuda_pack_codebook(stream, fitted.get(), codes_count, features, packed.get()));
                require_ok(vq4j_cuda_assign(stream, rows, outer, inner, features, packed.get(), codes_count, codes));
                require_ok(vq4j_cuda_commitment_loss(stream, rows, outer, inner, features, fitted.get(), codes, 1,
                    distances.get(), mean_of_sample.get(), objective, nullptr));
                require_ok(vq4j_cuda_fetch(stream, &current, objective, sizeof current));
            });
            if (fit_ends(iteration, max_iterations, previous, current, tolerance)) {
                break;
            }
            previous = current;
        }
        require_ok(vq4j_cuda_copy(stream, codebook, fitted.get(), codebook_bytes));
        require_ok(vq4j_cuda_copy(stream, iterations, &iteration, sizeof iteration));
    });
}
