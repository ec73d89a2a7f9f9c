// What the unit of AVX-512 does not have: the assignment's filters.
#include "cpu/isa/filtered_assign.hpp"

namespace vq4j {

const FilterKernels avx512_vnni_filter = filter_kernels;

}  // namespace vq4j
