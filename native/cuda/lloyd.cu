// k-means by Lloyd's moves, several of which are one batch, the same graph every time: the device decides which move is the
// last, and those that follow in the batch leave the codebook as it is. The host looks once a batch whether there has been a
// last one; a batch has as many moves as take little longer than to be asked for.
#include <algorithm>

#include "core/arguments.hpp"
#include "core/clustering.hpp"
#include "cuda/launch.cuh"
#include "vq4j/cuda.h"

namespace vq4j::lloyd {

constexpr int64_t most_moves_at_once = 8;

// Products of rows and codes that a device makes while the host waits and launches: tens of microseconds.
constexpr double products_of_a_wait = 1 << 30;

int64_t moves_at_once(int64_t rows_count, int64_t codes_count, int64_t features) {
    const double products = static_cast<double>(rows_count) * static_cast<double>(codes_count * features);
    return static_cast<int64_t>(std::clamp(products_of_a_wait / products, 1.0, static_cast<double>(most_moves_at_once)));
}

// What moves leave to the next.
struct State {
    double previous;
    int64_t is_done;
};

struct TakeOver {
    const State* state;
    const float* moved;
    float* fitted;

    __device__ void operator()(int64_t i) const {
        if (state->is_done == 0) {
            fitted[i] = moved[i];
        }
    }
};

// One thread: whether the assignment that has just been made is the last.
struct Decide {
    int64_t iteration;
    int64_t max_iterations;
    double tolerance;
    const double* objective;
    State* state;
    int64_t* iterations;

    __device__ void operator()(int64_t) const {
        if (state->is_done == 0) {
            *iterations = iteration;
            state->is_done = fit_ends(iteration, max_iterations, state->previous, *objective, tolerance) ? 1 : 0;
            state->previous = *objective;
        }
    }
};

}  // namespace vq4j::lloyd

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
        const int64_t size = codes_count * features;
        const DeviceScratch<unsigned char> packed(packed_bytes, s);
        const DeviceScratch<float> fitted(size, s);
        const DeviceScratch<float> moved(size, s);
        const DeviceScratch<float> distances(rows_count, s);
        const DeviceScratch<double> mean_of_sample(1, s);
        const DeviceScratch<float> sums(size, s);
        const DeviceScratch<int64_t> counts(codes_count, s);
        const DeviceScratch<lloyd::State> state(1, s);
        const int64_t codebook_bytes = size * static_cast<int64_t>(sizeof(float));
        copy_on_device(fitted.get(), codebook, codebook_bytes, s);
        fill(state.get(), 0, sizeof(lloyd::State), s);

        const auto assign = [&](int64_t iteration) {
            require_ok(vq4j_cuda_pack_codebook(stream, fitted.get(), codes_count, features, packed.get()));
            require_ok(vq4j_cuda_assign(stream, rows, outer, inner, features, packed.get(), codes_count, codes));
            require_ok(vq4j_cuda_commitment_loss(stream, rows, outer, inner, features, fitted.get(), codes, 1,
                distances.get(), mean_of_sample.get(), objective, nullptr, nullptr));
            for_each(1, s, lloyd::Decide{iteration, max_iterations, tolerance, objective, state.get(), iterations});
        };
        const auto move = [&] {
            require_ok(vq4j_cuda_scatter(stream, rows, outer, inner, features, codes, codes_count, sums.get()));
            require_ok(vq4j_cuda_count_codes(stream, codes, rows_count, codes_count, counts.get()));
            copy_on_device(moved.get(), fitted.get(), codebook_bytes, s);
            require_ok(
                vq4j_cuda_update_centroids(stream, sums.get(), counts.get(), codes_count, features, moved.get()));
            for_each(size, s, lloyd::TakeOver{state.get(), moved.get(), fitted.get()});
        };
        const int64_t at_once = lloyd::moves_at_once(rows_count, codes_count, features);
        int64_t is_done = 0;
        for (int64_t next = 0; is_done == 0;) {
            const int64_t end = next + std::min(at_once, max_iterations - next + 1);
            run_together(s, [&] {
                for (; next < end; ++next) {
                    if (next > 0) {
                        move();
                    }
                    assign(next);
                }
                require_ok(vq4j_cuda_fetch(stream, &is_done, &state.get()->is_done, sizeof is_done));
            });
        }
        copy_on_device(codebook, fitted.get(), codebook_bytes, s);
    });
}
