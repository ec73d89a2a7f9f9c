package io.github.vq4j.benchmarks.jmh;

import io.github.vq4j.internal.CpuKernels;
import io.github.vq4j.internal.Pooling;
import org.bytedeco.javacpp.FloatPointer;
import org.openjdk.jmh.annotations.Benchmark;

/** Pooling of vectors by their lengths, windows of 2 x 2 on images of 16 x 16 pixels. */
public class PoolingBenchmark extends OperationData {
    private static final int SIDE = 16;
    private static final Pooling WINDOWS = new Pooling(2, 2, 0, 1);

    private long[] shape;
    private FloatPointer images;
    private FloatPointer pooled;
    private FloatPointer imageGradient;

    @Override
    protected void prepareMore() {
        shape = new long[] {Math.max(1, rows / (SIDE * SIDE)), features, SIDE, SIDE};
        long pixels = shape[0] * SIDE * SIDE;
        images = normal(12, pixels * features);
        imageGradient = floats(pixels * features);
        pooled = normal(13, pixels * features / 4);
    }

    /** The longest vector of each window. */
    @Benchmark
    public void normPooling() {
        kernels.pooling.normPooling(images, shape, WINDOWS, CpuKernels.VQ4J_POOL_MAX, pooled);
    }

    /** Through it. */
    @Benchmark
    public void normPoolingGradient() {
        kernels.pooling.normPoolingGradient(images, pooled, shape, WINDOWS, CpuKernels.VQ4J_POOL_MAX, imageGradient);
    }
}
