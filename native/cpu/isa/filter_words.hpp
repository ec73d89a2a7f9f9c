// What the assignment's filters (filtered_assign.hpp) need of an instruction set beside its vectors: whole numbers of a
// byte, four of them in a word of 32 bits, and the sums of their products.
#ifndef VQ4J_CPU_ISA_FILTER_WORDS_HPP
#define VQ4J_CPU_ISA_FILTER_WORDS_HPP

#include "cpu/isa/vector.hpp"

namespace vq4j {
namespace {

constexpr int64_t word_numbers = 4;

#if defined(__AVX512VNNI__)

// One instruction sums the four products of bytes without a sign and bytes with one: the rows' have 128 added.
constexpr int32_t largest_of_rows = 127;
constexpr int32_t largest_of_codes = 127;
constexpr int32_t added_to_rows = 128;
constexpr int words_at_once = 1;
constexpr int codes_at_once = 16;
constexpr int tiles_at_once = 1;
constexpr int64_t least_filtered_features = 4;
constexpr int64_t least_filtered_codes = 64;
constexpr int64_t least_filtered_values = 0;  // of the codebook, K * D
constexpr bool filters_by_axes = false;  // bytes are as fast
constexpr int64_t least_codes_of_axes = 0;
constexpr int64_t least_values_of_axes = 0;
constexpr int64_t pairs_for_an_open_one = 5;

VQ4J_SHARED int64_t products_saved(int64_t groups, int64_t features) {
    return groups * (3 * features / 4 - 1) + 2 * features;
}
VQ4J_SHARED int64_t products_of_candidate(int64_t features) { return features + 12; }

VQ4J_SHARED Ints operator+(Ints a, Ints b) { return {_mm512_add_epi32(a.v, b.v)}; }
VQ4J_SHARED Ints operator*(Ints a, Ints b) { return {_mm512_mullo_epi32(a.v, b.v)}; }
VQ4J_SHARED Ints nearest_whole_numbers(Floats a) { return {_mm512_cvtps_epi32(a.v)}; }
VQ4J_SHARED Floats to_floats(Ints a) { return {_mm512_cvtepi32_ps(a.v)}; }

VQ4J_SHARED Floats magnitude(Floats a) { return {_mm512_abs_ps(a.v)}; }
VQ4J_SHARED Floats square_root(Floats a) { return {_mm512_sqrt_ps(a.v)}; }
VQ4J_SHARED Floats operator/(Floats a, Floats b) { return {_mm512_div_ps(a.v, b.v)}; }
VQ4J_SHARED Floats smaller(Floats a, Floats b) { return {_mm512_min_ps(a.v, b.v)}; }

VQ4J_SHARED Floats where_at_most(Floats a, float bound, Floats then, Floats otherwise) {
    return {_mm512_mask_mov_ps(otherwise.v, _mm512_cmp_ps_mask(a.v, _mm512_set1_ps(bound), _CMP_LE_OQ), then.v)};
}
VQ4J_SHARED void store_lanes(uint32_t which, float* p, Floats a) {
    _mm512_mask_storeu_ps(p, static_cast<__mmask16>(which), a.v);
}
VQ4J_SHARED void store_lanes(uint32_t which, int32_t* p, Ints a) {
    _mm512_mask_storeu_epi32(p, static_cast<__mmask16>(which), a.v);
}

VQ4J_SHARED Ints word_of(const Ints (&numbers)[word_numbers]) {
    const __m512i byte = _mm512_set1_epi32(0xff);
    const __m512i low = _mm512_or_si512(_mm512_and_si512(numbers[0].v, byte),
        _mm512_slli_epi32(_mm512_and_si512(numbers[1].v, byte), 8));
    const __m512i high = _mm512_or_si512(_mm512_and_si512(numbers[2].v, byte), _mm512_slli_epi32(numbers[3].v, 8));
    return {_mm512_or_si512(low, _mm512_slli_epi32(high, 16))};
}
VQ4J_SHARED Ints word_of_rows(Ints word) { return {_mm512_add_epi8(word.v, _mm512_set1_epi8(-128))}; }

VQ4J_SHARED Ints add_products(Ints rows, Ints codes, Ints sum) { return {_mm512_dpbusd_epi32(sum.v, rows.v, codes.v)}; }
VQ4J_SHARED void add_products(const Ints (&rows)[words_at_once], const int32_t* code, int64_t, Ints& sum) {
    __asm__("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(sum.v) : "v"(rows[0].v), "m"(*code));
}

#else

// Two instructions: sums of two products of bytes without a sign and bytes with one, then of two of these. Two words are
// added between the two, which 16 bits hold: 4 * (63 + 63) * 65 < 2^15. The rows' bytes have 63 added.
constexpr int32_t largest_of_rows = 63;
constexpr int32_t largest_of_codes = 65;
constexpr int32_t added_to_rows = 63;
constexpr int words_at_once = 2;
constexpr int codes_at_once = 4;
constexpr int tiles_at_once = 2;
#ifdef VQ4J_FILTER_EVERYTHING  // tests of small shapes
constexpr int64_t least_filtered_features = 4;
constexpr int64_t least_filtered_codes = 64;
constexpr int64_t least_filtered_values = 0;
constexpr int64_t least_codes_of_axes = 64;
constexpr int64_t least_values_of_axes = 0;
#else
constexpr int64_t least_filtered_features = 32;
constexpr int64_t least_filtered_codes = 256;
constexpr int64_t least_filtered_values = 12 << 10;
constexpr int64_t least_codes_of_axes = 256;
constexpr int64_t least_values_of_axes = 5 << 10;  // K (D - 11)
#endif
constexpr bool filters_by_axes = true;
constexpr int64_t pairs_for_an_open_one = 3;

// What rounding a row and finding its nearest group take is 400 of them.
VQ4J_SHARED int64_t products_saved(int64_t groups, int64_t features) { return groups * (features / 2) - 400; }
VQ4J_SHARED int64_t products_of_candidate(int64_t features) { return 3 * features + 250; }

VQ4J_SHARED Ints operator+(Ints a, Ints b) { return {_mm256_add_epi32(a.v, b.v)}; }
VQ4J_SHARED Ints operator*(Ints a, Ints b) { return {_mm256_mullo_epi32(a.v, b.v)}; }
VQ4J_SHARED Ints nearest_whole_numbers(Floats a) { return {_mm256_cvtps_epi32(a.v)}; }
VQ4J_SHARED Floats to_floats(Ints a) { return {_mm256_cvtepi32_ps(a.v)}; }

VQ4J_SHARED Floats magnitude(Floats a) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.v)}; }
VQ4J_SHARED Floats square_root(Floats a) { return {_mm256_sqrt_ps(a.v)}; }
VQ4J_SHARED Floats operator/(Floats a, Floats b) { return {_mm256_div_ps(a.v, b.v)}; }
VQ4J_SHARED Floats smaller(Floats a, Floats b) { return {_mm256_min_ps(a.v, b.v)}; }

VQ4J_SHARED Floats where_at_most(Floats a, float bound, Floats then, Floats otherwise) {
    return {_mm256_blendv_ps(otherwise.v, then.v, _mm256_cmp_ps(a.v, _mm256_set1_ps(bound), _CMP_LE_OQ))};
}
VQ4J_SHARED __m256i mask_of(uint32_t which) {
    const __m256i bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    return _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(static_cast<int>(which)), bits), bits);
}
VQ4J_SHARED void store_lanes(uint32_t which, float* p, Floats a) { _mm256_maskstore_ps(p, mask_of(which), a.v); }
VQ4J_SHARED void store_lanes(uint32_t which, int32_t* p, Ints a) { _mm256_maskstore_epi32(p, mask_of(which), a.v); }

VQ4J_SHARED Ints word_of(const Ints (&numbers)[word_numbers]) {
    const __m256i byte = _mm256_set1_epi32(0xff);
    const __m256i low = _mm256_or_si256(_mm256_and_si256(numbers[0].v, byte),
        _mm256_slli_epi32(_mm256_and_si256(numbers[1].v, byte), 8));
    const __m256i high = _mm256_or_si256(_mm256_and_si256(numbers[2].v, byte), _mm256_slli_epi32(numbers[3].v, 8));
    return {_mm256_or_si256(low, _mm256_slli_epi32(high, 16))};
}
VQ4J_SHARED Ints word_of_rows(Ints word) { return {_mm256_add_epi8(word.v, _mm256_set1_epi8(added_to_rows))}; }

VQ4J_SHARED Ints add_pairs(__m256i sums_of_two, Ints sum) {
    // GCC would move the sum from register to register otherwise.
    const __m256i products = _mm256_madd_epi16(sums_of_two, _mm256_set1_epi16(1));
    __asm__("vpaddd %1, %0, %0" : "+x"(sum.v) : "x"(products));
    return sum;
}
VQ4J_SHARED Ints add_products(Ints rows, Ints codes, Ints sum) {
    return add_pairs(_mm256_maddubs_epi16(rows.v, codes.v), sum);
}
VQ4J_SHARED void add_products(const Ints (&rows)[words_at_once], const int32_t* code, int64_t next, Ints& sum) {
    sum = add_pairs(_mm256_add_epi16(_mm256_maddubs_epi16(rows[0].v, _mm256_set1_epi32(code[0])),
        _mm256_maddubs_epi16(rows[1].v, _mm256_set1_epi32(code[next]))), sum);
}

#endif

// ---- of both ---------------------------------------------------------------------------------------------------------
//
// where_at_most: `then` in the lanes where a <= bound; elsewhere, and for NaN, `otherwise`. store_lanes: those whose bit
// is set. word_of: the bytes of four numbers. word_of_rows: what the products take for a word of rows. add_products: the
// products of the words of each lane; `code` is a word for all lanes, the words of a code are `next` apart.

// Words of so many features: a multiple of what is taken at once.
VQ4J_SHARED int64_t words_of(int64_t features) {
    constexpr int64_t numbers_at_once = word_numbers * words_at_once;
    return (features + numbers_at_once - 1) / numbers_at_once * words_at_once;
}

}  // namespace
}  // namespace vq4j

#endif
