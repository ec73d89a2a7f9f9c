// The devices of the machine.
#include <string>
#include <utility>

#include "cuda/launch.cuh"
#include "vq4j/cuda.h"

using namespace vq4j;

namespace vq4j::devices {

constexpr int none = -1;

// The thread's device before it used another.
thread_local int left = none;

// Empty where the kernels run there.
std::string why_not(int device) {
    const int major = attribute_of(device, cudaDevAttrComputeCapabilityMajor);
    const int minor = attribute_of(device, cudaDevAttrComputeCapabilityMinor);
    if (10 * major + minor < 75) {
        return "compute capability " + std::to_string(major) + "." + std::to_string(minor) + ", need 7.5 or more";
    }
    return attribute_of(device, cudaDevAttrMemoryPoolsSupported) != 0 ? "" : "no memory pools, which virtual GPUs may lack";
}

}  // namespace vq4j::devices

int32_t vq4j_cuda_device_count(int32_t* count) {
    return guarded([&] {
        check_present({count});
        int devices = 0;
        check(cudaGetDeviceCount(&devices), "no CUDA device");
        if (devices == 0) {
            throw Failure(VQ4J_DEVICE_ERROR, "no CUDA device: the driver sees none");
        }
        int usable = 0;
        std::string why_not;
        while (usable < devices && (why_not = devices::why_not(usable)).empty()) {
            ++usable;
        }
        if (usable == 0) {
            throw Failure(VQ4J_DEVICE_ERROR, "no CUDA device that the kernels run on: device 0 has " + why_not);
        }
        *count = usable;
    });
}

int32_t vq4j_cuda_use_device(int32_t device) {
    return guarded([&] {
        const int current = current_device();
        if (current == device) {
            return;
        }
        check(cudaSetDevice(device), "use device");
        if (devices::left == devices::none) {
            devices::left = current;
        }
    });
}

int32_t vq4j_cuda_leave_device(void) {
    return guarded([] {
        if (devices::left != devices::none) {
            check(cudaSetDevice(std::exchange(devices::left, devices::none)), "leave device");
        }
    });
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

int32_t vq4j_cuda_synchronize_device(void) {
    return guarded([] { wait_for_device(); });
}
