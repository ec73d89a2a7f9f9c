// Exclusive prefix sums by one block: each thread sums a stretch, the 256 sums are summed up, each thread writes its stretch.
// For short arrays: one number a code, or a chunk of rows.
#include "cuda/scan.cuh"

namespace vq4j {
namespace scan {

__global__ void scan_kernel(int64_t* values, int64_t count) {
    __shared__ int64_t warp_sums[block_threads / 32];
    const int t = static_cast<int>(threadIdx.x);
    const int64_t stretch = (count + block_threads - 1) / block_threads;
    const int64_t begin = t * stretch < count ? t * stretch : count;
    const int64_t end = begin + stretch < count ? begin + stretch : count;
    int64_t sum = 0;
    for (int64_t i = begin; i < end; ++i) {
        sum += values[i];
    }
    int64_t total = 0;
    int64_t running = sum_before(sum, warp_sums, total);
    for (int64_t i = begin; i < end; ++i) {
        const int64_t value = values[i];
        values[i] = running;
        running += value;
    }
    if (t == 0) {
        values[count] = total;
    }
}

}  // namespace scan

void exclusive_scan(int64_t* values, int64_t count, cudaStream_t stream) {
    launch(scan::scan_kernel, 1, block_threads, 0, stream, values, count);
}

}  // namespace vq4j
