// Rows grouped by their codes.
#ifndef VQ4J_CUDA_GROUP_BY_CODE_CUH
#define VQ4J_CUDA_GROUP_BY_CODE_CUH

#include "cuda/launch.cuh"

namespace vq4j {

// Code k has the rows order[starts[k]] ... order[starts[k + 1] - 1], ascending. The codes are in [0, codes_count).
class GroupedRows {
public:
    GroupedRows(const int32_t* codes, int64_t rows_count, int64_t codes_count, cudaStream_t stream);

    const int64_t* order() const { return order_.get(); }    // N
    const int64_t* starts() const { return starts_.get(); }  // K + 1

private:
    Scratch<int64_t> order_;
    Scratch<int64_t> starts_;
};

}  // namespace vq4j

#endif
