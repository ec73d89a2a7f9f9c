/*
 * How libraries lend each other tensors without a copy: the binary interface of DLPack (https://dmlc.github.io/dlpack),
 * version 1.0, and the unversioned one before it. Declared here for the bindings, which fill and read these structs; the
 * kernels know nothing of them. The layout is DLPack's and must stay so.
 */
#ifndef VQ4J_DLPACK_H
#define VQ4J_DLPACK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Values of DLDevice.device_type that are understood. */
#define VQ4J_DLPACK_CPU 1
#define VQ4J_DLPACK_CUDA 2
#define VQ4J_DLPACK_CUDA_HOST 3
#define VQ4J_DLPACK_CUDA_MANAGED 13

/* Values of DLDataType.code that are understood. */
#define VQ4J_DLPACK_INT 0
#define VQ4J_DLPACK_FLOAT 2
#define VQ4J_DLPACK_BFLOAT 4

/* Bits of DLManagedTensorVersioned.flags that are understood. */
#define VQ4J_DLPACK_READ_ONLY 1

/** Where memory lies. */
typedef struct DLDevice {
    int32_t device_type;
    int32_t device_id;
} DLDevice;

/** The type of an element: kind of number, bits, and how many make an element. */
typedef struct DLDataType {
    uint8_t code;
    uint8_t bits;
    uint16_t lanes;
} DLDataType;

/** A view of memory. Strides count elements; NULL stands for row-major. */
typedef struct DLTensor {
    void* data;
    DLDevice device;
    int32_t ndim;
    DLDataType dtype;
    int64_t* shape;
    int64_t* strides;
    uint64_t byte_offset;
} DLTensor;

/** A tensor that is lent. Who takes it calls deleter once, on any thread, when it needs it no longer. */
typedef struct DLManagedTensor {
    DLTensor dl_tensor;
    void* manager_ctx;
    void (*deleter)(struct DLManagedTensor* self);
} DLManagedTensor;

/** Two versions with one major number have one layout. */
typedef struct DLPackVersion {
    uint32_t major;
    uint32_t minor;
} DLPackVersion;

/** The same with a version. */
typedef struct DLManagedTensorVersioned {
    DLPackVersion version;
    void* manager_ctx;
    void (*deleter)(struct DLManagedTensorVersioned* self);
    uint64_t flags;
    DLTensor dl_tensor;
} DLManagedTensorVersioned;

#ifdef __cplusplus
}
#endif

#endif
