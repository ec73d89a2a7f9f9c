// Runs CUDA kernels on the host: every thread of a block is a fiber, blocks run one after the other, and a barrier or a
// warp collective switches fibers. Undefined behaviour that a GPU would let pass is made visible:
//   - shared memory is filled with NaNs at the start of every block; so is memory fresh from cudaMalloc;
//   - threads and blocks run forward, reversed or in a seeded random order, so that a missing barrier changes results;
//   - a barrier that not every thread of the block reaches at the same line, a warp collective that not every lane of its
//     mask reaches, and a lane outside its own mask end the process with a report;
//   - under AddressSanitizer an access out of bounds is reported at its line in the .cu file.
//
// `__shared__` variables are static and found by their linker section. GCC 12 drops that section inside function
// templates and rejects it in inline functions: kernel templates use dynamic shared memory instead.
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

// Runs body once as every thread of the grid. Launches from several host threads run one after the other.
// Returns false, having run nothing, where a device would reject the shape of the launch.
bool launch(dim3 grid, dim3 block, size_t dynamic_shared_bytes, const std::function<void()>& body);

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

// Memory of the device, by which addresses are told apart.
void note_device_memory(const void* memory, size_t bytes);
void forget_device_memory(const void* memory);
bool is_device_memory(const void* address);

// Work that waits until the host or another launch needs it, in its order.
void later(std::function<void()> work);
void catch_up();

// ---- called by the running thread ------------------------------------------------------------------------------

void* dynamic_shared();

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
};

constexpr int matching_lanes = -2;

uint64_t warp_collective(Place place, unsigned mask, LaneExchange exchange);

// The lane of the running thread, 0 to 31.
int lane();

}  // namespace host_run

#endif
