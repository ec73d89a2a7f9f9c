// The kernels that are compiled once for every instruction set (isa/), as a table of functions. Each works on a range of
// rows, codes or elements on the calling thread; the operations cut the work, run the ranges and combine their results.
// Kernels that can meet bad input return the first bad row of their range, or no_bad_row.
#ifndef VQ4J_CPU_KERNELS_HPP
#define VQ4J_CPU_KERNELS_HPP

#include "core/code_sampling.hpp"
#include "core/finite_scalar.hpp"
#include "core/layout.hpp"
#include "core/optimizer.hpp"
#include "core/sign_code.hpp"
#include "cpu/bounded_codebook.hpp"

namespace vq4j {

// Rows of a tensor, wherever its feature axis stands.
struct Rows {
    const float* data;
    Layout layout;

    VQ4J_SHARED_MEMBER const float* row(int64_t n) const { return data + layout.offset(n); }
};

// The first bad rows of two tensors.
struct FirstBadRows {
    int64_t of_rows;
    int64_t of_target;
};

// Features that a kernel takes at a time of rows that it must transpose; a multiple of the stripes.
constexpr int64_t strip_features = 32;

// Sums of one column over a chunk.
struct GradientSums {
    float grad;
    float product;
};

// The sums of x - shift and (x - shift)^2 of every feature over a chunk; shift is the chunk's first row.
struct ShiftedSums {
    float* shift;
    float* sum;
    float* sum_of_squares;
};

// What a task of a sum by code has to sum: some features of some codes over the chunks of 256 rows of a code that begin
// with one of the rows begin ... end. At most strip_features where the feature axis is not the last.
struct CodePart {
    int64_t begin;
    int64_t end;
    int64_t first_code;
    int64_t end_code;
    int64_t first_feature;
    int64_t width;
};

// The chunk that the next row of a code goes to: its place among the sums, and how many rows it still takes.
struct OpenChunk {
    int32_t place;
    int32_t rows_left;
};

// Where the chunks of the codes are summed.
struct ChunksOfCodes {
    const int32_t* rows_before;  // how many rows each code has before the part's
    const int32_t* rows_in_all;  // how many rows each code has
    const int32_t* first;        // the place of each code's first chunk that is the part's
    OpenChunk* open;             // the task's workspace, of each code
    float* open_sums;            // and of each of the part's codes and features
    float* sums;                 // rows of all features
};

// What the normalised value of an element depends on, beside the element; the arrays hold a value for each feature.
struct NormalizedColumns {
    const float* mean;
    const float* inverse;
    const float* scale;
    const float* shift;         // normalize
    const float* mean_grad;     // normalize_gradient
    const float* mean_product;  // normalize_gradient
};

// Assigns the rows begin ... end, at most a block; the workspace is assign_workspace_floats. Returns the first bad row.
using AssignRows = int64_t (*)(Rows rows, PackedCodebook<const float> packed, int64_t codes_count, int64_t begin,
    int64_t end, float* workspace, int32_t* codes);

// The assignment's filters of an instruction set that has them (isa/filtered_assign.hpp); codebook_filter.hpp has what they
// keep of a codebook.
struct FilterKernels {
    int64_t (*floats)(int64_t codes_count, int64_t features);  // of their memory; 0 where none would pay
    bool (*may_have_bytes)(int64_t codes_count, int64_t features);
    bool (*may_have_axes)(int64_t codes_count, int64_t features);
    void (*pack_bytes_panel)(PackedCodebook<const float> packed, int64_t codes_count, int64_t features, int64_t panel);
    float (*find_axes)(PackedCodebook<const float> packed, int64_t codes_count, int64_t features);  // infinite: none
    void (*pack_axes_panel)(PackedCodebook<const float> packed, int64_t codes_count, int64_t features, int64_t panel);
    AssignRows assign;
    int64_t pairs_for_an_open_one;  // of a row and a group that it assigns while assign_bounded scores one
};

struct Kernels {
    const char* name;
    PanelShape panel;
    const FilterKernels* filter;  // or null

    // assign
    void (*pack_panel)(const float* codebook, int64_t codes_count, int64_t features, const float* centre, int64_t panel,
        PackedCodebook<float> packed);
    AssignRows assign;  // of every code
    int64_t (*assign_bounded)(Rows rows, const BoundedCodebook& codebook, bool first, int64_t begin, int64_t end,
        float* workspace, int32_t* codes, float* distances, float* bounds, int64_t* open_pairs);
    int64_t (*pack_direction_panel)(const float* codebook, int64_t codes_count, int64_t features, int64_t panel,
        PackedCodebook<float> packed);
    int64_t (*assign_top_k)(Rows rows, PackedCodebook<const float> packed, int64_t codes_count, int64_t k, int64_t begin,
        int64_t end, float* workspace, float* scores, int32_t* codes);
    int64_t (*sample_codes)(Rows rows, PackedCodebook<const float> packed, int64_t codes_count,
        const CodeSampling& sampling, int64_t begin, int64_t end, float* workspace, int32_t* codes);

    // linear maps
    int64_t (*linear)(Rows rows, PackedCodebook<const float> packed, int64_t out_features, int64_t begin, int64_t end,
        float* workspace, float* out);
    void (*sum_linear_gradients)(Rows rows, Rows grad, int64_t begin, int64_t end, float* rows_workspace,
        float* grad_workspace, float* weight_sums, float* bias_sums);

    // 16-bit numbers
    void (*widen)(const uint16_t* values, int32_t type, int64_t count, float* out);
    void (*narrow)(const float* values, int64_t count, int32_t type, uint16_t* out);
    void (*widen_rows)(const uint16_t* rows, int32_t type, Layout layout, int64_t begin, int64_t end, float* out);

    // rows and their codes
    void (*squared_distances)(Rows rows, const float* codebook, const int32_t* codes, int64_t begin, int64_t end,
        float* distances);
    void (*code_distances)(Rows rows, const float* codebook, const int32_t* codes, int64_t k, int32_t kind, int64_t begin,
        int64_t end, float* distances);
    void (*look_up)(const float* codebook, const int32_t* codes, Layout layout, int64_t begin, int64_t end, float* out);
    void (*residual)(Rows rows, const float* codebook, const int32_t* codes, int64_t begin, int64_t end, float* out);
    void (*add_look_up)(const float* codebook, const int32_t* codes, Layout layout, int64_t begin, int64_t end, float* sum);
    bool (*lower_weights)(Rows rows, const float* code, int32_t k, const float* reach, int64_t begin, int64_t end,
        int32_t* nearest, float* weights);
    int64_t (*input_gradient)(Rows rows, const float* grad, const float* codebook, const int32_t* codes, float coefficient,
        int64_t begin, int64_t end, float* out);
    int64_t (*estimate_gradient)(Rows rows, const float* replaced_by, const float* grad, bool rotates, int64_t begin,
        int64_t end, float* out_rows, float* out_codes);

    // sums over rows, one for each feature
    void (*sum_rows_by_code)(Rows rows, const int32_t* codes, CodePart part, ChunksOfCodes chunks);
    void (*sum_gradients_by_code)(Rows rows, const float* grad, const float* codebook, const int32_t* codes,
        float coefficient, float nu, CodePart part, ChunksOfCodes chunks);
    int64_t (*sum_moments)(Rows rows, int64_t begin, int64_t end, ShiftedSums sums);
    void (*add_moments)(ShiftedSums sums, int64_t count, int64_t count_before, int64_t features, double* mean,
        double* squares);
    int64_t (*sum_normalized_gradients)(Rows rows, const float* grad, NormalizedColumns columns, int64_t begin, int64_t end,
        float* sums, float* products);
    int64_t (*sum_codes)(const float* codebook, int64_t features, int64_t begin, int64_t end, double* sums);
    void (*sum_affine_gradients)(const float* grad, const float* codebook, int64_t features, int64_t begin, int64_t end,
        GradientSums* sums);

    // norms; normalize and its gradient on rows of one sample
    void (*normalize)(Rows rows, NormalizedColumns columns, int64_t begin, int64_t end, float* out);
    void (*normalize_gradient)(Rows rows, const float* grad, NormalizedColumns columns, int64_t begin, int64_t end,
        float* out);
    int64_t (*row_norm)(Rows rows, bool unit, int64_t begin, int64_t end, float* out);
    FirstBadRows (*match_norms)(Rows rows, const float* target, int64_t begin, int64_t end, float* out);
    void (*row_norm_gradient)(Rows rows, const float* grad, bool unit, int64_t begin, int64_t end, float* out);

    // elements
    void (*affine)(const float* codebook, int64_t features, const float* scale, const float* shift, int64_t begin,
        int64_t end, float* out);
    void (*weighted_sum)(float a, const float* x, float b, const float* y, int64_t count, float* out);
    void (*sgd)(float* parameter, const float* gradient, float* velocity, int64_t count, float learning_rate,
        float momentum, float weight_decay);
    void (*adam)(const AdamStep& step, float* parameter, const float* gradient, float* first_moment,
        float* second_moment, int64_t count);

    // quantizers without a codebook
    int64_t (*finite_scalar_quantize)(Rows rows, const FiniteScalarGrid& grid, int64_t begin, int64_t end, float* out,
        int32_t* codes);
    int64_t (*finite_scalar_gradient)(Rows rows, const float* grad, const FiniteScalarGrid& grid, int64_t begin,
        int64_t end, float* out);
    int64_t (*sign_quantize)(Rows rows, float scale, int64_t begin, int64_t end, float* out, int32_t* codes);
    void (*sum_sign_losses)(Rows rows, float scale, double sharpness, int64_t begin, int64_t end, SignSums* sums);
    int64_t (*sign_gradient)(Rows rows, const float* grad, const SignGradient& gradient, const double* mean_logits,
        int64_t begin, int64_t end, float* out);
};

extern const Kernels portable_kernels;
#if defined(__x86_64__)
extern const Kernels avx2_kernels;
extern const Kernels avx512_kernels;
extern const FilterKernels avx512_vnni_filter;
#elif defined(__aarch64__)
extern const Kernels neon_kernels;
#endif

// The table in use.
const Kernels& kernels();

}  // namespace vq4j

#endif
