package io.github.vq4j.internal;

import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;

/** k-means: seeds, moves of the centroids, samples: the section "initialisation" of {@code vq4j/operations.h}. */
public final class ClusteringKernels extends KernelSection {
    ClusteringKernels(Kernels kernels) {
        super(kernels);
    }

    /** k-means++: as many rows as there are codes, far from each other. */
    public void seedCodebook(FloatPointer z, Rows rows, long codes, long seed, FloatPointer codebook) {
        check(
                onCuda()
                        ? CudaKernels.seedCodebook(
                                stream(), z, rows.outer(), rows.inner(), rows.features(), codes, seed, codebook)
                        : CpuKernels.seedCodebook(
                                z, rows.outer(), rows.inner(), rows.features(), codes, seed, codebook));
    }

    /** The rows, repeated into a row-major matrix, with noise. */
    public void repeatRows(FloatPointer z, Rows rows, long repeats, float noise, long seed, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.repeatRows(
                                stream(), z, rows.outer(), rows.inner(), rows.features(), repeats, noise, seed, out)
                        : CpuKernels.repeatRows(
                                z, rows.outer(), rows.inner(), rows.features(), repeats, noise, seed, out));
    }

    /** k-means by Lloyd's moves from the codebook given. */
    public void lloyd(
            FloatPointer z,
            Rows rows,
            long codesCount,
            long maxIterations,
            double tolerance,
            FloatPointer codebook,
            IntPointer codes,
            DoublePointer objective,
            LongPointer iterations) {
        check(
                onCuda()
                        ? CudaKernels.lloyd(
                                stream(),
                                z,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                codesCount,
                                maxIterations,
                                tolerance,
                                codebook,
                                codes,
                                objective,
                                iterations)
                        : CpuKernels.lloyd(
                                z,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                codesCount,
                                maxIterations,
                                tolerance,
                                codebook,
                                codes,
                                objective,
                                iterations));
    }

    /** Rows drawn uniformly, with repetition, into a row-major matrix. */
    public void sampleRows(FloatPointer z, Rows rows, long count, long seed, long batch, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.sampleRows(
                                stream(), z, rows.outer(), rows.inner(), rows.features(), count, seed, batch, out)
                        : CpuKernels.sampleRows(
                                z, rows.outer(), rows.inner(), rows.features(), count, seed, batch, out));
    }

    /** Codes moved by a mini-batch; {@code totals} counts the rows that moved each. */
    public void miniBatchUpdate(
            FloatPointer sums,
            LongPointer counts,
            long codes,
            long features,
            LongPointer totals,
            FloatPointer codebook) {
        check(
                onCuda()
                        ? CudaKernels.miniBatchUpdate(stream(), sums, counts, codes, features, totals, codebook)
                        : CpuKernels.miniBatchUpdate(sums, counts, codes, features, totals, codebook));
    }

    /** Lloyd's update: each code with rows becomes their mean. */
    public void updateCentroids(
            FloatPointer sums, LongPointer counts, long codes, long features, FloatPointer codebook) {
        check(
                onCuda()
                        ? CudaKernels.updateCentroids(stream(), sums, counts, codes, features, codebook)
                        : CpuKernels.updateCentroids(sums, counts, codes, features, codebook));
    }
}
