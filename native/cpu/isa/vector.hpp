// The vectors of the instruction set that the including unit is compiled for: what the assignment kernel needs, no more.
// Everything else is plain loops that the compiler vectorises. Internal linkage: no unit lends its code to another.
#ifndef VQ4J_CPU_ISA_VECTOR_HPP
#define VQ4J_CPU_ISA_VECTOR_HPP

#include "core/arithmetic.hpp"

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

namespace vq4j {
namespace {

#if defined(__AVX512F__)

constexpr int lanes = 16;

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
VQ4J_SHARED Ints ascending_from(int32_t first) {
    return {_mm512_add_epi32(_mm512_set1_epi32(first),
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15))};
}
VQ4J_SHARED Floats multiply_add(Floats a, Floats b, Floats c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }

// Where score > best: best becomes score, and code the new one. False for NaN.
VQ4J_SHARED void take_better(Floats score, Ints new_code, Floats& best, Ints& code) {
    const __mmask16 better = _mm512_cmp_ps_mask(score.v, best.v, _CMP_GT_OQ);
    best.v = _mm512_mask_mov_ps(best.v, better, score.v);
    code.v = _mm512_mask_mov_epi32(code.v, better, new_code.v);
}

// A bit for every lane where score >= bound, or either is NaN.
VQ4J_SHARED uint32_t lanes_not_below(Floats score, Floats bound) {
    return _mm512_cmp_ps_mask(score.v, bound.v, _CMP_NLT_UQ);
}

#elif defined(__AVX2__)

constexpr int lanes = 8;

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
VQ4J_SHARED Ints ascending_from(int32_t first) {
    return {_mm256_add_epi32(_mm256_set1_epi32(first), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))};
}
VQ4J_SHARED Floats multiply_add(Floats a, Floats b, Floats c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }

VQ4J_SHARED void take_better(Floats score, Ints new_code, Floats& best, Ints& code) {
    const __m256 better = _mm256_cmp_ps(score.v, best.v, _CMP_GT_OQ);
    best.v = _mm256_blendv_ps(best.v, score.v, better);
    code.v = _mm256_castps_si256(
        _mm256_blendv_ps(_mm256_castsi256_ps(code.v), _mm256_castsi256_ps(new_code.v), better));
}

VQ4J_SHARED uint32_t lanes_not_below(Floats score, Floats bound) {
    return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(score.v, bound.v, _CMP_NLT_UQ)));
}

#else

// As wide as two registers of the baseline instruction sets, in loops that the compiler turns into their instructions.
constexpr int lanes = 8;

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
VQ4J_SHARED Ints ascending_from(int32_t first) {
    return each_lane<Ints>([=](int lane) { return first + lane; });
}
VQ4J_SHARED Floats multiply_add(const Floats& a, const Floats& b, const Floats& c) {
    return each_lane<Floats>([&](int lane) { return fused_multiply_add(a.v[lane], b.v[lane], c.v[lane]); });
}

VQ4J_SHARED void take_better(const Floats& score, const Ints& new_code, Floats& best, Ints& code) {
    for (int lane = 0; lane < lanes; ++lane) {
        const bool better = score.v[lane] > best.v[lane];
        best.v[lane] = better ? score.v[lane] : best.v[lane];
        code.v[lane] = better ? new_code.v[lane] : code.v[lane];
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

}  // namespace
}  // namespace vq4j

#endif
