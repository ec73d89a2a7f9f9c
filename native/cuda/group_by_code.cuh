// Rows sorted and grouped by their codes.
#ifndef VQ4J_CUDA_GROUP_BY_CODE_CUH
#define VQ4J_CUDA_GROUP_BY_CODE_CUH

#include "cuda/launch.cuh"

namespace vq4j {

// The codes in ascending order, and the rows they are of, ascending where codes are equal. The codes are in [0, codes_count).
class SortedCodes {
public:
    SortedCodes(const int32_t* codes, int64_t rows_count, int64_t codes_count, cudaStream_t stream);

    const int32_t* codes() const { return codes_.get(); }  // N
    const int64_t* order() const { return order_.get(); }  // N

private:
    DeviceScratch<int32_t> codes_;
    DeviceScratch<int64_t> order_;
};

// The first of the places begin ... end of sorted codes whose code is at least `code`, or end.
__device__ __forceinline__ int64_t first_not_below(const int32_t* sorted, int64_t begin, int64_t end, int64_t code) {
    while (begin < end) {
        const int64_t middle = begin + (end - begin) / 2;
        if (sorted[middle] < code) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return begin;
}

// Code k has the rows order[starts[k]] ... order[starts[k + 1] - 1], ascending. The codes are in [0, codes_count). Behind its
// first chunk of 256 rows it has the further chunks number further[k] ... further[k + 1] - 1, counted over all codes. For the
// kernel that comes next every code has `counters_of_code` counters at zero.
class GroupedRows {
public:
    GroupedRows(const int32_t* codes, int64_t rows_count, int64_t codes_count, int64_t counters_of_code, cudaStream_t stream);

    const int64_t* order() const { return order_.get(); }      // N
    const int64_t* starts() const { return starts_.get(); }    // K + 1
    const int64_t* further() const { return further_.get(); }  // K + 1
    unsigned* counters() const { return counters_.get(); }     // K x counters_of_code

private:
    DeviceScratch<int64_t> order_;
    DeviceScratch<int64_t> starts_;
    DeviceScratch<int64_t> further_;
    DeviceScratch<unsigned> counters_;
};

}  // namespace vq4j

#endif
