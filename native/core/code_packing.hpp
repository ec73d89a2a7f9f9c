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

// One word of the stream; note(i) for every code that is out of range.
template <typename Note>
VQ4J_SHARED uint32_t packed_word(const int32_t* codes, const PackedCodes& packed, int64_t word, Note note) {
    const int first_bit = static_cast<int>(word % packed.bits) * word_bits;
    int64_t i = word / packed.bits * word_bits + first_bit / packed.bits;
    // Where the code begins in the word; below zero where that is in the word before.
    int shift = first_bit / packed.bits * packed.bits - first_bit;
    uint32_t bits = 0;
    for (; shift < word_bits && i < packed.count; ++i, shift += packed.bits) {
        if (!packed.has(codes[i], i)) {
            note(i);
            continue;
        }
        const auto value = static_cast<uint32_t>(codes[i] - packed.first_code(i));
        bits |= shift < 0 ? value >> -shift : value << shift;
    }
    return bits;
}

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

// The codes of the stream one after the other, from one on: faster than each by itself. Reads up to 7 bytes behind a code's.
class CodeReader {
public:
    CodeReader(const uint32_t* words, const PackedCodes& packed, int64_t first)
        : begin_(reinterpret_cast<const char*>(words + first / word_bits * packed.bits)),
          bit_(first % word_bits * packed.bits),
          bits_(packed.bits),
          mask_((uint32_t{1} << packed.bits) - 1) {}

    uint32_t next() {
        uint64_t bytes;
        memcpy(&bytes, begin_ + bit_ / 8, sizeof bytes);
        const auto code = static_cast<uint32_t>(bytes >> bit_ % 8) & mask_;
        bit_ += bits_;
        return code;
    }

private:
    const char* begin_;
    uint64_t bit_;  // from there
    uint64_t bits_;
    uint32_t mask_;
};

// Writes codes of the stream one after the other, from one on that begins a word: 32 codes end with one.
class CodeWriter {
public:
    CodeWriter(uint32_t* words, const PackedCodes& packed, int64_t first)
        : next_(words + first / word_bits * packed.bits), bits_(packed.bits) {}

    void put(uint32_t code) {
        held_ |= static_cast<uint64_t>(code) << count_;
        count_ += bits_;
        if (count_ >= word_bits) {
            *next_++ = static_cast<uint32_t>(held_);
            held_ >>= word_bits;
            count_ -= word_bits;
        }
    }

    // What does not fill a word.
    void end() {
        if (count_ > 0) {
            *next_ = static_cast<uint32_t>(held_);
        }
    }

private:
    uint32_t* next_;
    uint64_t held_ = 0;
    int count_ = 0;  // of the bits held
    int bits_;
};

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
