// Tensor cores and the copies that feed them, a function an instruction, with the contracts of the PTX manual. For a host
// run (VQ4J_HOST_RUN) tests/host_run has their bodies.
//
// All lanes of a warp call load_matrices and multiply_accumulate together. The sum of a multiply_accumulate may be wrong by
// tensor_core_error (core/tensor_filter.hpp): order and rounding are not specified.
#ifndef VQ4J_CUDA_TENSOR_CORE_CUH
#define VQ4J_CUDA_TENSOR_CORE_CUH

#include <cuda_runtime.h>

#include <cstdint>

namespace vq4j {

// Before a loop whose registers must have constant numbers.
#ifdef VQ4J_HOST_RUN
#define VQ4J_UNROLL
#else
#define VQ4J_UNROLL _Pragma("unroll")
#endif

#ifdef VQ4J_HOST_RUN

__device__ __forceinline__ void load_matrices(uint32_t (&registers)[4], const void* row) {
    host_run::load_matrices({"ldmatrix", __FILE__, __LINE__}, row, registers);
}

__device__ __forceinline__ void multiply_accumulate_8(float (&sums)[4], const uint32_t* a, const uint32_t* b) {
    host_run::multiply_accumulate({"mma.m16n8k8", __FILE__, __LINE__}, 8, sums, a, b);
}

__device__ __forceinline__ void multiply_accumulate_16(float (&sums)[4], const uint32_t* a, const uint32_t* b) {
    host_run::multiply_accumulate({"mma.m16n8k16", __FILE__, __LINE__}, 16, sums, a, b);
}

__device__ __forceinline__ void copy_async(void* to, const void* from) {
    host_run::copy_async({"cp.async", __FILE__, __LINE__}, to, from);
}

__device__ __forceinline__ void commit_copies() {
    host_run::commit_copies();
}

template <int groups_left>
__device__ __forceinline__ void wait_for_copies() {
    host_run::wait_for_copies(groups_left);
}

#else

// Four 8 x 8 matrices of 16-bit numbers in shared memory. Lane i gives the address of row i % 8 of matrix i / 8, a multiple
// of 16, and gets of each matrix two neighbours of row i / 4: columns i % 4 * 2 and the next.
__device__ __forceinline__ void load_matrices(uint32_t (&registers)[4], const void* row) {
    const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(row));
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
                 : "r"(address)
                 : "memory");
}

// sums (16 x 8, fp32) += a (16 x 8, fp16) b (8 x 8, fp16). a: 2 registers, rows i / 4 and 8 below; b: 1, of column i / 4;
// sums: two neighbours of row i / 4, and of the row 8 below.
__device__ __forceinline__ void multiply_accumulate_8(float (&sums)[4], const uint32_t* a, const uint32_t* b) {
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(b[0]));
}

// The same with 16 terms: a's registers 2 and 3 and b's register 1 are of terms 8 to 15. Turing does it in two steps.
__device__ __forceinline__ void multiply_accumulate_16(float (&sums)[4], const uint32_t* a, const uint32_t* b) {
#if __CUDA_ARCH__ >= 800
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    multiply_accumulate_8(sums, a, b);
    multiply_accumulate_8(sums, a + 2, b + 1);
#endif
}

// Copies 16 bytes from device memory to shared memory; both addresses are multiples of 16. The copy is there for the calling
// thread after it waited for it. Turing copies at once.
__device__ __forceinline__ void copy_async(void* to, const void* from) {
#if __CUDA_ARCH__ >= 800
    const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(to));
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" : : "r"(address), "l"(__cvta_generic_to_global(from)) : "memory");
#else
    *static_cast<uint4*>(to) = *static_cast<const uint4*>(from);
#endif
}

// Ends a group of copies.
__device__ __forceinline__ void commit_copies() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.commit_group;" : : : "memory");
#endif
}

// Waits for all groups of the calling thread but the last so many.
template <int groups_left>
__device__ __forceinline__ void wait_for_copies() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_group %0;" : : "n"(groups_left) : "memory");
#endif
}

#endif

}  // namespace vq4j

#endif
