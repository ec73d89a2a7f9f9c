// The body of a unit of one instruction set: all kernels, and their table under the unit's name.
// VQ4J_INSTRUCTION_SET is defined as that name, VQ4J_FILTERED_ASSIGNMENT where the set has the assignment's filter.
#include "cpu/isa/assign.hpp"
#include "cpu/isa/assign_top_k.hpp"
#include "cpu/isa/bounded_assign.hpp"
#include "cpu/isa/codebook_free.hpp"
#include "cpu/isa/columns.hpp"
#include "cpu/isa/elements.hpp"
#include "cpu/isa/gradient_estimator.hpp"
#include "cpu/isa/half.hpp"
#include "cpu/isa/lengths.hpp"
#include "cpu/isa/linear.hpp"
#include "cpu/isa/pack_panel.hpp"
#include "cpu/isa/rows.hpp"
#include "cpu/isa/sample_codes.hpp"
#include "cpu/isa/seeding.hpp"

#ifdef VQ4J_FILTERED_ASSIGNMENT
#include "cpu/isa/filtered_assign.hpp"
#endif

#define VQ4J_TEXT(x) #x
#define VQ4J_NAME_TEXT(x) VQ4J_TEXT(x)
#define VQ4J_JOIN(a, b) a##b
#define VQ4J_TABLE(set) VQ4J_JOIN(set, _kernels)

namespace vq4j {
namespace {

#ifdef VQ4J_FILTERED_ASSIGNMENT
constexpr const FilterKernels* filter_of_set = &filter_kernels;
#else
constexpr const FilterKernels* filter_of_set = nullptr;
#endif

}  // namespace

extern const Kernels VQ4J_TABLE(VQ4J_INSTRUCTION_SET);
const Kernels VQ4J_TABLE(VQ4J_INSTRUCTION_SET) = {VQ4J_NAME_TEXT(VQ4J_INSTRUCTION_SET), {tile_codes, tile_rows}, filter_of_set,
    pack_panel, assign, assign_bounded, pack_direction_panel, assign_top_k, sample_codes,
    linear, sum_linear_gradients,
    widen, narrow, widen_rows,
    squared_distances, code_distances, look_up, residual, add_look_up, lower_weights, input_gradient, estimate_gradient,
    sum_rows_by_code, sum_gradients_by_code, sum_moments, add_moments, sum_normalized_gradients, sum_codes,
    sum_affine_gradients,
    normalize, normalize_gradient, row_norm, match_norms, row_norm_gradient,
    affine, weighted_sum, sgd, adam,
    finite_scalar_quantize, finite_scalar_gradient, sign_quantize, sum_sign_losses, sign_gradient};

}  // namespace vq4j
