package io.github.vq4j.internal;

import org.bytedeco.javacpp.FloatPointer;

/** Pooling of images by the norms of their vectors: the section "pooling" of {@code vq4j/operations.h}. */
public final class PoolingKernels extends KernelSection {
    PoolingKernels(Kernels kernels) {
        super(kernels);
    }

    /**
     * Pooling of vectors by their lengths.
     *
     * @param shape of x, B x C x H x W
     */
    public void normPooling(FloatPointer x, long[] shape, Pooling pooling, int kind, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.normPooling(
                                stream(),
                                x,
                                shape[0],
                                shape[1],
                                shape[2],
                                shape[3],
                                pooling.kernel(),
                                pooling.stride(),
                                pooling.padding(),
                                pooling.dilation(),
                                kind,
                                out)
                        : CpuKernels.normPooling(
                                x,
                                shape[0],
                                shape[1],
                                shape[2],
                                shape[3],
                                pooling.kernel(),
                                pooling.stride(),
                                pooling.padding(),
                                pooling.dilation(),
                                kind,
                                out));
    }

    /** Gradient through {@link #normPooling}. */
    public void normPoolingGradient(
            FloatPointer x, FloatPointer gradient, long[] shape, Pooling pooling, int kind, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.normPoolingGradient(
                                stream(),
                                x,
                                gradient,
                                shape[0],
                                shape[1],
                                shape[2],
                                shape[3],
                                pooling.kernel(),
                                pooling.stride(),
                                pooling.padding(),
                                pooling.dilation(),
                                kind,
                                out)
                        : CpuKernels.normPoolingGradient(
                                x,
                                gradient,
                                shape[0],
                                shape[1],
                                shape[2],
                                shape[3],
                                pooling.kernel(),
                                pooling.stride(),
                                pooling.padding(),
                                pooling.dilation(),
                                kind,
                                out));
    }
}
