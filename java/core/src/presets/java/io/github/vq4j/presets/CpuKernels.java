package io.github.vq4j.presets;

import org.bytedeco.javacpp.annotation.Platform;
import org.bytedeco.javacpp.annotation.Properties;

/** Binds libvq4j, and the structs of DLPack, to {@code io.github.vq4j.internal.CpuKernels}. */
@Properties(
        target = "io.github.vq4j.internal.CpuKernels",
        value =
                @Platform(
                        define = {"VQ4J_OPERATION(name) vq4j_cpu_##name", "VQ4J_STREAM"},
                        cinclude = {"vq4j/status.h", "vq4j/operations.h", "vq4j/cpu.h", "vq4j/dlpack.h"},
                        link = "vq4j",
                        library = "jnivq4j"))
public class CpuKernels extends KernelMapper {
    public CpuKernels() {
        super("vq4j_cpu_", "", "vq4j/cpu.h");
    }
}
