// What Hopper (sm_90a) feeds its tensor cores with: barriers in shared memory that count bytes, bulk copies that report
// to them, and wgmma, a function an instruction, with the contracts of the PTX manual. For a host run (VQ4J_HOST_RUN)
// tests/host_run/hopper.cpp has their bodies and reports what breaks a contract.
//
// Copies are plain bytes (cp.async.bulk), without a tensor map: the tiles of half_tiles.cuh lie in device memory as
// wgmma reads them in shared memory. So nothing has to be made on the host for a shape or an address.
#ifndef VQ4J_CUDA_HOPPER_CUH
#define VQ4J_CUDA_HOPPER_CUH

#include <cuda_runtime.h>

#include <cstdint>

namespace vq4j {

// In shared memory. It goes from phase to phase, numbered from 0: a phase ends when so many threads have arrived as it
// was made for and all bytes have come that were announced in it.
struct alignas(8) ByteBarrier {
    uint64_t state;
};

// 64 rows by 128 columns of sums, as a thread of a warpgroup (128 threads, of which the first's number is a multiple of
// 128) has them: warp w has rows 16 w on, each 8 columns of them as mma.m16n8 has its sums.
using GroupSums = float[16][4];

#ifdef VQ4J_HOST_RUN

__device__ __forceinline__ unsigned char* dynamic_shared_memory() {
    return static_cast<unsigned char*>(host_run::dynamic_shared());
}

__device__ __forceinline__ void make_barrier(ByteBarrier& barrier, unsigned arrivals) {
    host_run::make_barrier({"mbarrier.init", __FILE__, __LINE__}, &barrier, arrivals);
}

__device__ __forceinline__ void publish_barriers() {
    host_run::publish_barriers({"fence.mbarrier_init", __FILE__, __LINE__});
}

__device__ __forceinline__ void arrive(ByteBarrier& barrier) {
    host_run::arrive({"mbarrier.arrive", __FILE__, __LINE__}, &barrier, 0);
}

__device__ __forceinline__ void arrive_and_expect(ByteBarrier& barrier, unsigned bytes) {
    host_run::arrive({"mbarrier.arrive.expect_tx", __FILE__, __LINE__}, &barrier, bytes);
}

__device__ __forceinline__ void wait_for_phase(ByteBarrier& barrier, unsigned parity) {
    host_run::wait_for_phase({"mbarrier.try_wait.parity", __FILE__, __LINE__}, &barrier, parity);
}

__device__ __forceinline__ void copy_bulk(void* to, const void* from, unsigned bytes, ByteBarrier& barrier) {
    host_run::copy_bulk({"cp.async.bulk", __FILE__, __LINE__}, to, from, bytes, &barrier);
}

__device__ __forceinline__ uint64_t matrix_in_tile(const void* begin) {
    return host_run::shared_address({"a matrix descriptor", __FILE__, __LINE__}, begin) >> 4 | uint64_t{512 >> 4} << 32
        | uint64_t{2} << 62;
}

__device__ __forceinline__ void fence_sums(GroupSums& sums) {
    host_run::fence_sums({"wgmma.fence", __FILE__, __LINE__}, &sums[0][0]);
}

__device__ __forceinline__ void multiply_accumulate_group(GroupSums& sums, uint64_t a, uint64_t b) {
    host_run::multiply_accumulate_group({"wgmma.mma_async.m64n128k16", __FILE__, __LINE__}, &sums[0][0], a, b);
}

__device__ __forceinline__ void commit_products() {
    host_run::commit_products({"wgmma.commit_group", __FILE__, __LINE__});
}

__device__ __forceinline__ void wait_for_products(GroupSums& sums) {
    host_run::wait_for_products({"wgmma.wait_group", __FILE__, __LINE__}, &sums[0][0]);
}

#else

// The block's dynamic shared memory, at a multiple of 1024.
__device__ __forceinline__ unsigned char* dynamic_shared_memory() {
    extern __shared__ __align__(1024) unsigned char memory[];
    return memory;
}

__device__ __forceinline__ uint32_t shared_address(const void* memory) {
    return static_cast<uint32_t>(__cvta_generic_to_shared(memory));
}

// By one thread, before any other uses it.
__device__ __forceinline__ void make_barrier(ByteBarrier& barrier, unsigned arrivals) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" : : "r"(shared_address(&barrier)), "r"(arrivals) : "memory");
}

// Lets copies report to the barriers that the calling thread has made; a __syncthreads lets other threads use them.
__device__ __forceinline__ void publish_barriers() {
    asm volatile("fence.mbarrier_init.release.cluster;" : : : "memory");
}

// One of the arrivals of the phase. What the thread has read and written before comes before what others do that wait.
__device__ __forceinline__ void arrive(ByteBarrier& barrier) {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" : : "r"(shared_address(&barrier)) : "memory");
}

// The same, and announces bytes of the phase; less than 2^20 of a phase.
__device__ __forceinline__ void arrive_and_expect(ByteBarrier& barrier, unsigned bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" : : "r"(shared_address(&barrier)), "r"(bytes)
        : "memory");
}

// Waits for the end of the phase of that parity: of the one in progress, or the one before it, which has ended. So
// before the first phase has ended, a wait for an odd one does not wait.
__device__ __forceinline__ void wait_for_phase(ByteBarrier& barrier, unsigned parity) {
    asm volatile("{\n"
        ".reg .pred is_over;\n"
        "again:\n"
        "mbarrier.try_wait.parity.shared::cta.b64 is_over, [%0], %1;\n"
        "@!is_over bra again;\n"
        "}"
        : : "r"(shared_address(&barrier)), "r"(parity) : "memory");
}

// Copies bytes, a multiple of 16, from device memory to shared memory; both addresses are multiples of 16. By one
// thread. They are there, and count as come, for whoever waits for the barrier's phase.
__device__ __forceinline__ void copy_bulk(void* to, const void* from, unsigned bytes, ByteBarrier& barrier) {
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];"
        : : "r"(shared_address(to)), "l"(__cvta_generic_to_global(from)), "r"(bytes), "r"(shared_address(&barrier))
        : "memory");
}

// The descriptor of the matrix of 64 or 128 lines by 16 features that begins at a line whose number is a multiple of 8,
// and at part 0 or 2, of a tile; the tile is at a multiple of 512. Bits 0 to 13: the address, 32 to 45: from 8 lines to
// the next 8, both in units of 16 bytes; 62 and 63: 2, a swizzle of 64 bytes, which exchanges the parts of a line by
// bits 7 and 8 of the address. Bits 16 to 29 count only where a matrix is wider than the swizzle, 49 to 51 where 512
// bytes do not begin one anew.
__device__ __forceinline__ uint64_t matrix_in_tile(const void* begin) {
    return (shared_address(begin) & 0x3ffffu) >> 4 | uint64_t{512 >> 4} << 32 | uint64_t{2} << 62;
}

// The 64 sums of a thread as operands of an instruction, which have to be named one by one.
#define VQ4J_GROUP_SUMS \
    "+f"(sums[0][0]), "+f"(sums[0][1]), "+f"(sums[0][2]), "+f"(sums[0][3]), \
    "+f"(sums[1][0]), "+f"(sums[1][1]), "+f"(sums[1][2]), "+f"(sums[1][3]), \
    "+f"(sums[2][0]), "+f"(sums[2][1]), "+f"(sums[2][2]), "+f"(sums[2][3]), \
    "+f"(sums[3][0]), "+f"(sums[3][1]), "+f"(sums[3][2]), "+f"(sums[3][3]), \
    "+f"(sums[4][0]), "+f"(sums[4][1]), "+f"(sums[4][2]), "+f"(sums[4][3]), \
    "+f"(sums[5][0]), "+f"(sums[5][1]), "+f"(sums[5][2]), "+f"(sums[5][3]), \
    "+f"(sums[6][0]), "+f"(sums[6][1]), "+f"(sums[6][2]), "+f"(sums[6][3]), \
    "+f"(sums[7][0]), "+f"(sums[7][1]), "+f"(sums[7][2]), "+f"(sums[7][3]), \
    "+f"(sums[8][0]), "+f"(sums[8][1]), "+f"(sums[8][2]), "+f"(sums[8][3]), \
    "+f"(sums[9][0]), "+f"(sums[9][1]), "+f"(sums[9][2]), "+f"(sums[9][3]), \
    "+f"(sums[10][0]), "+f"(sums[10][1]), "+f"(sums[10][2]), "+f"(sums[10][3]), \
    "+f"(sums[11][0]), "+f"(sums[11][1]), "+f"(sums[11][2]), "+f"(sums[11][3]), \
    "+f"(sums[12][0]), "+f"(sums[12][1]), "+f"(sums[12][2]), "+f"(sums[12][3]), \
    "+f"(sums[13][0]), "+f"(sums[13][1]), "+f"(sums[13][2]), "+f"(sums[13][3]), \
    "+f"(sums[14][0]), "+f"(sums[14][1]), "+f"(sums[14][2]), "+f"(sums[14][3]), \
    "+f"(sums[15][0]), "+f"(sums[15][1]), "+f"(sums[15][2]), "+f"(sums[15][3])

// No instruction: keeps the compiler from moving what is done with the sums to the other side.
__device__ __forceinline__ void tie_sums(GroupSums& sums) {
    asm volatile("" : VQ4J_GROUP_SUMS : : "memory");
}

// The next four are called by all threads of a warpgroup together.

// Before the first product, and when the thread has written to its sums.
__device__ __forceinline__ void fence_sums(GroupSums& sums) {
    tie_sums(sums);
    asm volatile("wgmma.fence.sync.aligned;" : : : "memory");
}

// sums (64 x 128) += a (64 x 16, fp16) b (16 x 128, fp16): rows of a and columns of b are lines. Both stay as they are,
// and the sums must not be touched, until the wait; the products of one thread come after another. The sums may be
// wrong by tensor_core_error(16) (core/tensor_filter.hpp): order and rounding are not specified.
__device__ __forceinline__ void multiply_accumulate_group(GroupSums& sums, uint64_t a, uint64_t b) {
    asm volatile("{\n"
        ".reg .pred adds;\n"
        "setp.ne.b32 adds, %66, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 {"
        "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
        "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
        "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
        "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
        "%64, %65, adds, 1, 1, 0, 0;\n"
        "}"
        : VQ4J_GROUP_SUMS
        : "l"(a), "l"(b), "r"(1)
        : "memory");
}

#undef VQ4J_GROUP_SUMS

// Ends a group of products.
__device__ __forceinline__ void commit_products() {
    asm volatile("wgmma.commit_group.sync.aligned;" : : : "memory");
}

// Waits for all groups: then the calling thread may use its sums, and this warp's share of the products has read a and
// b.
__device__ __forceinline__ void wait_for_products(GroupSums& sums) {
    asm volatile("wgmma.wait_group.sync.aligned 0;" : : : "memory");
    tie_sums(sums);
}

#endif

}  // namespace vq4j

#endif
