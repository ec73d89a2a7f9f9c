// Codes into a stream of bits and back: a thread a word, or a code. Bound by memory: 4 bytes a code, neighbours read
// the same lines.
#include "core/code_packing.hpp"
#include "cuda/first_bad.cuh"
#include "vq4j/cuda.h"

namespace vq4j::code_packing {

// One word of the stream, whatever the others are; codes out of range are noted.
__device__ uint32_t packed_word(const int32_t* codes, const PackedCodes& packed, int64_t word, BadRows bad) {
    const int first_bit = static_cast<int>(word % packed.bits) * word_bits;
    int64_t i = word / packed.bits * word_bits + first_bit / packed.bits;
    // Where the code begins in the word; below zero where that is in the word before.
    int shift = first_bit / packed.bits * packed.bits - first_bit;
    uint32_t bits = 0;
    for (; shift < word_bits && i < packed.count; ++i, shift += packed.bits) {
        if (!packed.has(codes[i], i)) {
            bad.note(i);
            continue;
        }
        const auto value = static_cast<uint32_t>(codes[i] - packed.first_code(i));
        bits |= shift < 0 ? value >> -shift : value << shift;
    }
    return bits;
}

struct Pack {
    const int32_t* codes;
    PackedCodes packed;
    int32_t* words;
    BadRows bad;

    __device__ void operator()(int64_t w) const {
        words[w] = static_cast<int32_t>(packed_word(codes, packed, w, bad));
    }
};

struct Unpack {
    const int32_t* words;
    PackedCodes packed;
    int32_t* codes;
    BadRows bad;

    __device__ void operator()(int64_t i) const {
        const int64_t code = unpacked_code(reinterpret_cast<const uint32_t*>(words), packed, i);
        if (code >= packed.codes_count) {
            bad.note(i);
        }
        codes[i] = static_cast<int32_t>(code + packed.first_code(i));
    }
};

}  // namespace vq4j::code_packing

using namespace vq4j;

int32_t vq4j_cuda_pack_codes(void* stream, const int32_t* codes, int64_t outer, int64_t stages, int64_t inner,
    int64_t codes_count, int32_t* words, int64_t words_count) {
    return guarded([&] {
        const PackedCodes packed = checked_packed_codes(outer, stages, inner, codes_count, words_count);
        check_present({codes, words});
        const auto s = static_cast<cudaStream_t>(stream);
        const DeviceFirstBad bad(s);
        for_each(packed.words(), s, code_packing::Pack{codes, packed, words, bad.rows()});
        bad.require_none([=](int64_t i) { code_out_of_stage(read_back(codes + i, s), i, packed); });
    });
}

int32_t vq4j_cuda_unpack_codes(void* stream, const int32_t* words, int64_t words_count, int64_t outer, int64_t stages,
    int64_t inner, int64_t codes_count, int32_t* codes) {
    return guarded([&] {
        const PackedCodes packed = checked_packed_codes(outer, stages, inner, codes_count, words_count);
        check_present({words, codes});
        const auto s = static_cast<cudaStream_t>(stream);
        const DeviceFirstBad bad(s);
        for_each(packed.count, s, code_packing::Unpack{words, packed, codes, bad.rows()});
        bad.require_none([=](int64_t i) { code_out_of_stage(read_back(codes + i, s), i, packed); });
    });
}
