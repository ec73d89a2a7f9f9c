// The devices of the machine.
#include "cuda/launch.cuh"
#include "vq4j/cuda.h"

using namespace vq4j;

int32_t vq4j_cuda_device_count(int32_t* count) {
    return guarded([&] {
        check_present({count});
        int devices = 0;
        check(cudaGetDeviceCount(&devices), "no CUDA device");
        if (devices == 0) {
            throw Failure(VQ4J_DEVICE_ERROR, "no CUDA device: the driver sees none");
        }
        *count = devices;
    });
}

int32_t vq4j_cuda_use_device(int32_t device) {
    return guarded([&] { check(cudaSetDevice(device), "use device"); });
}

const char* vq4j_cuda_device_name(int32_t device) {
    static thread_local cudaDeviceProp properties;
    const int32_t status = guarded([&] { check(cudaGetDeviceProperties(&properties, device), "device name"); });
    return status == VQ4J_OK ? properties.name : nullptr;
}

int32_t vq4j_cuda_synchronize(void* stream) {
    return guarded([&] {
        const auto s = static_cast<cudaStream_t>(stream);
        if (Batch* const batch = Batch::open(s)) {
            batch->catch_up();
        } else {
            wait_for(s);
        }
    });
}
