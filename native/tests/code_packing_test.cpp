// Packing of codes against the definition of the stream, one bit at a time.
#include "checks.hpp"

namespace {

using namespace vq4j::testing;
using Codes = std::vector<int32_t>;

int64_t bits_of(int64_t codes_count) {
    int64_t bits = 1;
    while ((int64_t{1} << bits) < codes_count) {
        ++bits;
    }
    return bits;
}

int64_t words_for(int64_t count, int64_t codes_count) {
    return (count * bits_of(codes_count) + 31) / 32;
}

// Codes of `stages` codebooks, those of stage s from s * codes_count on.
Codes random_codes(int64_t outer, int64_t stages, int64_t inner, int64_t codes_count, unsigned seed) {
    std::mt19937 generator(seed);
    std::uniform_int_distribution<int64_t> uniform(0, codes_count - 1);
    Codes codes;
    for (int64_t i = 0; i < outer * stages * inner; ++i) {
        codes.push_back(static_cast<int32_t>(uniform(generator) + i / inner % stages * codes_count));
    }
    return codes;
}

Codes expected_words(const Codes& codes, int64_t stages, int64_t inner, int64_t codes_count) {
    const auto count = static_cast<int64_t>(codes.size());
    std::vector<uint32_t> words(static_cast<size_t>(words_for(count, codes_count)));
    const int64_t bits = bits_of(codes_count);
    for (int64_t i = 0; i < count; ++i) {
        const int64_t code = codes[static_cast<size_t>(i)] - i / inner % stages * codes_count;
        for (int64_t b = 0; b < bits; ++b) {
            const int64_t j = i * bits + b;
            words[static_cast<size_t>(j / 32)] |= static_cast<uint32_t>(code >> b & 1) << j % 32;
        }
    }
    return {words.begin(), words.end()};
}

void codes_stand_in_the_stream_lowest_bit_first(Implementation& on) {
    for (const int64_t codes_count : {1, 2, 3, 7, 8, 1000, 1024, 65537, 1 << 30, 2147483647}) {
        for (const int64_t count : {1, 2, 31, 32, 33, 257, 20011}) {
            const Codes codes = random_codes(count, 1, 1, codes_count, 7);
            const Array<int32_t> in(on, codes);
            const Array<int32_t> words(on, words_for(count, codes_count));
            CHECK_OK(on->pack_codes(in, count, 1, 1, codes_count, words, words_for(count, codes_count)));
            CHECK(words.read() == expected_words(codes, 1, 1, codes_count));
            const Array<int32_t> out(on, count);
            CHECK_OK(on->unpack_codes(words, words_for(count, codes_count), count, 1, 1, codes_count, out));
            CHECK(out.read() == codes);
        }
    }
}

void codes_of_each_stage_take_the_bits_of_its_codebook(Implementation& on) {
    const int64_t sizes[][4] = {{1, 2, 1, 5}, {3, 4, 7, 16}, {211, 3, 1, 100}, {5, 8, 53, 1}};
    for (const auto& [outer, stages, inner, codes_count] : sizes) {
        const int64_t count = outer * stages * inner;
        const Codes codes = random_codes(outer, stages, inner, codes_count, 11);
        const Array<int32_t> in(on, codes);
        const Array<int32_t> words(on, words_for(count, codes_count));
        CHECK_OK(on->pack_codes(in, outer, stages, inner, codes_count, words, words_for(count, codes_count)));
        CHECK(words.read() == expected_words(codes, stages, inner, codes_count));
        const Array<int32_t> out(on, count);
        CHECK_OK(on->unpack_codes(words, words_for(count, codes_count), outer, stages, inner, codes_count, out));
        CHECK(out.read() == codes);
    }
}

void codes_out_of_range_are_named(Implementation& on) {
    const Array<int32_t> words(on, 1000);
    Codes codes(5000, 3);
    codes[4000] = 5;
    codes[4999] = -1;
    CHECK_FAILS(on->pack_codes(Array<int32_t>(on, codes), 5000, 1, 1, 5, words, 1000), VQ4J_INVALID_ARGUMENT,
        "code 5 at position 4000", "0 <= code < 5");
    codes[4000] = 4;
    CHECK_FAILS(on->pack_codes(Array<int32_t>(on, codes), 5000, 1, 1, 5, words, 1000), VQ4J_INVALID_ARGUMENT,
        "code -1 at position 4999");
    CHECK_FAILS(on->pack_codes(Array<int32_t>(on, Codes{1, 6, 2, 4}), 2, 2, 1, 5, words, 1000), VQ4J_INVALID_ARGUMENT,
        "code 4 at position 3", "5 <= code < 10");
    const Array<int32_t> out(on, 4);
    // 1, 2, 7, 3 in three bits each.
    CHECK_FAILS(on->unpack_codes(Array<int32_t>(on, Codes{1 | 2 << 3 | 7 << 6 | 3 << 9}), 1, 4, 1, 1, 5, out),
        VQ4J_INVALID_ARGUMENT, "code 7 at position 2", "0 <= code < 5");
}

void words_that_do_not_suffice_are_refused(Implementation& on) {
    const Array<int32_t> codes(on, Codes(13, 0));
    const Array<int32_t> words(on, 5);
    CHECK_FAILS(on->pack_codes(codes, 13, 1, 1, 1000, words, 4), VQ4J_INVALID_ARGUMENT,
        "need 5 words for 13 codes of 10 bits", "got 4");
    CHECK_FAILS(on->unpack_codes(words, 4, 13, 1, 1, 1000, codes), VQ4J_INVALID_ARGUMENT, "need 5 words", "got 4");
    CHECK_FAILS(on->pack_codes(codes, 0, 1, 1, 1000, words, 5), VQ4J_INVALID_ARGUMENT, "outer >= 1, got 0");
    CHECK_FAILS(on->pack_codes(codes, 1, 3, 1, 1 << 30, words, 5), VQ4J_INVALID_ARGUMENT, "stages * codes_count");
    CHECK_FAILS(on->pack_codes(nullptr, 13, 1, 1, 1000, words, 5), VQ4J_INVALID_ARGUMENT, "null");
    // More bits than 63 bits can count.
    CHECK_FAILS(on->unpack_codes(words, 5, int64_t{1} << 59, 1, 1, 2147483647, codes), VQ4J_INVALID_ARGUMENT,
        "need 558446353793941504 words");
}

}  // namespace

int main() {
    return run({
        TEST(codes_stand_in_the_stream_lowest_bit_first),
        TEST(codes_of_each_stage_take_the_bits_of_its_codebook),
        TEST(codes_out_of_range_are_named),
        TEST(words_that_do_not_suffice_are_refused),
    });
}
