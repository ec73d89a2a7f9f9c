// A 64-bit number on the device that starts as first_bad_none: what kernels lower or count up. In a batch all of them are set
// by one fill and read by one copy.
#ifndef VQ4J_CUDA_MARK_CUH
#define VQ4J_CUDA_MARK_CUH

#include <memory>

#include "cuda/launch.cuh"

namespace vq4j {

// For the length of one operation or, in a batch, of the batch.
class DeviceMark {
public:
    explicit DeviceMark(cudaStream_t stream) {
        if (Batch* const batch = Batch::open(stream)) {
            number_ = batch->watch();
            return;
        }
        own_ = std::make_unique<DeviceScratch<long long>>(1, stream);
        number_ = own_->get();
        fill(number_, first_bad_none_byte, sizeof *number_, stream);
    }

    long long* get() const { return number_; }

private:
    std::unique_ptr<DeviceScratch<long long>> own_;  // outside of a batch
    long long* number_;
};

}  // namespace vq4j

#endif
