// Memory of the device, copies, and the message of the last failure.
#include "cuda/launch.cuh"
#include "vq4j/cuda.h"

using namespace vq4j;

const char* vq4j_cuda_last_error(void) {
    return last_message().c_str();
}

void* vq4j_cuda_allocate(void* stream, int64_t bytes) {
    void* memory = nullptr;
    const int32_t status = guarded([&] {
        check_sizes({{"bytes", bytes}});
        memory = allocate_lasting(static_cast<size_t>(bytes), static_cast<cudaStream_t>(stream));
    });
    return status == VQ4J_OK ? memory : nullptr;
}

void vq4j_cuda_release(void* stream, void* memory) {
    release_after_batches(memory, static_cast<cudaStream_t>(stream));
}

void vq4j_cuda_release_when_idle(void* memory) {
    release_when_idle(memory);
}

int32_t vq4j_cuda_copy(void* stream, void* to, const void* from, int64_t bytes) {
    return guarded([&] {
        check_sizes({{"bytes", bytes}});
        check_present({to, from});
        const auto s = static_cast<cudaStream_t>(stream);
        const int current = current_device();
        if (device_of(to) == current && device_of(from) == current) {
            copy_on_device(to, from, bytes, s);
            return;
        }
        if (Batch* const batch = Batch::open(s)) {
            batch->catch_up();
        }
        check(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyDefault, s), "copy");
        wait_for(s);
    });
}

int32_t vq4j_cuda_device_of(const void* memory, int32_t* device) {
    return guarded([&] {
        check_present({memory, device});
        *device = device_of(memory);
    });
}

int32_t vq4j_cuda_commit(void* stream, void* to, const void* from, int64_t bytes) {
    return guarded([&] {
        check_sizes({{"bytes", bytes}});
        check_present({to, from});
        const auto s = static_cast<cudaStream_t>(stream);
        if (Batch* const batch = Batch::open(s)) {
            batch->add_commit(to, from, static_cast<size_t>(bytes));
        } else {
            copy_on_device(to, from, bytes, s);
        }
    });
}

int32_t vq4j_cuda_clear(void* stream, void* memory, int64_t bytes) {
    return guarded([&] {
        check_sizes({{"bytes", bytes}});
        check_present({memory});
        fill(memory, 0, bytes, static_cast<cudaStream_t>(stream));
    });
}
