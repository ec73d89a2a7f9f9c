// Codes as a stream of bits, lowest first, in little-endian words of 32 bits: 32 codes take as many words as a code has
// bits, so that no position in the stream has to be computed as a number of bits, which may overflow.
#ifndef VQ4J_CORE_CODE_PACKING_HPP
#define VQ4J_CORE_CODE_PACKING_HPP

#include "core/arithmetic.hpp"
#include "core/arguments.hpp"
#include "core/stage_codes.hpp"

namespace vq4j {

constexpr int word_bits = 32;

struct PackedCodes : StageCodes {
    int64_t count;
    int bits;  // of a code

    VQ4J_SHARED_MEMBER int64_t words() const {
        return count / word_bits * bits + (count % word_bits * bits + word_bits - 1) / word_bits;
    }
};

// Code i of the stream, its codebook's first code not added.
VQ4J_SHARED uint32_t unpacked_code(const uint32_t* words, const PackedCodes& packed, int64_t i) {
    const int bit = static_cast<int>(i % word_bits) * packed.bits;
    const uint32_t* const word = words + i / word_bits * packed.bits + bit / word_bits;
    const int shift = bit % word_bits;
    uint32_t value = word[0] >> shift;
    if (shift + packed.bits > word_bits) {
        value |= word[1] << (word_bits - shift);
    }
    return value & ((uint32_t{1} << packed.bits) - 1);
}

inline PackedCodes checked_packed_codes(int64_t outer, int64_t stages, int64_t inner, int64_t codes_count,
    int64_t words_count) {
    check_sizes({{"outer", outer}, {"stages", stages}, {"inner", inner}});
    check_sizes({{"stages", stages}, {"codes_count", codes_count}});
    if (stages * codes_count > int64_t{1} << 31) {
        invalid("need stages * codes_count <= 2^31, got " + std::to_string(stages) + " * "
            + std::to_string(codes_count));
    }
    PackedCodes packed = {{stages, inner, codes_count}, outer * stages * inner, 1};
    while (packed.bits < 31 && (int64_t{1} << packed.bits) < codes_count) {
        ++packed.bits;
    }
    if (words_count < packed.words()) {
        invalid("need " + std::to_string(packed.words()) + " words for " + std::to_string(packed.count) + " codes of "
            + std::to_string(packed.bits) + " bits, got " + std::to_string(words_count));
    }
    return packed;
}

}  // namespace vq4j

#endif
