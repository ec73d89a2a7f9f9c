// Assignment by tensor cores, as assign.cu uses it: the codes of the rows that the filter decides, and a list of the others.
#ifndef VQ4J_CUDA_TENSOR_ASSIGN_CUH
#define VQ4J_CUDA_TENSOR_ASSIGN_CUH

#include "core/layout.hpp"
#include "cuda/first_bad.cuh"
#include "cuda/numbers.cuh"
#include "cuda/packed_codebook.cuh"

namespace vq4j {

// Rows that are left to another kernel, in any order; on the device.
struct OpenRows {
    int64_t* rows;
    unsigned long long* count;
};

// The instruction that multiplies: mma.sync, which every GPU from Turing on has, or wgmma, which Hopper alone has.
enum class TensorCores { mma, wgmma };

// Whether the filter can be used, and whether it is likely to be faster than scoring everything.
bool tensor_cores_serve(int64_t features);
bool tensor_cores_pay(int64_t rows, int64_t codes_count, int64_t features);

// Whether the current device has wgmma, and the library its kernel; and whether it is likely to be faster than mma there.
bool wgmma_serves();
bool wgmma_pays(int64_t rows);

// Puts all on the stream and waits for nothing. At most rows_at_once rows are in scratch memory, in fp16, at a time;
// 0: as many as 256 MiB hold.
void assign_by_tensor_cores(AnyNumbers numbers, Layout layout, PackedCodebook<const float> packed, int64_t codes_count,
    TensorCores by, int64_t rows_at_once, int32_t* codes, BadRows bad, OpenRows open, cudaStream_t stream);

}  // namespace vq4j

#endif
