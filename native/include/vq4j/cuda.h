/*
 * The CUDA implementation: every function of operations.h as vq4j_cuda_*, on device memory and a stream, and what only
 * a device has. The stream is a cudaStream_t (NULL: the default stream). Data pointers are device pointers.
 */
#ifndef VQ4J_CUDA_H
#define VQ4J_CUDA_H

#include "vq4j/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define VQ4J_OPERATION(name) vq4j_cuda_##name
#define VQ4J_STREAM void *stream,
#include "vq4j/operations.h"
#undef VQ4J_OPERATION
#undef VQ4J_STREAM

/**
 * Counts the devices that can run the kernels: those from 0 on, up to the first that cannot.
 * VQ4J_DEVICE_ERROR, with the reason in words (no driver, driver too old, no device, compute capability below 7.5, no memory
 * pools), when there is none.
 */
VQ4J_API int32_t vq4j_cuda_device_count(int32_t* count);

/**
 * Gives memory of allocate back once all that was put on any stream of its device is done: for memory that was used on another
 * stream than its own, or by another library. Waits for the device where one of the library's streams was not the default
 * stream; else it is in the order of the default stream. NULL is allowed.
 */
VQ4J_API void vq4j_cuda_release_when_idle(void* memory);

/** The device whose memory this is, or -1: memory of the host. */
VQ4J_API int32_t vq4j_cuda_device_of(const void* memory, int32_t* device);

/**
 * Makes a device the calling thread's current one until vq4j_cuda_leave_device. Every other function works on the current
 * device.
 */
VQ4J_API int32_t vq4j_cuda_use_device(int32_t device);

/**
 * Makes the device current again that was before the thread's first vq4j_cuda_use_device since the last of these: other
 * libraries rely on it. Without one nothing changes.
 */
VQ4J_API int32_t vq4j_cuda_leave_device(void);

/** The name of a device, or NULL where there is no such device. Valid until the thread's next call. */
VQ4J_API const char* vq4j_cuda_device_name(int32_t device);

/**
 * Chooses how assign and what uses it find the nearest codes, for the whole process. "simt" scores every code in fp32. "mma"
 * and "wgmma" filter codes by products in fp16 on tensor cores and score those that may be nearest, with up to 4096 features
 * (beyond, as "simt"): "mma" by the instruction of every GPU, "wgmma" by the one of compute capability 9.0 (elsewhere, or
 * where the library was not compiled for it or the environment has VQ4J_WITHOUT_WGMMA=1, as "mma"). "automatic", the
 * default, chooses by the shape and the device. The codes do not depend on it.
 * VQ4J_INVALID_ARGUMENT for any other name or a negative number.
 * @param rows_at_once the most rows that lie in scratch memory as fp16, 2 D bytes each, at a time; 0: as many as take 256 MiB
 */
VQ4J_API int32_t vq4j_cuda_set_assignment(const char* kernel, int64_t rows_at_once);

/**
 * How so many rows are assigned to K codes of D features on the current device: "simt", "mma" or "wgmma". NULL where the
 * device cannot be asked.
 */
VQ4J_API const char* vq4j_cuda_assignment(int64_t rows, int64_t codes_count, int64_t features);

/** Waits until all that was put on the stream is done. */
VQ4J_API int32_t vq4j_cuda_synchronize(void* stream);

/** Waits until all that was put on any stream of the current device is done, by whatever library. Not within a batch. */
VQ4J_API int32_t vq4j_cuda_synchronize_device(void);

/**
 * Waits for a stream of the current device and gives back what is kept of it between batches, graphs and device memory, and to
 * the device what the library keeps of its memory. For a stream that is about to be destroyed, whose address a new one may get:
 * batches that have been submitted to it can be finished, and memory that was allocated for it be given back, afterwards.
 * VQ4J_INVALID_ARGUMENT where the calling thread has a batch open on it; no other thread may have one.
 */
VQ4J_API int32_t vq4j_cuda_forget_stream(void* stream);

/** How many checks of data the calling thread's open batch has so far; 0 without one. They are numbered from 0. */
VQ4J_API int64_t vq4j_cuda_checks(void);

/**
 * The number, within its batch, of the check that made the calling thread's last call fail; -1 where that failed otherwise, or
 * this has been asked before.
 */
VQ4J_API int64_t vq4j_cuda_failed_check(void);

/**
 * How often batches of the same operations and sizes have to come until they become a graph: 1 makes one of the first, 0
 * none. The results do not depend on it. The default is 2, so that what comes once costs no graph.
 */
VQ4J_API int32_t vq4j_cuda_set_uses_until_graph(int32_t uses);

/**
 * What batches of the calling thread have done.
 * @param counts 6: graphs made, graphs launched, nodes of graphs updated, batches (or parts of them) run without a graph,
 *     times that the thread has waited for the device, in or out of a batch, kernels, fills and copies run,
 *     in or out of a batch
 */
VQ4J_API int32_t vq4j_cuda_batch_counts(int64_t* counts);

#ifdef __cplusplus
}
#endif

#endif
