// Rows grouped by their codes.
#ifndef VQ4J_CPU_GROUP_BY_CODE_HPP
#define VQ4J_CPU_GROUP_BY_CODE_HPP

#include "cpu/scratch.hpp"

namespace vq4j {

// Code k has the rows order[starts[k]] ... order[starts[k + 1] - 1], ascending. The codes are in [0, codes_count).
class GroupedRows {
public:
    GroupedRows(const int32_t* codes, int64_t rows_count, int64_t codes_count);

    const int64_t* order() const { return order_.get(); }    // N
    const int64_t* starts() const { return starts_.get(); }  // K + 1

private:
    Scratch<int64_t> order_;
    Scratch<int64_t> starts_;
};

}  // namespace vq4j

#endif
