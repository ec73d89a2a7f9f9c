/*
 * Status codes of the C API, and what both implementations share.
 *
 * Every function that can fail returns one of these codes. The text that goes with the last failure of the calling
 * thread is returned by vq4j_cpu_last_error() or vq4j_cuda_last_error().
 */
#ifndef VQ4J_STATUS_H
#define VQ4J_STATUS_H

#include <stdint.h>

#if defined(__GNUC__)
#define VQ4J_API __attribute__((visibility("default")))
#else
#define VQ4J_API
#endif

/** Success. */
#define VQ4J_OK 0
/** A size is not positive, sizes overflow, a pointer is missing, a code is out of range, an option is unknown. */
#define VQ4J_INVALID_ARGUMENT 1
/** A NaN or an infinity in an input; the message names the tensor and its first bad row. */
#define VQ4J_NOT_FINITE 2
/** The memory asked for is not to be had. */
#define VQ4J_OUT_OF_MEMORY 3
/** The device is missing, or one of its calls failed. */
#define VQ4J_DEVICE_ERROR 4

/** Row norm: every row scaled to Euclidean length 1 (rows shorter than 1e-12 are divided by 1e-12). */
#define VQ4J_UNIT 0
/** Row norm: rows longer than 10 scaled to length 10, others left as they are. */
#define VQ4J_MAX_NORM 1

/** Gradient estimator: the code is the rotated and scaled vector, rotation and scale being constants. */
#define VQ4J_ROTATION 0
/** Gradient estimator: the code lies at the distance |e - z| from the vector in a direction that is constant. */
#define VQ4J_DIRECTED 1

/** Distance: |z - c|^2. */
#define VQ4J_SQUARED_EUCLIDEAN 0
/** Distance: |z - c|. */
#define VQ4J_EUCLIDEAN 1
/** Distance: 1 - cos(z, c). */
#define VQ4J_COSINE 2

/** Pooling: the longest vector of the window. */
#define VQ4J_POOL_MAX 0
/** Pooling: the mean of the window's vectors, weighted by the softmax of their lengths. */
#define VQ4J_POOL_SOFTMAX 1

/** 16-bit type: IEEE binary16. */
#define VQ4J_FLOAT16 1
/** 16-bit type: the upper half of an fp32 number. */
#define VQ4J_BFLOAT16 2

#endif
