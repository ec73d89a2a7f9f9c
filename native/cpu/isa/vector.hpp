// The vectors of the instruction set that the including unit is compiled for: what the kernels need, no more. Simple
// loops over elements are left to the compiler. Internal linkage: no unit lends its code to another.
#ifndef VQ4J_CPU_ISA_VECTOR_HPP
#define VQ4J_CPU_ISA_VECTOR_HPP

#include "core/arithmetic.hpp"

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#elif defined(VQ4J_NEON)
#include <arm_neon.h>
#endif

namespace vq4j {
namespace {

#if defined(__AVX512F__)

constexpr int lanes = 16;
constexpr int rows_of_two_panels = 3;

struct Floats {
    __m512 v;
};

struct Ints {
    __m512i v;
};

VQ4J_SHARED Floats load(const float* p) { return {_mm512_loadu_ps(p)}; }
VQ4J_SHARED Ints load(const int32_t* p) { return {_mm512_loadu_si512(p)}; }
VQ4J_SHARED void store(float* p, Floats a) { _mm512_storeu_ps(p, a.v); }
VQ4J_SHARED void store(int32_t* p, Ints a) { _mm512_storeu_si512(p, a.v); }
VQ4J_SHARED Floats all(float x) { return {_mm512_set1_ps(x)}; }
VQ4J_SHARED Ints all(int32_t x) { return {_mm512_set1_epi32(x)}; }
VQ4J_SHARED Floats multiply_add(Floats a, Floats b, Floats c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
VQ4J_SHARED void add_product(Floats a, Floats b, Floats& sum) { sum = multiply_add(a, b, sum); }
VQ4J_SHARED Floats operator+(Floats a, Floats b) { return {_mm512_add_ps(a.v, b.v)}; }
VQ4J_SHARED Floats operator-(Floats a, Floats b) { return {_mm512_sub_ps(a.v, b.v)}; }
VQ4J_SHARED Floats operator-(Floats a) { return {_mm512_xor_ps(a.v, _mm512_set1_ps(-0.0f))}; }
VQ4J_SHARED Floats operator*(Floats a, Floats b) { return {_mm512_mul_ps(a.v, b.v)}; }

VQ4J_SHARED __mmask16 first_lanes(int64_t count) { return static_cast<__mmask16>((1u << count) - 1); }
VQ4J_SHARED Floats load_first(const float* p, int64_t count) {
    return {_mm512_maskz_loadu_ps(first_lanes(count), p)};
}
VQ4J_SHARED void store_first(float* p, int64_t count, Floats a) { _mm512_mask_storeu_ps(p, first_lanes(count), a.v); }
VQ4J_SHARED Floats choose_first(int64_t count, Floats a, Floats b) {
    return {_mm512_mask_mov_ps(b.v, first_lanes(count), a.v)};
}

VQ4J_SHARED void store_past_caches(float* p, Floats a) { _mm512_stream_ps(p, a.v); }

VQ4J_SHARED bool any_nan(Floats a) { return _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q) != 0; }

VQ4J_SHARED float add_lanes(Floats a) {
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

VQ4J_SHARED void transpose(Floats (&rows)[lanes]) {
    Floats pairs[lanes];
    Floats fours[lanes];
    for (int i = 0; i < lanes; i += 2) {
        pairs[i].v = _mm512_unpacklo_ps(rows[i].v, rows[i + 1].v);
        pairs[i + 1].v = _mm512_unpackhi_ps(rows[i].v, rows[i + 1].v);
    }
    for (int i = 0; i < lanes; i += 4) {
        fours[i].v = _mm512_shuffle_ps(pairs[i].v, pairs[i + 2].v, 0x44);
        fours[i + 1].v = _mm512_shuffle_ps(pairs[i].v, pairs[i + 2].v, 0xee);
        fours[i + 2].v = _mm512_shuffle_ps(pairs[i + 1].v, pairs[i + 3].v, 0x44);
        fours[i + 3].v = _mm512_shuffle_ps(pairs[i + 1].v, pairs[i + 3].v, 0xee);
    }
    for (int i = 0; i < 4; ++i) {
        const __m512 even_low = _mm512_shuffle_f32x4(fours[i].v, fours[i + 4].v, 0x88);
        const __m512 odd_low = _mm512_shuffle_f32x4(fours[i].v, fours[i + 4].v, 0xdd);
        const __m512 even_high = _mm512_shuffle_f32x4(fours[i + 8].v, fours[i + 12].v, 0x88);
        const __m512 odd_high = _mm512_shuffle_f32x4(fours[i + 8].v, fours[i + 12].v, 0xdd);
        rows[i].v = _mm512_shuffle_f32x4(even_low, even_high, 0x88);
        rows[i + 4].v = _mm512_shuffle_f32x4(odd_low, odd_high, 0x88);
        rows[i + 8].v = _mm512_shuffle_f32x4(even_low, even_high, 0xdd);
        rows[i + 12].v = _mm512_shuffle_f32x4(odd_low, odd_high, 0xdd);
    }
}

VQ4J_SHARED Floats larger(Floats a, Floats b) { return {_mm512_max_ps(a.v, b.v)}; }
VQ4J_SHARED uint32_t lanes_equal(Floats a, float x) {
    return _mm512_cmp_ps_mask(a.v, _mm512_set1_ps(x), _CMP_EQ_OQ);
}
VQ4J_SHARED Floats without(Floats a, float x, Floats other) {
    return {_mm512_mask_mov_ps(a.v, _mm512_cmp_ps_mask(a.v, _mm512_set1_ps(x), _CMP_EQ_OQ), other.v)};
}
VQ4J_SHARED float largest_lane(Floats a) {
    const __m256 of_8 = _mm256_max_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
    const __m128 of_4 = _mm_max_ps(_mm256_castps256_ps128(of_8), _mm256_extractf128_ps(of_8, 1));
    const __m128 of_2 = _mm_max_ps(of_4, _mm_movehl_ps(of_4, of_4));
    return _mm_cvtss_f32(_mm_max_ss(of_2, _mm_movehdup_ps(of_2)));
}

VQ4J_SHARED void take_better(Floats score, Ints new_number, Floats& best, Ints& number) {
    const __mmask16 better = _mm512_cmp_ps_mask(score.v, best.v, _CMP_GT_OQ);
    best.v = _mm512_mask_mov_ps(best.v, better, score.v);
    number.v = _mm512_mask_mov_epi32(number.v, better, new_number.v);
}

// A bit for every lane where score >= bound, or either is NaN.
VQ4J_SHARED uint32_t lanes_not_below(Floats score, Floats bound) {
    return _mm512_cmp_ps_mask(score.v, bound.v, _CMP_NLT_UQ);
}

#elif defined(__AVX2__)

constexpr int lanes = 8;
constexpr int rows_of_two_panels = 3;

struct Floats {
    __m256 v;
};

struct Ints {
    __m256i v;
};

VQ4J_SHARED Floats load(const float* p) { return {_mm256_loadu_ps(p)}; }
VQ4J_SHARED Ints load(const int32_t* p) { return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))}; }
VQ4J_SHARED void store(float* p, Floats a) { _mm256_storeu_ps(p, a.v); }
VQ4J_SHARED void store(int32_t* p, Ints a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a.v); }
VQ4J_SHARED Floats all(float x) { return {_mm256_set1_ps(x)}; }
VQ4J_SHARED Ints all(int32_t x) { return {_mm256_set1_epi32(x)}; }
VQ4J_SHARED Floats multiply_add(Floats a, Floats b, Floats c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
// In the sum's register: left to itself, the compiler has results change places and, with 16 registers, sums of unrolled
// loops written to the stack.
VQ4J_SHARED void add_product(Floats a, Floats b, Floats& sum) {
    __asm__("vfmadd231ps %2, %1, %0" : "+x"(sum.v) : "x"(a.v), "x"(b.v));
}
VQ4J_SHARED Floats operator+(Floats a, Floats b) { return {_mm256_add_ps(a.v, b.v)}; }
VQ4J_SHARED Floats operator-(Floats a, Floats b) { return {_mm256_sub_ps(a.v, b.v)}; }
VQ4J_SHARED Floats operator-(Floats a) { return {_mm256_xor_ps(a.v, _mm256_set1_ps(-0.0f))}; }
VQ4J_SHARED Floats operator*(Floats a, Floats b) { return {_mm256_mul_ps(a.v, b.v)}; }

VQ4J_SHARED __m256i first_lanes(int64_t count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int32_t>(count)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
VQ4J_SHARED Floats load_first(const float* p, int64_t count) { return {_mm256_maskload_ps(p, first_lanes(count))}; }
VQ4J_SHARED void store_first(float* p, int64_t count, Floats a) { _mm256_maskstore_ps(p, first_lanes(count), a.v); }
VQ4J_SHARED Floats choose_first(int64_t count, Floats a, Floats b) {
    return {_mm256_blendv_ps(b.v, a.v, _mm256_castsi256_ps(first_lanes(count)))};
}

VQ4J_SHARED void store_past_caches(float* p, Floats a) { _mm256_stream_ps(p, a.v); }

VQ4J_SHARED bool any_nan(Floats a) { return _mm256_movemask_ps(_mm256_cmp_ps(a.v, a.v, _CMP_UNORD_Q)) != 0; }

VQ4J_SHARED float add_lanes(Floats a) {
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

VQ4J_SHARED void transpose(Floats (&rows)[lanes]) {
    Floats pairs[lanes];
    Floats fours[lanes];
    for (int i = 0; i < lanes; i += 2) {
        pairs[i].v = _mm256_unpacklo_ps(rows[i].v, rows[i + 1].v);
        pairs[i + 1].v = _mm256_unpackhi_ps(rows[i].v, rows[i + 1].v);
    }
    for (int i = 0; i < lanes; i += 4) {
        fours[i].v = _mm256_shuffle_ps(pairs[i].v, pairs[i + 2].v, 0x44);
        fours[i + 1].v = _mm256_shuffle_ps(pairs[i].v, pairs[i + 2].v, 0xee);
        fours[i + 2].v = _mm256_shuffle_ps(pairs[i + 1].v, pairs[i + 3].v, 0x44);
        fours[i + 3].v = _mm256_shuffle_ps(pairs[i + 1].v, pairs[i + 3].v, 0xee);
    }
    for (int i = 0; i < 4; ++i) {
        rows[i].v = _mm256_permute2f128_ps(fours[i].v, fours[i + 4].v, 0x20);
        rows[i + 4].v = _mm256_permute2f128_ps(fours[i].v, fours[i + 4].v, 0x31);
    }
}

VQ4J_SHARED Floats larger(Floats a, Floats b) { return {_mm256_max_ps(a.v, b.v)}; }
VQ4J_SHARED uint32_t lanes_equal(Floats a, float x) {
    return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(a.v, _mm256_set1_ps(x), _CMP_EQ_OQ)));
}
VQ4J_SHARED Floats without(Floats a, float x, Floats other) {
    return {_mm256_blendv_ps(a.v, other.v, _mm256_cmp_ps(a.v, _mm256_set1_ps(x), _CMP_EQ_OQ))};
}
VQ4J_SHARED float largest_lane(Floats a) {
    const __m128 of_4 = _mm_max_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
    const __m128 of_2 = _mm_max_ps(of_4, _mm_movehl_ps(of_4, of_4));
    return _mm_cvtss_f32(_mm_max_ss(of_2, _mm_movehdup_ps(of_2)));
}

VQ4J_SHARED void take_better(Floats score, Ints new_number, Floats& best, Ints& number) {
    const __m256i better = _mm256_castps_si256(_mm256_cmp_ps(score.v, best.v, _CMP_GT_OQ));
    best.v = _mm256_max_ps(score.v, best.v);
    // Integer maxima and ands run beside the units of the multiply-adds, blends do not.
    number.v = _mm256_max_epi32(number.v, _mm256_and_si256(better, new_number.v));
}

// The same as two calls, in fewer instructions.
VQ4J_SHARED void take_better(Floats score0, Floats score1, int32_t number0, Floats& best, Ints& number) {
    const Floats best0 = {_mm256_max_ps(score0.v, best.v)};  // best where they are equal or the score is NaN
    const Floats best1 = {_mm256_max_ps(score1.v, best0.v)};
    const __m256i neither = _mm256_cmpeq_epi32(_mm256_castps_si256(best1.v), _mm256_castps_si256(best.v));
    const __m256i first = _mm256_cmpeq_epi32(_mm256_castps_si256(best1.v), _mm256_castps_si256(best0.v));
    const __m256i better = _mm256_add_epi32(_mm256_set1_epi32(number0 + 1), first);
    best = best1;
    number.v = _mm256_max_epi32(number.v, _mm256_andnot_si256(neither, better));
}

VQ4J_SHARED uint32_t lanes_not_below(Floats score, Floats bound) {
    return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(score.v, bound.v, _CMP_NLT_UQ)));
}

#elif defined(VQ4J_NEON)

// Two registers: a tile of the assignment, 6 rows x 16 codes, then fills 24 of the 32, its codes and rows most of the rest.
constexpr int lanes = 8;
constexpr int rows_of_two_panels = 2;

struct Floats {
    float32x4_t low;
    float32x4_t high;
};

struct Ints {
    int32x4_t low;
    int32x4_t high;
};

VQ4J_SHARED Floats load(const float* p) { return {vld1q_f32(p), vld1q_f32(p + 4)}; }
VQ4J_SHARED Ints load(const int32_t* p) { return {vld1q_s32(p), vld1q_s32(p + 4)}; }
VQ4J_SHARED void store(float* p, Floats a) {
    vst1q_f32(p, a.low);
    vst1q_f32(p + 4, a.high);
}
VQ4J_SHARED void store(int32_t* p, Ints a) {
    vst1q_s32(p, a.low);
    vst1q_s32(p + 4, a.high);
}
VQ4J_SHARED Floats all(float x) { return {vdupq_n_f32(x), vdupq_n_f32(x)}; }
VQ4J_SHARED Ints all(int32_t x) { return {vdupq_n_s32(x), vdupq_n_s32(x)}; }
VQ4J_SHARED Floats multiply_add(Floats a, Floats b, Floats c) {
    return {vfmaq_f32(c.low, a.low, b.low), vfmaq_f32(c.high, a.high, b.high)};
}
VQ4J_SHARED void add_product(Floats a, Floats b, Floats& sum) { sum = multiply_add(a, b, sum); }
VQ4J_SHARED Floats operator+(Floats a, Floats b) { return {vaddq_f32(a.low, b.low), vaddq_f32(a.high, b.high)}; }
VQ4J_SHARED Floats operator-(Floats a, Floats b) { return {vsubq_f32(a.low, b.low), vsubq_f32(a.high, b.high)}; }
VQ4J_SHARED Floats operator-(Floats a) { return {vnegq_f32(a.low), vnegq_f32(a.high)}; }
VQ4J_SHARED Floats operator*(Floats a, Floats b) { return {vmulq_f32(a.low, b.low), vmulq_f32(a.high, b.high)}; }

VQ4J_SHARED Floats load_first(const float* p, int64_t count) {
    float values[lanes] = {};
    for (int64_t lane = 0; lane < count; ++lane) {
        values[lane] = p[lane];
    }
    return load(values);
}
VQ4J_SHARED void store_first(float* p, int64_t count, Floats a) {
    float values[lanes];
    store(values, a);
    for (int64_t lane = 0; lane < count; ++lane) {
        p[lane] = values[lane];
    }
}
VQ4J_SHARED Floats choose_first(int64_t count, Floats a, Floats b) {
    const int32x4_t lane = {0, 1, 2, 3};
    const int32x4_t bound = vdupq_n_s32(static_cast<int32_t>(count));
    return {vbslq_f32(vcltq_s32(lane, bound), a.low, b.low),
        vbslq_f32(vcltq_s32(vaddq_s32(lane, vdupq_n_s32(4)), bound), a.high, b.high)};
}

VQ4J_SHARED void store_past_caches(float* p, Floats a) { store(p, a); }

VQ4J_SHARED bool any_nan(Floats a) {
    return vminvq_u32(vandq_u32(vceqq_f32(a.low, a.low), vceqq_f32(a.high, a.high))) == 0;
}

VQ4J_SHARED float add_lanes(Floats a) {
    const float32x4_t four = vaddq_f32(a.low, a.high);
    const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}

// A square of 4 x 4.
VQ4J_SHARED void transpose(float32x4_t& a, float32x4_t& b, float32x4_t& c, float32x4_t& d) {
    const float64x2_t ab_even = vreinterpretq_f64_f32(vtrn1q_f32(a, b));
    const float64x2_t ab_odd = vreinterpretq_f64_f32(vtrn2q_f32(a, b));
    const float64x2_t cd_even = vreinterpretq_f64_f32(vtrn1q_f32(c, d));
    const float64x2_t cd_odd = vreinterpretq_f64_f32(vtrn2q_f32(c, d));
    a = vreinterpretq_f32_f64(vtrn1q_f64(ab_even, cd_even));
    b = vreinterpretq_f32_f64(vtrn1q_f64(ab_odd, cd_odd));
    c = vreinterpretq_f32_f64(vtrn2q_f64(ab_even, cd_even));
    d = vreinterpretq_f32_f64(vtrn2q_f64(ab_odd, cd_odd));
}

VQ4J_SHARED void transpose(Floats (&rows)[lanes]) {
    for (int i = 0; i < lanes; i += 4) {
        transpose(rows[i].low, rows[i + 1].low, rows[i + 2].low, rows[i + 3].low);
        transpose(rows[i].high, rows[i + 1].high, rows[i + 2].high, rows[i + 3].high);
    }
    for (int i = 0; i < 4; ++i) {
        const float32x4_t upper_right = rows[i].high;
        rows[i].high = rows[i + 4].low;
        rows[i + 4].low = upper_right;
    }
}

VQ4J_SHARED void take_better(Floats score, Ints new_number, Floats& best, Ints& number) {
    const uint32x4_t low = vcgtq_f32(score.low, best.low);
    const uint32x4_t high = vcgtq_f32(score.high, best.high);
    best = {vbslq_f32(low, score.low, best.low), vbslq_f32(high, score.high, best.high)};
    number = {vbslq_s32(low, new_number.low, number.low), vbslq_s32(high, new_number.high, number.high)};
}

// A bit for each lane that a comparison has set.
VQ4J_SHARED uint32_t lane_bits(uint32x4_t low, uint32x4_t high) {
    const uint32x4_t bits = {1, 2, 4, 8};
    return vaddvq_u32(vandq_u32(low, bits)) | vaddvq_u32(vandq_u32(high, bits)) << 4;
}

VQ4J_SHARED uint32_t lanes_not_below(Floats score, Floats bound) {
    return lane_bits(vmvnq_u32(vcltq_f32(score.low, bound.low)), vmvnq_u32(vcltq_f32(score.high, bound.high)));
}

VQ4J_SHARED Floats larger(Floats a, Floats b) {
    return {vbslq_f32(vcgtq_f32(a.low, b.low), a.low, b.low), vbslq_f32(vcgtq_f32(a.high, b.high), a.high, b.high)};
}
VQ4J_SHARED uint32_t lanes_equal(Floats a, float x) {
    return lane_bits(vceqq_f32(a.low, vdupq_n_f32(x)), vceqq_f32(a.high, vdupq_n_f32(x)));
}
VQ4J_SHARED Floats without(Floats a, float x, Floats other) {
    const float32x4_t value = vdupq_n_f32(x);
    return {vbslq_f32(vceqq_f32(a.low, value), other.low, a.low),
        vbslq_f32(vceqq_f32(a.high, value), other.high, a.high)};
}
VQ4J_SHARED float largest_lane(Floats a) {
    return vmaxvq_f32(vmaxq_f32(a.low, a.high));
}

#else

// As wide as two registers of the baseline instruction sets, in loops that the compiler turns into their instructions.
constexpr int lanes = 8;
constexpr int rows_of_two_panels = 1;

struct Floats {
    float v[lanes];
};

struct Ints {
    int32_t v[lanes];
};

template <typename Vector, typename Element>
VQ4J_SHARED Vector each_lane(Element element) {
    Vector result;
    for (int lane = 0; lane < lanes; ++lane) {
        result.v[lane] = element(lane);
    }
    return result;
}

VQ4J_SHARED Floats load(const float* p) {
    return each_lane<Floats>([=](int lane) { return p[lane]; });
}
VQ4J_SHARED Ints load(const int32_t* p) {
    return each_lane<Ints>([=](int lane) { return p[lane]; });
}
VQ4J_SHARED void store(float* p, Floats a) { memcpy(p, a.v, sizeof a.v); }
VQ4J_SHARED void store(int32_t* p, Ints a) { memcpy(p, a.v, sizeof a.v); }
VQ4J_SHARED Floats all(float x) {
    return each_lane<Floats>([=](int) { return x; });
}
VQ4J_SHARED Ints all(int32_t x) {
    return each_lane<Ints>([=](int) { return x; });
}
VQ4J_SHARED Floats multiply_add(const Floats& a, const Floats& b, const Floats& c) {
    return each_lane<Floats>([&](int lane) { return fused_multiply_add(a.v[lane], b.v[lane], c.v[lane]); });
}
VQ4J_SHARED void add_product(const Floats& a, const Floats& b, Floats& sum) { sum = multiply_add(a, b, sum); }
VQ4J_SHARED Floats larger(const Floats& a, const Floats& b) {
    return each_lane<Floats>([&](int lane) { return a.v[lane] > b.v[lane] ? a.v[lane] : b.v[lane]; });
}
VQ4J_SHARED uint32_t lanes_equal(const Floats& a, float x) {
    uint32_t bits = 0;
    for (int lane = 0; lane < lanes; ++lane) {
        bits |= static_cast<uint32_t>(a.v[lane] == x) << lane;
    }
    return bits;
}
VQ4J_SHARED Floats without(const Floats& a, float x, const Floats& other) {
    return each_lane<Floats>([&](int lane) { return a.v[lane] == x ? other.v[lane] : a.v[lane]; });
}
VQ4J_SHARED float largest_lane(const Floats& a) {
    float largest = a.v[0];
    for (int lane = 1; lane < lanes; ++lane) {
        largest = a.v[lane] > largest ? a.v[lane] : largest;
    }
    return largest;
}

VQ4J_SHARED Floats operator+(const Floats& a, const Floats& b) {
    return each_lane<Floats>([&](int lane) { return a.v[lane] + b.v[lane]; });
}
VQ4J_SHARED Floats operator-(const Floats& a, const Floats& b) {
    return each_lane<Floats>([&](int lane) { return a.v[lane] - b.v[lane]; });
}
VQ4J_SHARED Floats operator-(const Floats& a) {
    return each_lane<Floats>([&](int lane) { return -a.v[lane]; });
}
VQ4J_SHARED Floats operator*(const Floats& a, const Floats& b) {
    return each_lane<Floats>([&](int lane) { return a.v[lane] * b.v[lane]; });
}

VQ4J_SHARED Floats load_first(const float* p, int64_t count) {
    return each_lane<Floats>([=](int lane) { return lane < count ? p[lane] : 0.0f; });
}
VQ4J_SHARED void store_first(float* p, int64_t count, const Floats& a) {
    for (int lane = 0; lane < count; ++lane) {
        p[lane] = a.v[lane];
    }
}
VQ4J_SHARED Floats choose_first(int64_t count, const Floats& a, const Floats& b) {
    return each_lane<Floats>([&](int lane) { return lane < count ? a.v[lane] : b.v[lane]; });
}

VQ4J_SHARED void store_past_caches(float* p, const Floats& a) { store(p, a); }

VQ4J_SHARED bool any_nan(const Floats& a) {
    bool found = false;
    for (int lane = 0; lane < lanes; ++lane) {
        found |= a.v[lane] != a.v[lane];
    }
    return found;
}

VQ4J_SHARED float add_lanes(Floats a) {
    for (int width = lanes / 2; width > 0; width /= 2) {
        for (int lane = 0; lane < width; ++lane) {
            a.v[lane] = a.v[lane] + a.v[lane + width];
        }
    }
    return a.v[0];
}

VQ4J_SHARED void transpose(Floats (&rows)[lanes]) {
    for (int i = 0; i < lanes; ++i) {
        for (int j = 0; j < i; ++j) {
            const float below = rows[i].v[j];
            rows[i].v[j] = rows[j].v[i];
            rows[j].v[i] = below;
        }
    }
}

VQ4J_SHARED void take_better(const Floats& score, const Ints& new_number, Floats& best, Ints& number) {
    for (int lane = 0; lane < lanes; ++lane) {
        const bool better = score.v[lane] > best.v[lane];
        best.v[lane] = better ? score.v[lane] : best.v[lane];
        number.v[lane] = better ? new_number.v[lane] : number.v[lane];
    }
}

VQ4J_SHARED uint32_t lanes_not_below(const Floats& score, const Floats& bound) {
    uint32_t mask = 0;
    for (int lane = 0; lane < lanes; ++lane) {
        mask |= static_cast<uint32_t>(!(score.v[lane] < bound.v[lane])) << lane;
    }
    return mask;
}

#endif

// ---- of every instruction set ----------------------------------------------------------------------------------------
//
// rows_of_two_panels: tiles of the assignment (assign.hpp) with so few rows find registers for the scores of two panels.
// multiply_add: a * b + c. add_product: sum + a * b, in place. load_first: zero in the other lanes. choose_first: a in the
// first lanes, b in the others. add_lanes: a balanced tree, as add_stripes. larger: b where a is NaN. lanes_equal: a bit for
// each lane equal to x. without: `other` in the lanes equal to x. largest_lane: of lanes that are numbers. transpose: of the
// square that the vectors are. store_past_caches: p is aligned to the vector; the thread calls end_stores_past_caches
// before others read. take_better: where score > best, best becomes score, and number that of the score, which is above
// all before it; not where the score is NaN. Of two scores: the first is of number0, the second of number0 + 1.

#if defined(__AVX512F__) || !defined(__AVX2__)
VQ4J_SHARED void take_better(const Floats& score0, const Floats& score1, int32_t number0, Floats& best, Ints& number) {
    take_better(score0, all(number0), best, number);
    take_better(score1, all(number0 + 1), best, number);
}
#endif

// The name by which shared formulas call it, beside that of single numbers.
using vq4j::fused_multiply_add;
VQ4J_SHARED Floats fused_multiply_add(const Floats& a, const Floats& b, const Floats& c) { return multiply_add(a, b, c); }

VQ4J_SHARED void end_stores_past_caches() {
#if defined(__x86_64__)
    __builtin_ia32_sfence();
#endif
}

VQ4J_SHARED void prefetch(const float* p) { __builtin_prefetch(p); }

// Two vectors.
VQ4J_SHARED void fetch_to_second_level(const float* p) {
    __builtin_prefetch(p, 0, 2);
    if (2 * lanes > 16) {
        __builtin_prefetch(p + 16, 0, 2);
    }
}

// NaN where a is a NaN or an infinity, or was in an earlier call; 0 otherwise. Starts with zero.
VQ4J_SHARED void note_not_finite(Floats a, Floats& noted) {
    noted = noted + a * all(0.0f);
}

// How a kernel touches the vectors of a row: whole, or the first lanes of its last one.
struct Whole {
    static VQ4J_SHARED_MEMBER Floats load(const float* p) { return vq4j::load(p); }
    static VQ4J_SHARED_MEMBER void store(float* p, Floats a) { vq4j::store(p, a); }
    static VQ4J_SHARED_MEMBER Floats choose(Floats a, Floats) { return a; }
};

// Only aligned vectors can be written past the caches.
struct WholePastCaches : Whole {
    static VQ4J_SHARED_MEMBER void store(float* p, Floats a) {
        if (reinterpret_cast<uintptr_t>(p) % sizeof(Floats) == 0) {
            store_past_caches(p, a);
        } else {
            vq4j::store(p, a);
        }
    }
};

struct First {
    int64_t count;

    VQ4J_SHARED_MEMBER Floats load(const float* p) const { return load_first(p, count); }
    VQ4J_SHARED_MEMBER void store(float* p, Floats a) const { store_first(p, count, a); }
    VQ4J_SHARED_MEMBER Floats choose(Floats a, Floats b) const { return choose_first(count, a, b); }
};

// body(i, access) for the vectors of `count` elements.
template <typename Full = Whole, typename Body>
VQ4J_SHARED void for_each_vector(int64_t count, Body body) {
    int64_t i = 0;
    for (; i + lanes <= count; i += lanes) {
        body(i, Full{});
    }
    if (i < count) {
        body(i, First{count - i});
    }
}

}  // namespace
}  // namespace vq4j

#endif
