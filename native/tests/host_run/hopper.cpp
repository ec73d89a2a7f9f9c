// Hopper's asynchronous work on the host, with the contracts of cuda/hopper.cuh. What a GPU may do early or late is done as
// late as it may be, and leaves NaNs until then; what it would pass in silence, or hang on, is reported:
//   - bulk copies come when their barrier's phase is waited for, and count bytes then: announcing other bytes than come is a
//     deadlock;
//   - sums of products are NaNs until the wait for their group; writing to them before, or after the fence, is an error;
//   - a and b are read when the product is called and compared at the wait: whoever lets them be overwritten before is found;
//   - matrices are read by the address bits that the descriptor's swizzle exchanges.
#include <array>
#include <cstring>
#include <map>

#include "core/half.hpp"
#include "cuda_runtime.h"
#include "tensor_core.hpp"

namespace host_run {
namespace {

constexpr unsigned group_threads = 128;
constexpr int sums_of_thread = 64;
constexpr int rows = 64;
constexpr int columns = 128;
constexpr int terms = 16;

// ---- barriers and bulk copies -----------------------------------------------------------------------------------

struct BulkCopy {
    void* to;
    const void* from;
    unsigned bytes;
};

struct Barrier {
    unsigned arrivals;      // that end a phase
    unsigned missing;       // of the phase in progress
    int64_t bytes = 0;      // that were announced, less those that have come
    unsigned phase = 0;
    bool is_published = false;
    std::vector<BulkCopy> copies = {};
};

std::map<const void*, Barrier> barriers;  // of the block

Barrier& barrier_at(Place place, const void* address) {
    const auto found = barriers.find(address);
    if (found == barriers.end()) {
        fail(place, "there is no barrier, or not yet");
    }
    return found->second;
}

// After every arrival and copy. Copies come in the turn of a thread that waits, when all have arrived.
void go_on(const void* address, Barrier& barrier, bool waits) {
    if (barrier.missing != 0) {
        return;
    }
    if (waits) {
        for (const BulkCopy& copy : barrier.copies) {
            std::memcpy(copy.to, copy.from, copy.bytes);
            barrier.bytes -= copy.bytes;
        }
        barrier.copies.clear();
    }
    const bool is_over = barrier.bytes == 0 && barrier.copies.empty();
    if (is_over) {
        ++barrier.phase;
        barrier.missing = barrier.arrivals;
    }
    if (is_over || !waits) {
        wake(address);
    }
}

std::string state_of(const Barrier& barrier) {
    return "phase " + std::to_string(barrier.phase) + " misses " + std::to_string(barrier.missing) + " arrivals and "
        + std::to_string(barrier.bytes) + " bytes";
}

// ---- warpgroups -------------------------------------------------------------------------------------------------

struct ThreadSums {
    float* registers = nullptr;       // what the products in flight add to
    float values[sums_of_thread];     // what they are, behind the NaNs
    const float* fenced = nullptr;
    float at_fence[sums_of_thread];
};

using Matrix = std::vector<uint16_t>;

struct Product {
    uint64_t a;
    uint64_t b;
    Matrix of_a;
    Matrix of_b;
};

// 128 threads that call together.
struct Group {
    Place place = {};
    unsigned arrived = 0;
    std::array<uint64_t, 3> arguments = {};
    std::array<float*, group_threads> sums = {};
    std::vector<Product> products;    // in flight
    size_t committed = 0;             // of them, the first
};

std::map<unsigned, Group> groups;     // of the block
std::map<unsigned, ThreadSums> thread_sums;

float poisoned_number() {
    float number;
    poison(&number, sizeof number);
    return number;
}

bool is_poisoned(const float* sums) {
    const float number = poisoned_number();
    for (int i = 0; i < sums_of_thread; ++i) {
        if (std::memcmp(sums + i, &number, sizeof number) != 0) {
            return false;
        }
    }
    return true;
}

// Runs work once, when all threads of the warpgroup have called the same operation with the same a and b.
void together(Place place, float* sums, uint64_t a, uint64_t b, void (*work)(Place place, unsigned number, Group& group)) {
    const unsigned number = thread_number() / group_threads;
    if ((number + 1) * group_threads > thread_count()) {
        fail(place, "the block has no whole warpgroup here");
    }
    Group& group = groups[number];
    const std::array<uint64_t, 3> arguments = {a, b, 0};
    if (group.arrived == 0) {
        group.place = place;
        group.arguments = arguments;
    } else if (std::strcmp(group.place.operation, place.operation) != 0 || group.arguments != arguments) {
        fail(place, std::string("meets ") + group.place.operation + " of its warpgroup, or other matrices");
    }
    group.sums[thread_number() % group_threads] = sums;
    if (++group.arrived == group_threads) {
        work(place, number, group);
        group.arrived = 0;
        wake(&group);
        return;
    }
    const std::function<std::string()> state = [&] {
        return std::to_string(group_threads - group.arrived) + " threads of the warpgroup never call it";
    };
    wait_for_event(place, &group, state);
}

// Lines by 16 terms, as the descriptor says.
Matrix read_matrix(Place place, uint64_t descriptor, int lines) {
    constexpr uint64_t widths[] = {16, 128, 64, 32};  // bytes along which parts are exchanged
    const uint64_t width = widths[descriptor >> 62];
    const uint64_t begin = (descriptor & 0x3fffu) << 4;
    const uint64_t along = (descriptor >> 16 & 0x3fffu) << 4;
    const uint64_t down = (descriptor >> 32 & 0x3fffu) << 4;
    if ((descriptor >> 49 & 7u) != 0) {
        fail(place, "a base offset is not modelled");
    }
    Matrix matrix(static_cast<size_t>(lines * terms));
    for (int line = 0; line < lines; ++line) {
        for (int term = 0; term < terms; ++term) {
            const auto byte = static_cast<uint64_t>(term) * 2;
            const auto of_eight = static_cast<uint64_t>(line % 8);
            uint64_t at = begin + static_cast<uint64_t>(line / 8) * down + of_eight * width + byte % width
                + byte / width * along;
            at ^= at >> 3 & (width - 1) & ~uint64_t{15};
            if (at + 2 > dynamic_shared_bytes()) {
                fail(place, "a matrix lies outside of shared memory");
            }
            const auto* const memory = static_cast<const unsigned char*>(dynamic_shared());
            std::memcpy(&matrix[static_cast<size_t>(line * terms + term)], memory + at, 2);
        }
    }
    return matrix;
}

std::vector<double> widened(const Matrix& matrix) {
    std::vector<double> numbers;
    numbers.reserve(matrix.size());
    for (const uint16_t half : matrix) {
        numbers.push_back(static_cast<double>(vq4j::float_of_float16(half)));
    }
    return numbers;
}

void multiply(Place place, unsigned number, Group& group) {
    const uint64_t a = group.arguments[0];
    const uint64_t b = group.arguments[1];
    group.products.push_back({a, b, read_matrix(place, a, rows), read_matrix(place, b, columns)});
    const TensorCores cores = in_use();
    const std::vector<double> of_a = widened(group.products.back().of_a);
    const std::vector<double> of_b = widened(group.products.back().of_b);
    for (unsigned i = 0; i < group_threads; ++i) {
        const unsigned thread = number * group_threads + i;
        ThreadSums& sums = thread_sums[thread];
        float* const registers = group.sums[i];
        if (sums.registers == nullptr) {
            if (sums.fenced != registers || std::memcmp(registers, sums.at_fence, sizeof sums.at_fence) != 0) {
                fail(place, "sums were written after the fence, or there was none");
            }
            sums.registers = registers;
            std::memcpy(sums.values, registers, sizeof sums.values);
            poison(registers, sizeof sums.values);
        } else if (sums.registers != registers || !is_poisoned(registers)) {
            fail(place, "sums of products in flight were written, or there are other sums");
        }
        for (int at = 0; at < sums_of_thread; ++at) {
            const unsigned row = i / 32 * 16 + i % 32 / 4 + static_cast<unsigned>(at) / 2 % 2 * 8;
            const unsigned column = static_cast<unsigned>(at) / 4 * 8 + i % 4 * 2 + static_cast<unsigned>(at) % 2;
            double products[terms];
            for (unsigned d = 0; d < terms; ++d) {
                products[d] = of_a[row * terms + d] * of_b[column * terms + d];
            }
            sums.values[at] = sum_of_products(cores, sums.values[at], products, terms,
                uint64_t{blockIdx.x} << 20 ^ uint64_t{thread} << 8 ^ static_cast<uint64_t>(at));
        }
    }
}

void commit(Place, unsigned, Group& group) {
    group.committed = group.products.size();
}

void finish(Place place, unsigned number, Group& group) {
    for (size_t i = 0; i < group.committed; ++i) {
        const Product& product = group.products[i];
        if (read_matrix(place, product.a, rows) != product.of_a || read_matrix(place, product.b, columns) != product.of_b) {
            fail(place, "a matrix changed while it was multiplied");
        }
    }
    group.products.erase(group.products.begin(), group.products.begin() + static_cast<std::ptrdiff_t>(group.committed));
    group.committed = 0;
    if (!group.products.empty()) {
        return;  // what was not committed goes on, and its sums with it
    }
    for (unsigned i = 0; i < group_threads; ++i) {
        ThreadSums& sums = thread_sums[number * group_threads + i];
        if (sums.registers != nullptr) {
            if (sums.registers != group.sums[i] || !is_poisoned(sums.registers)) {
                fail(place, "sums of products in flight were written, or there are other sums");
            }
            std::memcpy(sums.registers, sums.values, sizeof sums.values);
            sums.registers = nullptr;
            sums.fenced = nullptr;
        }
    }
}

void fence(Place, unsigned number, Group& group) {
    for (unsigned i = 0; i < group_threads; ++i) {
        ThreadSums& sums = thread_sums[number * group_threads + i];
        sums.fenced = group.sums[i];
        std::memcpy(sums.at_fence, group.sums[i], sizeof sums.at_fence);
    }
}

}  // namespace

void make_barrier(Place place, void* barrier, unsigned arrivals) {
    if (shared_address(place, barrier) % 8 != 0 || arrivals == 0 || barriers.count(barrier) != 0) {
        fail(place, "need a new barrier at a multiple of 8 for at least one arrival");
    }
    poison(barrier, 8);
    barriers.emplace(barrier, Barrier{arrivals, arrivals});
}

void publish_barriers(Place) {
    for (auto& [address, barrier] : barriers) {
        barrier.is_published = true;
    }
}

void arrive(Place place, void* address, unsigned bytes) {
    Barrier& barrier = barrier_at(place, address);
    if (barrier.missing == 0) {
        fail(place, "more arrivals than a phase has: " + state_of(barrier));
    }
    barrier.bytes += bytes;
    if (barrier.bytes >= int64_t{1} << 20) {
        fail(place, "a phase has less than 2^20 bytes: " + state_of(barrier));
    }
    --barrier.missing;
    go_on(address, barrier, false);
}

void wait_for_phase(Place place, void* address, unsigned parity) {
    Barrier& barrier = barrier_at(place, address);
    const std::function<std::string()> state = [&] { return state_of(barrier); };
    while (barrier.phase % 2 == parity) {
        go_on(address, barrier, true);
        if (barrier.phase % 2 == parity) {
            wait_for_event(place, address, state);
        }
    }
}

void copy_bulk(Place place, void* to, const void* from, unsigned bytes, void* address) {
    Barrier& barrier = barrier_at(place, address);
    if (!barrier.is_published) {
        fail(place, "the barrier was not published");
    }
    require_aligned(place, to);
    require_aligned(place, from);
    if (bytes % 16 != 0 || shared_address(place, to) + bytes > dynamic_shared_bytes()) {
        fail(place, "need a multiple of 16 bytes within shared memory");
    }
    poison(to, bytes);
    barrier.copies.push_back({to, from, bytes});
    go_on(address, barrier, false);
}

uint64_t shared_address(Place place, const void* memory) {
    const auto at = reinterpret_cast<uintptr_t>(memory) - reinterpret_cast<uintptr_t>(dynamic_shared());
    if (at >= dynamic_shared_bytes()) {
        fail(place, "not in dynamic shared memory");
    }
    return at;
}

void fence_sums(Place place, float* sums) {
    together(place, sums, 0, 0, fence);
}

void multiply_accumulate_group(Place place, float* sums, uint64_t a, uint64_t b) {
    together(place, sums, a, b, multiply);
}

void commit_products(Place place) {
    together(place, nullptr, 0, 0, commit);
}

void wait_for_products(Place place, float* sums) {
    together(place, sums, 0, 0, finish);
}

void begin_asynchronous_work() {
    barriers.clear();
    groups.clear();
    thread_sums.clear();
}

void end_asynchronous_work() {
    for (const auto& [address, barrier] : barriers) {
        if (!barrier.copies.empty()) {
            fail({"the end of the block", "", 0}, "bulk copies that nobody waited for");
        }
    }
    for (const auto& [number, group] : groups) {
        if (!group.products.empty()) {
            fail({"the end of the block", "", 0}, "products that nobody waited for");
        }
    }
}

}  // namespace host_run
