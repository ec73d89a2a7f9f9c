// Finding bad input on the device: kernels note the rows they find bad, the operation asks at its end for the first.
#ifndef VQ4J_CUDA_FIRST_BAD_CUH
#define VQ4J_CUDA_FIRST_BAD_CUH

#include "core/arithmetic.hpp"
#include "cuda/launch.cuh"

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

class FirstBad {
public:
    explicit FirstBad(cudaStream_t stream) : first_(1, stream), stream_(stream) {
        check(cudaMemsetAsync(first_.get(), none_byte, sizeof(long long), stream), "clear");
    }

    BadRows rows() const { return {first_.get()}; }

    // Waits for the stream. Every later use of what the kernels computed comes after this.
    void require_finite(const char* tensor) const {
        const int64_t row = read_back(first_.get(), stream_);
        if (row != none) {
            not_finite(tensor, row);
        }
    }

    void require_codes_in_range(const int32_t* codes, int64_t codes_count) const {
        const int64_t row = read_back(first_.get(), stream_);
        if (row != none) {
            code_out_of_range(read_back(codes + row, stream_), row, codes_count);
        }
    }

    void require_rows_in_range(const int64_t* order, int64_t rows_count) const {
        const int64_t position = read_back(first_.get(), stream_);
        if (position != none) {
            row_out_of_range(read_back(order + position, stream_), position, rows_count);
        }
    }

    // fail(position) if there was a bad one.
    template <typename Fail>
    void require_none(Fail fail) const {
        const int64_t position = read_back(first_.get(), stream_);
        if (position != none) {
            fail(position);
        }
    }

private:
    static constexpr int none_byte = 0x7f;
    static constexpr int64_t none = 0x7f7f7f7f7f7f7f7f;

    Scratch<long long> first_;
    cudaStream_t stream_;
};

}  // namespace vq4j

#endif
