// Distances of every row to its k codes. Bound by memory and the codes' reads from the caches.
#include "core/arguments.hpp"
#include "cpu/kernels.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

using namespace vq4j;

int32_t vq4j_cpu_code_distances(const float* rows, int64_t outer, int64_t inner, int64_t features, const float* codebook,
    const int32_t* codes, int64_t k, int32_t kind, float* distances) {
    return guarded([&] {
        const Layout layout = checked_rows(outer, inner, features);
        check_sizes({{"outer", outer}, {"inner", inner}, {"k", k}});
        check_distance(kind);
        check_present({rows, codebook, codes, distances});
        const Kernels& table = kernels();
        parallel_ranges(layout.rows(), features * (k + 1), [&](int64_t begin, int64_t end) {
            table.code_distances({rows, layout}, codebook, codes, k, kind, begin, end, distances);
        });
    });
}
