package io.github.vq4j.presets;

import org.bytedeco.javacpp.annotation.Platform;
import org.bytedeco.javacpp.annotation.Properties;

/** Binds libvq4j_cuda to {@code io.github.vq4j.internal.CudaKernels}. */
@Properties(
        target = "io.github.vq4j.internal.CudaKernels",
        value =
                @Platform(
                        define = {"VQ4J_OPERATION(name) vq4j_cuda_##name", "VQ4J_STREAM void *stream,"},
                        cinclude = {"vq4j/status.h", "vq4j/operations.h", "vq4j/cuda.h"},
                        link = "vq4j_cuda",
                        library = "jnivq4j_cuda"))
public class CudaKernels extends KernelMapper {
    public CudaKernels() {
        super("vq4j_cuda_", "void *stream,", "vq4j/cuda.h");
    }
}
