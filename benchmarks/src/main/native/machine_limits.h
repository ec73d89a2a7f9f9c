// What this machine can do at most: fused multiply-adds, and copies of memory.
//
// multiplyAddRate: every thread keeps independent chains of fused multiply-adds in registers, at least as many as the FMA
// units' latency times their number; nothing is read from memory. Bound: the FMA units alone.
// copyRate: every thread copies a part of its own with memcpy. Bound: the memory alone, if the bytes exceed the caches.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <thread>
#include <vector>

#include <malloc.h>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace machine_limits {

#if defined(__x86_64__)
constexpr int chains = 12;  // with two constants in the 16 registers of AVX2
#else
constexpr int chains = 16;
#endif

// One function an instruction set: the sum of the chains, each of `steps` times x = x / 2 + 1.
// The loop over the chains is unrolled completely, so that they live in registers.
#define MACHINE_LIMITS_CHAINS(name, attributes, vector, broadcast, multiply_add, first_lane)        \
    attributes inline float name(std::int64_t steps) {                                              \
        vector x[chains];                                                                           \
        for (int i = 0; i < chains; ++i) x[i] = broadcast(static_cast<float>(i));                   \
        const vector half = broadcast(0.5f);                                                        \
        const vector one = broadcast(1.0f);                                                         \
        for (std::int64_t step = 0; step < steps; ++step) {                                         \
            for (int i = 0; i < chains; ++i) x[i] = multiply_add(x[i], half, one);                  \
        }                                                                                           \
        float sum = 0;                                                                              \
        for (int i = 0; i < chains; ++i) sum += first_lane(x[i]);                                   \
        return sum;                                                                                 \
    }

#define MACHINE_LIMITS_FOR(isa) __attribute__((target(isa), noinline, optimize("O3")))

#if defined(__x86_64__)
MACHINE_LIMITS_CHAINS(avx512_chains, MACHINE_LIMITS_FOR("avx512f"), __m512, _mm512_set1_ps, _mm512_fmadd_ps, _mm512_cvtss_f32)
MACHINE_LIMITS_CHAINS(avx2_chains, MACHINE_LIMITS_FOR("avx2,fma"), __m256, _mm256_set1_ps, _mm256_fmadd_ps, _mm256_cvtss_f32)
#elif defined(__aarch64__)
inline float32x4_t neon_multiply_add(float32x4_t x, float32x4_t y, float32x4_t z) { return vfmaq_f32(z, x, y); }
inline float neon_first_lane(float32x4_t x) { return vgetq_lane_f32(x, 0); }
MACHINE_LIMITS_CHAINS(neon_chains, __attribute__((noinline)), float32x4_t, vdupq_n_f32, neon_multiply_add, neon_first_lane)
#endif
inline float scalar_broadcast(float x) { return x; }
inline float scalar_multiply_add(float x, float y, float z) { return x * y + z; }
MACHINE_LIMITS_CHAINS(scalar_chains, __attribute__((noinline)), float, scalar_broadcast, scalar_multiply_add, scalar_broadcast)

struct InstructionSet {
    const char* name;
    int lanes;
    float (*run)(std::int64_t steps);
};

/** The widest that this machine has. */
inline InstructionSet widest() {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return {"avx512", 16, avx512_chains};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return {"avx2", 8, avx2_chains};
#elif defined(__aarch64__)
    return {"neon", 4, neon_chains};
#endif
    return {"scalar", 1, scalar_chains};
}

/** Seconds from the moment that all threads are ready until the last has done work(its number). */
template <class Work>
double seconds(int threads, Work work) {
    std::atomic<int> ready{0};
    std::atomic<bool> go{false};
    std::vector<std::thread> others;
    for (int thread = 1; thread < threads; ++thread) {
        others.emplace_back([&, thread] {
            ++ready;
            while (!go) std::this_thread::yield();
            work(thread);
        });
    }
    while (ready < threads - 1) std::this_thread::yield();
    const auto begin = std::chrono::steady_clock::now();
    go = true;
    work(0);
    for (std::thread& other : others) other.join();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace machine_limits

/** The instruction set that multiplyAddRate measures. */
inline const char* instructionSet() { return machine_limits::widest().name; }

/** Floating-point operations in a second, two for each multiply-add, by the widest instructions on some threads. */
inline double multiplyAddRate(int threads) {
    using namespace machine_limits;
    constexpr std::int64_t steps = 4'000'000;
    const InstructionSet instructions = widest();
    std::atomic<float> sink{0};  // a result that nobody takes would not be computed
    const double time = machine_limits::seconds(threads, [&](int) { sink = instructions.run(steps); });
    return 2.0 * chains * instructions.lanes * static_cast<double>(steps) * threads / time;
}

/** Bytes read and written in a second by a copy of `bytes` bytes, cut evenly over some threads. */
inline double copyRate(void* to, const void* from, std::int64_t bytes, int threads) {
    const std::int64_t part = (bytes + threads - 1) / threads;
    const double time = machine_limits::seconds(threads, [&](int thread) {
        const std::int64_t begin = part * thread;
        const std::int64_t count = begin + part < bytes ? part : bytes - begin;
        if (count > 0) std::memcpy(static_cast<char*>(to) + begin, static_cast<const char*>(from) + begin, count);
    });
    return 2.0 * static_cast<double>(bytes) / time;
}

/** Gives the system back what the allocator keeps for later, so that memory asked for next shows as growth. */
inline void releaseFreeMemory() { malloc_trim(0); }
