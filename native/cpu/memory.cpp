// Memory of the host, copies, and the message of the last failure.
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

#include "core/failure.hpp"
#include "vq4j/cpu.h"

using namespace vq4j;

namespace {

constexpr size_t line = 64;
constexpr size_t huge_page = size_t{1} << 21;
constexpr size_t least_of_huge_pages = 4 * huge_page;

}  // namespace

const char* vq4j_cpu_last_error(void) {
    return last_message().c_str();
}

void* vq4j_cpu_allocate(int64_t bytes) {
    void* memory = nullptr;
    guarded([&] {
        check_sizes({{"bytes", bytes}});
        const auto wanted = static_cast<size_t>(bytes);
        const size_t alignment = wanted >= least_of_huge_pages ? huge_page : line;
        const size_t whole = (wanted + alignment - 1) / alignment * alignment;
        memory = std::aligned_alloc(alignment, whole);
        if (memory != nullptr && alignment == huge_page) {
            // Pages of 4 KiB cost a pass over large tensors up to half of its speed. A system that has no others says no.
            madvise(memory, whole, MADV_HUGEPAGE);
        }
        if (memory == nullptr) {
            throw Failure(VQ4J_OUT_OF_MEMORY, "out of memory: " + std::to_string(bytes) + " bytes are not to be had");
        }
    });
    return memory;
}

void vq4j_cpu_release(void* memory) {
    std::free(memory);
}

int32_t vq4j_cpu_copy(void* to, const void* from, int64_t bytes) {
    return guarded([&] {
        check_sizes({{"bytes", bytes}});
        check_present({to, from});
        std::memmove(to, from, static_cast<size_t>(bytes));
    });
}

int32_t vq4j_cpu_clear(void* memory, int64_t bytes) {
    return guarded([&] {
        check_sizes({{"bytes", bytes}});
        check_present({memory});
        std::memset(memory, 0, static_cast<size_t>(bytes));
    });
}
