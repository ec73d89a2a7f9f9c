/* The CPU implementation: every function of operations.h as vq4j_cpu_*, on host memory, and the CPU's own settings. */
#ifndef VQ4J_CPU_H
#define VQ4J_CPU_H

#include "vq4j/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define VQ4J_OPERATION(name) vq4j_cpu_##name
#define VQ4J_STREAM
#include "vq4j/operations.h"
#undef VQ4J_OPERATION
#undef VQ4J_STREAM

/**
 * Sets how many threads, the caller's included, work on one call. The results do not depend on it.
 * @param threads 1 to 1024. The default is the number of cores that the process may use.
 */
VQ4J_API int32_t vq4j_cpu_set_threads(int32_t threads);

/** How many threads, the caller's included, work on one call. */
VQ4J_API int32_t vq4j_cpu_threads(void);

/**
 * Chooses the instruction set of the kernels: "avx512_vnni" (AVX-512 with 8-bit dot products), "avx512", "avx2",
 * "neon" or "portable". The results do not depend on it.
 * VQ4J_INVALID_ARGUMENT when the machine or the build lacks it. The default is the widest of the machine.
 */
VQ4J_API int32_t vq4j_cpu_set_instruction_set(const char* name);

/** The instruction set in use: "avx512_vnni", "avx512", "avx2", "neon" or "portable". */
VQ4J_API const char* vq4j_cpu_instruction_set(void);

/**
 * Whether an assignment may rule out codes by bounds, of a filter of bytes or axes, before it scores the others, where an
 * instruction set has such filters. The results do not depend on it, and filters that do not pay are not used: this is to
 * measure what they bring.
 * @param allowed 1, the default, or 0
 */
VQ4J_API int32_t vq4j_cpu_set_filters(int32_t allowed);

#ifdef __cplusplus
}
#endif

#endif
