// Exclusive prefix sums by one block: each thread sums a stretch, thread 0 scans the 256 sums, each thread writes its
// stretch. For the short arrays of the counting sort (16 counters a tile, one a code).
#include "cuda/scan.cuh"

namespace vq4j {
namespace scan {

__global__ void scan_kernel(int64_t* values, int64_t count) {
    __shared__ int64_t before[block_threads];
    const int t = static_cast<int>(threadIdx.x);
    const int64_t stretch = (count + block_threads - 1) / block_threads;
    const int64_t begin = t * stretch < count ? t * stretch : count;
    const int64_t end = begin + stretch < count ? begin + stretch : count;
    int64_t sum = 0;
    for (int64_t i = begin; i < end; ++i) {
        sum += values[i];
    }
    before[t] = sum;
    __syncthreads();
    if (t == 0) {
        int64_t total = 0;
        for (int other = 0; other < block_threads; ++other) {
            const int64_t of_thread = before[other];
            before[other] = total;
            total += of_thread;
        }
        values[count] = total;
    }
    __syncthreads();
    int64_t running = before[t];
    for (int64_t i = begin; i < end; ++i) {
        const int64_t value = values[i];
        values[i] = running;
        running += value;
    }
}

}  // namespace scan

void exclusive_scan(int64_t* values, int64_t count, cudaStream_t stream) {
    launch(scan::scan_kernel, 1, block_threads, 0, stream, values, count);
}

}  // namespace vq4j
