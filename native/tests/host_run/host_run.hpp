// Runs CUDA kernels on the host: every thread of a block is a fiber, blocks run one after the other, and a barrier or a
// warp collective switches fibers. Undefined behaviour that a GPU would let pass is made visible:
//   - shared memory is filled with NaNs at the start of every block; so is memory fresh from cudaMalloc;
//   - threads and blocks run forward, reversed or in a seeded random order, so that a missing barrier changes results;
//   - a barrier that not every thread of the block reaches at the same line, a warp collective that not every lane of its
//     mask reaches, and a lane outside its own mask end the process with a report;
//   - an asynchronous copy leaves NaNs behind and copies at the wait for it, and not before;
//   - tensor cores err by as much as they are assumed to (tensor_core.cpp);
//   - what Hopper does asynchronously happens as late as it may, and leaves NaNs until it is waited for (hopper.cpp);
//   - under AddressSanitizer an access out of bounds is reported at its line in the .cu file.
//
// What it does not show: threads interleave at barriers only and blocks run one after another, so that fences do nothing;
// bounds of launches and registers are not looked at. `__shared__` variables are static, found by their linker section to be
// filled with NaNs before a block runs; GCC 12 drops that section inside function templates: what those read before it is
// written stays unseen.
#ifndef VQ4J_TESTS_HOST_RUN_HPP
#define VQ4J_TESTS_HOST_RUN_HPP

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

namespace host_run {

// Sets the order of threads and blocks: "forward", "reverse" or "random:SEED". The default is the environment variable
// VQ4J_HOST_RUN_ORDER, else forward. Throws std::invalid_argument for any other text.
void set_order(const std::string& order);

// Sets how tensor cores round: "nearest", "truncated" (24 bits of the largest of 4 products and the sum, as the oldest of
// them do) or "bound:SEED" (by the largest error that core/tensor_filter.hpp assumes, up or down at random). The default is
// the environment variable VQ4J_HOST_RUN_TENSOR_CORES, else bound:1. Throws std::invalid_argument for any other text.
void set_tensor_cores(const std::string& rounding);

constexpr size_t usual_shared_limit = size_t{48} << 10;
constexpr size_t most_shared_bytes = size_t{227} << 10;

// Runs body once as every thread of the grid. Launches from several host threads run one after the other.
// Returns false, having run nothing, where a device would reject the shape of the launch.
bool launch(dim3 grid, dim3 block, size_t dynamic_shared_bytes, const std::function<void()>& body,
    size_t shared_limit = usual_shared_limit);

// Fills memory with a pattern that is a NaN at every width and far out of range as an index.
void poison(void* memory, size_t bytes);

// ---- what is known of the device -----------------------------------------------------------------------------------

// A kernel that can be launched by its address.
struct Kernel {
    std::vector<size_t> argument_bytes;
    std::function<void(void* const* arguments)> run;
};

void know(const void* kernel, std::vector<size_t> argument_bytes, std::function<void(void* const*)> run);
bool is_known(const void* kernel);
const Kernel& kernel_at(const void* address);

// How much dynamic shared memory launches of a kernel may have.
void set_shared_limit(const void* kernel, size_t bytes);
size_t shared_limit(const void* kernel);

// Memory of the devices, by which addresses are told apart.
void note_device_memory(const void* memory, size_t bytes, int device);
void forget_device_memory(const void* memory);
int device_of_memory(const void* address);  // -1: memory of the host
size_t device_memory_bytes();  // of all that has not been given back

// Work that waits until the host or another launch needs it, in its order.
void later(std::function<void()> work);
void catch_up();

// Whether graphs are refused from now on, as a driver may do.
void refuse_graphs(bool refuse);
bool graphs_are_refused();

// ---- called by the running thread ------------------------------------------------------------------------------

void* dynamic_shared();  // at a multiple of 1024

// Where in the sources a thread waits.
struct Place {
    const char* operation;
    const char* file;
    int line;
};

void block_barrier(Place place);

// What a lane brings to a warp collective and what it takes away.
struct LaneExchange {
    uint64_t value;  // the lane's own
    int source;      // the lane whose value it wants; -1: the ballot of all lanes' values; -2: the lanes of its own value
    // Where not null, run once when all lanes are there, on the memory that their values point to.
    void (*operation)(void* const* lanes) = nullptr;
};

constexpr int matching_lanes = -2;

uint64_t warp_collective(Place place, unsigned mask, LaneExchange exchange);

// ---- tensor cores and asynchronous copies, by the contracts of cuda/tensor_core.cuh -----------------------------

// Four 8 x 8 matrices of 16-bit numbers; lane i brings the address of row i % 8 of matrix i / 8.
void load_matrices(Place place, const void* row, uint32_t (&registers)[4]);

// sums (16 x 8) += a (16 x k) b (k x 8) in fp32, k = 8 or 16, with the registers of mma.sync.m16n8k8 and m16n8k16.
void multiply_accumulate(Place place, int k, float (&sums)[4], const uint32_t* a, const uint32_t* b);

// 16 bytes; both addresses are multiples of 16.
void copy_async(Place place, void* to, const void* from);
void commit_copies();
void wait_for_copies(int groups_left);

// ---- Hopper's barriers, bulk copies and wgmma, by the contracts of cuda/hopper.cuh -------------------------------

void make_barrier(Place place, void* barrier, unsigned arrivals);
void publish_barriers(Place place);
void arrive(Place place, void* barrier, unsigned bytes);
void wait_for_phase(Place place, void* barrier, unsigned parity);
void copy_bulk(Place place, void* to, const void* from, unsigned bytes, void* barrier);

// Where in the block's shared memory, which begins at 0, an address lies.
uint64_t shared_address(Place place, const void* memory);

// 64 sums of the running thread.
void fence_sums(Place place, float* sums);
void multiply_accumulate_group(Place place, float* sums, uint64_t a, uint64_t b);
void commit_products(Place place);
void wait_for_products(Place place, float* sums);

// What hopper.cpp keeps of a block: forgotten before it, and held to be done with after it.
void begin_asynchronous_work();
void end_asynchronous_work();

// ---- for the parts of the host run ------------------------------------------------------------------------------

// The lane of the running thread, 0 to 31.
int lane();

// Its number in the block, and how many those are.
unsigned thread_number();
unsigned thread_count();

size_t dynamic_shared_bytes();

// Ends the process with a report on the running thread.
[[noreturn]] void fail(Place place, const std::string& what);

// Lets the running thread wait until another one wakes all that wait for the same thing. state: what is to be said of it
// in the report of a deadlock.
void wait_for_event(Place place, const void* event, const std::function<std::string()>& state);
void wake(const void* event);

// Ends the process with a report unless the address is a multiple of 16.
void require_aligned(Place place, const void* address);

}  // namespace host_run

#endif
