// Codes into a stream of bits and back, 32 codes or more a task. Reads or writes 4 bytes a code; bound by the shifts.
#include "core/code_packing.hpp"
#include "cpu/first_bad.hpp"
#include "cpu/thread_pool.hpp"
#include "vq4j/cpu.h"

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
                const int64_t own = codes[i] - first_code;
                const bool in_range = 0 <= own && own < packed.codes_count;
                all_in_range &= in_range;
                writer.put(in_range ? static_cast<uint32_t>(own) : 0);
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
