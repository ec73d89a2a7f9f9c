// Finding bad input on the device: kernels note the rows they find bad, the operation asks at its end for the first.
#ifndef VQ4J_CUDA_FIRST_BAD_CUH
#define VQ4J_CUDA_FIRST_BAD_CUH

#include "core/arithmetic.hpp"
#include "cuda/mark.cuh"

namespace vq4j {

// What a kernel holds.
struct BadRows {
    long long* first;

    __device__ void note(int64_t row) const { atomicMin(first, static_cast<long long>(row)); }

    __device__ void note_unless_finite(float value, int64_t row) const {
        if (!is_finite(value)) {
            note(row);
        }
    }
};

class DeviceFirstBad {
public:
    explicit DeviceFirstBad(cudaStream_t stream) : batch_(Batch::open(stream)), stream_(stream), first_(stream) {}

    BadRows rows() const { return {first_.get()}; }

    // Waits for the stream: every later use of what the kernels computed comes after this. In a batch all of these fail
    // when the batch is finished.
    void require_finite(const char* tensor) const {
        require_none([tensor](int64_t row) { not_finite(tensor, row); });
    }

    void require_codes_in_range(const int32_t* codes, int64_t codes_count) const {
        require_none([=, stream = stream_](int64_t row) {
            code_out_of_range(read_back(codes + row, stream), row, codes_count);
        });
    }

    void require_rows_in_range(const int64_t* order, int64_t rows_count) const {
        require_none([=, stream = stream_](int64_t position) {
            row_out_of_range(read_back(order + position, stream), position, rows_count);
        });
    }

    // fail(position) if there was a bad one. In a batch it is called later: it must hold values, no references.
    template <typename Fail>
    void require_none(Fail fail) const {
        if (batch_ != nullptr) {
            batch_->fail_if_lowered(first_.get(), fail);
            return;
        }
        const int64_t position = read_back(static_cast<const long long*>(first_.get()), stream_);
        if (position != first_bad_none) {
            fail(position);
        }
    }

private:
    Batch* batch_;
    cudaStream_t stream_;
    DeviceMark first_;
};

}  // namespace vq4j

#endif
