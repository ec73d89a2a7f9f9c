// Memory of the host, copies, and the message of the last failure.
#include <cstdlib>
#include <cstring>

#include "core/failure.hpp"
#include "vq4j/cpu.h"

using namespace vq4j;

const char* vq4j_cpu_last_error(void) {
    return last_message().c_str();
}

void* vq4j_cpu_allocate(int64_t bytes) {
    constexpr int64_t alignment = 64;
    void* memory = nullptr;
    guarded([&] {
        check_sizes({{"bytes", bytes}});
        const int64_t whole = (bytes + alignment - 1) / alignment * alignment;
        memory = std::aligned_alloc(alignment, static_cast<size_t>(whole));
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
