// How tensor cores sum on the host, for every instruction that multiplies.
#ifndef VQ4J_TESTS_HOST_RUN_TENSOR_CORE_HPP
#define VQ4J_TESTS_HOST_RUN_TENSOR_CORE_HPP

#include <cstdint>

namespace host_run {

enum class Rounding { nearest, truncated, bound };

struct TensorCores {
    Rounding rounding;
    uint64_t seed;
};

// As set_tensor_cores has set them.
TensorCores in_use();

// c + the products, one step of tensor cores; count is a multiple of 4. `place` decides whether a sum errs upwards or
// downwards.
float sum_of_products(TensorCores cores, float c, const double* products, int count, uint64_t place);

}  // namespace host_run

#endif
