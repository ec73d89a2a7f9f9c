package io.github.vq4j.internal;

import io.github.vq4j.DataType;
import org.bytedeco.javacpp.ShortPointer;

/** Numbers in 16 bits, FLOAT16 or BFLOAT16, which the kernel that reads them first leaves in 32 bits where they are kept. */
public record Halves(ShortPointer values, DataType type) {
    /** What native code calls the type. */
    int nativeType() {
        return type == DataType.FLOAT16 ? CpuKernels.VQ4J_FLOAT16 : CpuKernels.VQ4J_BFLOAT16;
    }
}
