package io.github.vq4j.internal;

import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;

/** Codebooks of moving averages: the section "codebooks of moving averages" of {@code vq4j/operations.h}. */
public final class MovingAverageKernels extends KernelSection {
    MovingAverageKernels(Kernels kernels) {
        super(kernels);
    }

    /** A step of a codebook that follows moving averages of its rows. */
    public void movingAverages(
            LongPointer counts,
            FloatPointer sums,
            long codes,
            long features,
            float momentum,
            double epsilon,
            FloatPointer sizes,
            FloatPointer averages,
            FloatPointer nextSizes,
            FloatPointer nextAverages,
            FloatPointer codebook) {
        check(
                onCuda()
                        ? CudaKernels.movingAverages(
                                stream(),
                                counts,
                                sums,
                                codes,
                                features,
                                momentum,
                                epsilon,
                                sizes,
                                averages,
                                nextSizes,
                                nextAverages,
                                codebook)
                        : CpuKernels.movingAverages(
                                counts,
                                sums,
                                codes,
                                features,
                                momentum,
                                epsilon,
                                sizes,
                                averages,
                                nextSizes,
                                nextAverages,
                                codebook));
    }

    /** Starts the averages of the marked codes anew, of all where mask is null; counts may be null. */
    public void restartAverages(
            FloatPointer codebook,
            IntPointer mask,
            LongPointer counts,
            long codes,
            long features,
            float size,
            FloatPointer sizes,
            FloatPointer averages) {
        check(
                onCuda()
                        ? CudaKernels.restartAverages(
                                stream(), codebook, mask, counts, codes, features, size, sizes, averages)
                        : CpuKernels.restartAverages(codebook, mask, counts, codes, features, size, sizes, averages));
    }

    /**
     * Marks the codes whose average size is below a threshold beside those that are marked, whose counters restart at
     * lifetime; counters may be null.
     */
    public void expireCodes(
            FloatPointer sizes,
            long codes,
            float threshold,
            int lifetime,
            IntPointer counters,
            IntPointer mask,
            LongPointer marked) {
        check(
                onCuda()
                        ? CudaKernels.expireCodes(stream(), sizes, codes, threshold, lifetime, counters, mask, marked)
                        : CpuKernels.expireCodes(sizes, codes, threshold, lifetime, counters, mask, marked));
    }
}
