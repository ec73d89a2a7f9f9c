// Squared distances of the rows of a chunk, by a block of as many threads: of row-major rows 16 threads share one, a stripe of
// the sum each, and read it along memory; of others a thread has one, and its neighbours the rows beside it.
#ifndef VQ4J_CUDA_CHUNK_DISTANCES_CUH
#define VQ4J_CUDA_CHUNK_DISTANCES_CUH

#include "core/layout.hpp"
#include "cuda/launch.cuh"

namespace vq4j {

struct ChunkDistances {
    static constexpr int threads = static_cast<int>(chunk_rows);
    static constexpr int rows_at_once = threads / stripes;
    static constexpr int loads_ahead = 4;

    const float* rows;
    Layout layout;

    // Of the `count` rows from `first` on, into shared memory. code_of(n) is the code of a row, see(n, at, z, e) is called for
    // every element of it and its code, once. All threads of the block call it, and synchronise afterwards.
    template <typename CodeOf, typename See>
    __device__ void measure(int64_t first, int count, CodeOf code_of, See see, float* distances) const {
        const int t = static_cast<int>(threadIdx.x);
        if (layout.inner == 1) {
            for (int r = t / stripes; r - t / stripes < count; r += rows_at_once) {
                const float distance = shared_distance(r < count ? first + r : -1, code_of, see);
                if (t % stripes == 0) {
                    distances[r] = distance;
                }
            }
        } else if (t < count) {
            distances[t] = own_distance(first + t, code_of, see);
        }
    }

private:
    // The whole warp calls it, 16 threads for a row; n < 0: there is none. They all return the distance.
    template <typename CodeOf, typename See>
    __device__ float shared_distance(int64_t n, CodeOf code_of, See see) const {
        const int64_t features = n < 0 ? 0 : layout.features;
        const int64_t offset = n < 0 ? 0 : n * layout.features;
        const float* const code = n < 0 ? nullptr : code_of(n);
        float sum = 0.0f;
        for (int64_t first = threadIdx.x % stripes; first < features; first += stripes * loads_ahead) {
            float z[loads_ahead] = {};
            float e[loads_ahead] = {};
            for (int i = 0; i < loads_ahead; ++i) {
                const int64_t d = first + i * stripes;
                if (d < features) {
                    z[i] = rows[offset + d];
                    e[i] = code[d];
                }
            }
            for (int i = 0; i < loads_ahead; ++i) {
                const int64_t d = first + i * stripes;
                if (d < features) {
                    sum = fused_multiply_add(z[i] - e[i], z[i] - e[i], sum);
                    see(n, offset + d, z[i], e[i]);
                }
            }
        }
        for (int width = stripes / 2; width > 0; width /= 2) {  // as add_stripes
            sum = sum + __shfl_xor_sync(0xffffffffu, sum, width);
        }
        return sum;
    }

    template <typename CodeOf, typename See>
    __device__ float own_distance(int64_t n, CodeOf code_of, See see) const {
        const int64_t offset = layout.offset(n);
        const float* const code = code_of(n);
        return striped_sum(layout.features, [&](float sum, int64_t d) {
            const float z = rows[offset + d * layout.stride()];
            const float e = code[d];
            see(n, offset + d * layout.stride(), z, e);
            return fused_multiply_add(z - e, z - e, sum);
        });
    }
};

__device__ inline double sum_of_distances(const float* values, int64_t begin, int64_t end) {
    double sum = 0.0;
    for (int64_t i = begin; i < end; ++i) {
        sum = sum + static_cast<double>(values[i]);
    }
    return sum;
}

}  // namespace vq4j

#endif
