// Lloyd's update of the codebook. Bound by memory, 8 K D bytes.
#include "core/arguments.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

using namespace vq4j;

int32_t vq4j_cpu_update_centroids(const float* sums, const int64_t* counts, int64_t codes_count, int64_t features,
    float* codebook) {
    return guarded([&] {
        check_codebook(codes_count, features);
        check_present({sums, counts, codebook});
        parallel_ranges(codes_count, features, [=](int64_t begin, int64_t end) {
            for (int64_t k = begin; k < end; ++k) {
                for (int64_t d = 0; counts[k] > 0 && d < features; ++d) {
                    codebook[k * features + d] = sums[k * features + d] / static_cast<float>(counts[k]);
                }
            }
        });
    });
}
