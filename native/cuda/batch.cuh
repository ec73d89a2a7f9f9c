// Operations that run together. While a batch is open, what the calling thread launches on its stream is only noted down:
// kernels with the values of their arguments, fills, copies. Submitted, it runs as one CUDA graph, which is kept: the same
// kernels with the same grids again, and only arguments that have changed are put into it. Memory for the length of an
// operation comes from an arena whose places are the same every time, so that little changes. What operations find wrong in
// their data is looked at when the batch is finished.
#ifndef VQ4J_CUDA_BATCH_CUH
#define VQ4J_CUDA_BATCH_CUH

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <functional>

namespace vq4j {

// A parameter of a kernel: where its value lies, and its size.
struct KernelArgument {
    const void* value;
    size_t bytes;
};

class Batch {
public:
    // The calling thread's open batch of this stream, or null.
    static Batch* open(cudaStream_t stream);

    virtual void add_kernel(const void* kernel, dim3 grid, dim3 block, size_t shared_bytes, const KernelArgument* arguments,
        size_t count) = 0;
    virtual void add_fill(void* memory, int byte, size_t bytes) = 0;
    virtual void add_copy(void* to, const void* from, size_t bytes) = 0;

    // Memory until it is given back, in the order of the stream.
    virtual void* take(size_t bytes) = 0;
    virtual void give_back() = 0;

    // A number that is first_bad_none until kernels lower it, or count it up, and what is to happen if one has lowered it.
    virtual long long* watch() = 0;
    virtual void fail_if_lowered(const long long* watched, std::function<void(int64_t)> fail) = 0;

    // A copy that is not made where what has been added so far lowers a watched number, so that the batch will fail.
    virtual void add_commit(void* to, const void* from, size_t bytes) = 0;

    // Runs all that has been added, waits for it, and throws the first failure.
    virtual void catch_up() = 0;

protected:
    ~Batch() = default;
};

// What submitted batches have watched, kept for the kernels that come after them on the stream.
struct Verdicts {
    static constexpr int most = 24;

    struct Watched {
        const long long* numbers;
        int count;
    };

    bool known_to_have_failed;
    int count;
    Watched watched[most];

    // Whether one of the batches has failed. All threads of the block call it; `told` is shared memory.
    __device__ __forceinline__ bool failed(int& told) const;
};

// Of batches that have been submitted to the stream and not been finished.
Verdicts verdicts_of(const int64_t* batches, int64_t count, cudaStream_t stream);

// Runs what body calls on the stream as one batch and waits for it; as a part of the calling thread's open batch where there
// is one. Failures in data are thrown here.
void run_together(cudaStream_t stream, const std::function<void()>& body);

// 0x7f in every byte.
constexpr int first_bad_none_byte = 0x7f;
constexpr int64_t first_bad_none = 0x7f7f7f7f7f7f7f7f;

// Whether a watched number has been lowered; others count up.
__device__ __forceinline__ bool is_lowered(long long watched) {
    return watched < first_bad_none;
}

__device__ __forceinline__ bool Verdicts::failed(int& told) const {
    if (threadIdx.x == 0) {
        told = known_to_have_failed ? 1 : 0;
    }
    __syncthreads();
    for (int i = 0; i < count; ++i) {
        for (int j = static_cast<int>(threadIdx.x); j < watched[i].count; j += static_cast<int>(blockDim.x)) {
            if (is_lowered(watched[i].numbers[j])) {
                atomicMax(&told, 1);
            }
        }
    }
    __syncthreads();
    return told != 0;
}

// The process's memory of the current device, which keeps what is given back. In the order of the stream.
void* allocate_from_pool(size_t bytes, cudaStream_t stream);
void release_to_pool(void* memory, cudaStream_t stream) noexcept;

// Memory for release_after_batches or release_when_idle, which may come from any thread, also when the stream is forgotten.
void* allocate_lasting(size_t bytes, cudaStream_t stream);

// Waits until all that was put on the stream is done: where the host waits, but for the next one.
void wait_for(cudaStream_t stream);

// Waits for all streams of the current device, other libraries' too.
void wait_for_device();

// Counts kernels, fills and copies that run, for vq4j_cuda_batch_counts.
void count_steps(int64_t steps);

// Frees memory once no open batch can name it any more, in the order of the stream that it was allocated for; or when all
// streams of its device are done.
void release_after_batches(void* memory, cudaStream_t stream) noexcept;
void release_when_idle(void* memory) noexcept;

}  // namespace vq4j

#endif
