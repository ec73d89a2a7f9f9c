// The nearest code of every row, found by tensor cores and proven by fp32: rows and codes are rounded to fp16
// (half_tiles.cu), whose products tensor cores sum (filter_mma.cu, filter_wgmma.cu); a bound on what that loses
// (core/tensor_filter.hpp, docs/tensor-core-filter.md) says which codes may have the largest canonical score. One such
// code is the row's code. Several are scored by the canonical chain (filter_scores.cuh). A row with too many is left to
// the kernel of assign.cu.
//
// Here: when that is done, by which instruction, and what is put on the stream.
#include "cuda/tensor_assign.cuh"

#include <cstdlib>
#include <cstring>

#include "cuda/filter_scores.cuh"

namespace vq4j::tensor_assignment {

constexpr int64_t halves_at_once = int64_t{1} << 27;

struct Begin {
    unsigned* radius_bits;
    OpenRows open;

    __device__ void operator()(int64_t) const {
        *radius_bits = 0;
        *open.count = 0;
    }
};

}  // namespace vq4j::tensor_assignment

namespace vq4j {

bool tensor_cores_serve(int64_t features) {
    return features <= most_filtered_features;
}

// By analysis, not by measurement. A score costs about three instructions beside its products, against one for each
// feature without tensor cores: from 16 features on that pays. Rounding a row moves 10 bytes a feature, as much time as
// some 20 codes. Four more launches take about 10 microseconds, in which 2^29 multiply-adds are done without tensor
// cores.
bool tensor_cores_pay(int64_t rows, int64_t codes_count, int64_t features) {
    const double multiply_adds = static_cast<double>(rows) * static_cast<double>(codes_count) * static_cast<double>(features);
    return tensor_cores_serve(features) && features >= 16 && codes_count >= 256 && multiply_adds >= 0x1p30;
}

// VQ4J_WITHOUT_WGMMA=1: for a GPU on which that kernel fails or hangs.
bool wgmma_is_left_out() {
    static const bool is_left_out = [] {
        const char* const text = std::getenv("VQ4J_WITHOUT_WGMMA");
        return text != nullptr && std::strcmp(text, "1") == 0;
    }();
    return is_left_out;
}

bool wgmma_serves() {
#if defined(VQ4J_SM90A) || defined(VQ4J_HOST_RUN)
    const int device = current_device();
    return !wgmma_is_left_out() && attribute_of(device, cudaDevAttrComputeCapabilityMajor) == 9
        && attribute_of(device, cudaDevAttrComputeCapabilityMinor) == 0;
#else
    return false;
#endif
}

// By analysis, not by measurement. mma.sync reaches little more than half of what wgmma does on Hopper, but its blocks
// have half as many rows: with fewer rows than it has blocks for every multiprocessor, it uses twice as many of them.
bool wgmma_pays(int64_t rows) {
    return rows > int64_t{tensor_assignment::tile_lines} * attribute_of(current_device(), cudaDevAttrMultiProcessorCount);
}

void assign_by_tensor_cores(AnyNumbers numbers, Layout layout, PackedCodebook<const float> packed, int64_t codes_count,
    TensorCores by, int64_t rows_at_once, int32_t* codes, BadRows bad, OpenRows open, cudaStream_t stream) {
    using namespace tensor_assignment;
    const int64_t width = filter_width(layout.features);
    const int64_t padded_codes = panels_of(codes_count) * panel_codes;
    const int64_t wanted = rows_at_once > 0 ? rows_at_once : halves_at_once / width;
    const auto filter = by == TensorCores::wgmma ? filter_by_wgmma : filter_by_mma;
    const int64_t block_rows = by == TensorCores::wgmma ? wgmma_block_rows : tile_lines;
    const auto padded = [=](int64_t rows) { return (rows + block_rows - 1) / block_rows * block_rows; };
    const int64_t at_once = padded(wanted < layout.rows() ? wanted : layout.rows());

    const DeviceScratch<unsigned> radius_bits(1, stream);
    const DeviceScratch<uint16_t> code_halves(padded_codes * width, stream);
    const DeviceScratch<CodeTerms> of_codes(padded_codes, stream);
    const DeviceScratch<GroupBound> groups(padded_codes / group_codes, stream);
    const DeviceScratch<uint16_t> row_halves(at_once * width, stream);
    const DeviceScratch<RowTerms> of_rows(at_once, stream);

    for_each(1, stream, Begin{radius_bits.get(), open});
    round_codes(packed, codes_count, layout.features,
        {code_halves.get(), of_codes.get(), groups.get(), radius_bits.get()}, stream);
    for (int64_t begin = 0; begin < layout.rows(); begin += at_once) {
        const int64_t left = layout.rows() - begin;
        const int64_t rows = left < at_once ? left : at_once;
        round_rows(numbers, layout, packed.centre, begin, padded(rows), radius_bits.get(), row_halves.get(), of_rows.get(), bad,
            stream);
        filter({row_halves.get(), of_rows.get(), code_halves.get(), of_codes.get(), groups.get(), width, begin, numbers, layout,
                   packed, codes_count},
            rows, {codes, open}, stream);
    }
}

}  // namespace vq4j
