// What the unit of AVX-512 does not have: the assignment's filter.
#include "cpu/isa/filtered_assign.hpp"

namespace vq4j {

const FilterKernels avx512_vnni_filter = {filter_floats, pack_filter_panel, assign_filtered, pairs_for_an_open_one};

}  // namespace vq4j
