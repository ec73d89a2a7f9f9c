// Codes into a stream of bits and back, 32 codes or more a task. Reads or writes 4 bytes a code; bound by the shifts.
#include "core/code_packing.hpp"

#include <algorithm>
#include <cstring>

#include "cpu/first_bad.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

namespace vq4j {
namespace {

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
        std::memcpy(&bytes, begin_ + bit_ / 8, sizeof bytes);
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

}  // namespace
}  // namespace vq4j

using namespace vq4j;

int32_t vq4j_cpu_pack_codes(const int32_t* codes, int64_t outer, int64_t stages, int64_t inner, int64_t codes_count,
    int32_t* words, int64_t words_count) {
    return guarded([&] {
        const PackedCodes packed = checked_packed_codes(outer, stages, inner, codes_count, words_count);
        check_present({codes, words});
        FirstBad bad;
        parallel_ranges((packed.count + word_bits - 1) / word_bits, word_bits, [&](int64_t begin, int64_t end) {
            const int64_t first = begin * word_bits;
            const int64_t last = std::min(packed.count, end * word_bits);
            CodeWriter writer(reinterpret_cast<uint32_t*>(words), packed, first);
            bool all_in_range = true;
            for_each_stage_code(packed, first, last, [&](int64_t i, int64_t first_code) {
                const bool in_range = packed.in_stage(codes[i], first_code);
                all_in_range &= in_range;
                writer.put(in_range ? static_cast<uint32_t>(codes[i] - first_code) : 0);
            });
            writer.end();
            for (int64_t i = first; i < last && !all_in_range; ++i) {
                if (!packed.has(codes[i], i)) {
                    bad.note(i);
                }
            }
        });
        bad.require_none([&](int64_t i) { code_out_of_stage(codes[i], i, packed); });
    });
}

int32_t vq4j_cpu_unpack_codes(const int32_t* words, int64_t words_count, int64_t outer, int64_t stages, int64_t inner,
    int64_t codes_count, int32_t* codes) {
    return guarded([&] {
        const PackedCodes packed = checked_packed_codes(outer, stages, inner, codes_count, words_count);
        check_present({words, codes});
        FirstBad bad;
        const auto* const stream = reinterpret_cast<const uint32_t*>(words);
        const auto unpack = [&](int64_t begin, int64_t end, auto code_of) {
            uint32_t largest = 0;
            for_each_stage_code(packed, begin, end, [&](int64_t i, int64_t first_code) {
                const uint32_t code = code_of(i);
                largest = std::max(largest, code);
                codes[i] = static_cast<int32_t>(code + first_code);
            });
            for (int64_t i = begin; i < end && largest >= packed.codes_count; ++i) {
                if (unpacked_code(stream, packed, i) >= packed.codes_count) {
                    bad.note(i);
                }
            }
        };
        // The reader may read bytes behind a code's, but not behind the last word.
        const int64_t with_bytes_behind = std::max<int64_t>(0, packed.count - 2 * word_bits);
        parallel_ranges(packed.count, 1, [&](int64_t begin, int64_t end) {
            const int64_t middle = std::min(std::max(begin, with_bytes_behind), end);
            CodeReader reader(stream, packed, begin);
            unpack(begin, middle, [&](int64_t) { return reader.next(); });
            unpack(middle, end, [&](int64_t i) { return unpacked_code(stream, packed, i); });
        });
        bad.require_none([&](int64_t i) { code_out_of_stage(codes[i], i, packed); });
    });
}
