// Assignment as an implementation does it, and as it is defined.
#ifndef VQ4J_TESTS_ASSIGNMENT_HPP
#define VQ4J_TESTS_ASSIGNMENT_HPP

#include "checks.hpp"

namespace vq4j::testing {

inline std::vector<int32_t> assign(Implementation& on, const Floats& rows, Shape shape, const Floats& codebook) {
    const int64_t codes_count = static_cast<int64_t>(codebook.size()) / shape.features;
    const Array<float> z(on, rows);
    const Array<float> c(on, codebook);
    const Array<unsigned char> packed(on, on->packed_codebook_bytes(codes_count, shape.features));
    const Array<int32_t> codes(on, shape.rows());
    CHECK_OK(on->pack_codebook(c, codes_count, shape.features, packed));
    CHECK_OK(on->assign(z, shape.outer, shape.inner, shape.features, packed, codes_count, codes));
    return codes.read();
}

// The definition of the code: canonical scores in one fp32 chain each, on values centred by the mean code.
inline std::vector<int32_t> canonical_codes(const Floats& rows, Shape shape, const Floats& codebook) {
    const int64_t features = shape.features;
    const int64_t codes_count = static_cast<int64_t>(codebook.size()) / features;
    Floats centre(static_cast<size_t>(features));
    for (int64_t d = 0; d < features; ++d) {
        double sum = 0.0;
        for (int64_t begin = 0; begin < codes_count; begin += 256) {
            double chunk = 0.0;
            for (int64_t k = begin; k < std::min(begin + 256, codes_count); ++k) {
                chunk += static_cast<double>(codebook[static_cast<size_t>(k * features + d)]);
            }
            sum += chunk;
        }
        centre[static_cast<size_t>(d)] = static_cast<float>(sum / static_cast<double>(codes_count));
    }
    std::vector<int32_t> codes(static_cast<size_t>(shape.rows()), 0);
    Floats best(codes.size(), -infinity);
    for (int64_t k = 0; k < codes_count; ++k) {
        Floats code(static_cast<size_t>(features));
        float squared = 0.0f;
        for (size_t d = 0; d < code.size(); ++d) {
            code[d] = codebook[static_cast<size_t>(k * features) + d] - centre[d];
            squared = std::fmaf(code[d], code[d], squared);
        }
        for (int64_t n = 0; n < shape.rows(); ++n) {
            float score = -(0.5f * squared);
            for (size_t d = 0; d < code.size(); ++d) {
                score = std::fmaf(rows[shape.at(n, static_cast<int64_t>(d))] - centre[d], code[d], score);
            }
            if (score > best[static_cast<size_t>(n)]) {
                best[static_cast<size_t>(n)] = score;
                codes[static_cast<size_t>(n)] = static_cast<int32_t>(k);
            }
        }
    }
    return codes;
}

}  // namespace vq4j::testing

#endif
