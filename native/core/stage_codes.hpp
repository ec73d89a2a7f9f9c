// Codes of several codebooks of one size, which stand one below the other: stages, or groups of features.
#ifndef VQ4J_CORE_STAGE_CODES_HPP
#define VQ4J_CORE_STAGE_CODES_HPP

#include "core/arguments.hpp"
#include "core/arithmetic.hpp"

namespace vq4j {

// The code of a row that has none: a mask, or quantizer dropout in a stage, has left it out.
constexpr int32_t no_code = -1;

// The number within its stage of a code among those of all, where the stage begins at offset.
VQ4J_SHARED int32_t code_within_stage(int32_t code, int32_t offset) {
    return code == no_code ? no_code : static_cast<int32_t>(int64_t{code} - offset);
}

// Whether a code among those of all is of the stage that begins with first_code.
VQ4J_SHARED bool is_of_stage(int64_t code, int64_t first_code, int64_t codes_count) {
    return first_code <= code && code < first_code + codes_count;
}

VQ4J_SHARED bool is_of_stage_or_none(int32_t code, int32_t first_code, int64_t codes_count) {
    return code == no_code || is_of_stage(code, first_code, codes_count);
}

// outer x stages x inner; those of stage s begin at s * codes_count.
struct StageCodes {
    int64_t stages;
    int64_t inner;
    int64_t codes_count;

    VQ4J_SHARED_MEMBER int64_t first_code(int64_t i) const {
        return stages == 1 ? 0 : i / inner % stages * codes_count;
    }

    VQ4J_SHARED_MEMBER bool in_stage(int64_t code, int64_t first_code) const {
        return is_of_stage(code, first_code, codes_count);
    }

    // Whether code i is of its stage.
    VQ4J_SHARED_MEMBER bool has(int64_t code, int64_t i) const { return in_stage(code, first_code(i)); }
};

// body(i, first_code(i)) for begin <= i < end, without a division each.
template <typename Body>
void for_each_stage_code(const StageCodes& codes, int64_t begin, int64_t end, Body body) {
    int64_t stage = begin / codes.inner % codes.stages;
    if (codes.inner == 1) {
        for (int64_t i = begin; i < end; stage = 0) {
            const int64_t stop = end - i < codes.stages - stage ? end : i + codes.stages - stage;
            for (int64_t first_code = stage * codes.codes_count; i < stop; ++i, first_code += codes.codes_count) {
                body(i, first_code);
            }
        }
        return;
    }
    int64_t left = codes.inner - begin % codes.inner;
    for (int64_t i = begin; i < end; left = codes.inner) {
        const int64_t stop = end - i < left ? end : i + left;
        const int64_t first_code = stage * codes.codes_count;
        for (; i < stop; ++i) {
            body(i, first_code);
        }
        stage = stage + 1 == codes.stages ? 0 : stage + 1;
    }
}

[[noreturn]] inline void code_out_of_stage(int64_t code, int64_t position, int64_t first_code, int64_t codes_count) {
    invalid("code " + std::to_string(code) + " at position " + std::to_string(position) + " is out of range; need "
        + std::to_string(first_code) + " <= code < " + std::to_string(first_code + codes_count));
}

[[noreturn]] inline void code_out_of_stage(int64_t code, int64_t position, const StageCodes& codes) {
    code_out_of_stage(code, position, codes.first_code(position), codes.codes_count);
}

}  // namespace vq4j

#endif
