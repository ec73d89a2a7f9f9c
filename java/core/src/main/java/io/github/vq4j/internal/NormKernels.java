package io.github.vq4j.internal;

import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.jspecify.annotations.Nullable;

/** Moments, normalisation and norms of rows, with their gradients: the section "norms" of {@code vq4j/operations.h}. */
public final class NormKernels extends KernelSection {
    NormKernels(Kernels kernels) {
        super(kernels);
    }

    /**
     * Mean and population variance of contiguous groups of features, per sample.
     *
     * @param tensor what {@code values} is called in an error
     */
    public void moments(
            String tensor,
            FloatPointer values,
            Rows rows,
            long samples,
            long groups,
            FloatPointer mean,
            FloatPointer variance) {
        named(
                tensor,
                () -> check(
                        onCuda()
                                ? CudaKernels.moments(
                                        stream(),
                                        values,
                                        rows.outer(),
                                        rows.inner(),
                                        rows.features(),
                                        samples,
                                        groups,
                                        mean,
                                        variance)
                                : CpuKernels.moments(
                                        values,
                                        rows.outer(),
                                        rows.inner(),
                                        rows.features(),
                                        samples,
                                        groups,
                                        mean,
                                        variance)));
    }

    /** A running average after a batch, or the batch where {@code started} is 0; {@code out} may be either. */
    public void runningAverage(
            float momentum,
            FloatPointer batch,
            IntPointer started,
            FloatPointer running,
            long count,
            FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.runningAverage(stream(), momentum, batch, started, running, count, out)
                        : CpuKernels.runningAverage(momentum, batch, started, running, count, out));
    }

    /** As {@link #moments}, of z in 16 bits, which is left in z; null: z is there. */
    public void moments(
            @Nullable Halves unread,
            FloatPointer z,
            Rows rows,
            long samples,
            long groups,
            FloatPointer mean,
            FloatPointer variance) {
        if (unread == null) {
            moments("z", z, rows, samples, groups, mean, variance);
            return;
        }
        check(
                onCuda()
                        ? CudaKernels.momentsHalf(
                                stream(),
                                unread.values(),
                                unread.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                samples,
                                groups,
                                mean,
                                variance,
                                z)
                        : CpuKernels.momentsHalf(
                                unread.values(),
                                unread.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                samples,
                                groups,
                                mean,
                                variance,
                                z));
    }

    /** (z - mean) / sqrt(variance + epsilon) * scale + shift. */
    public void normalize(
            FloatPointer z,
            Rows rows,
            long samples,
            long groups,
            FloatPointer mean,
            FloatPointer variance,
            float epsilon,
            FloatPointer scale,
            FloatPointer shift,
            FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.normalize(
                                stream(),
                                z,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                samples,
                                groups,
                                mean,
                                variance,
                                epsilon,
                                scale,
                                shift,
                                out)
                        : CpuKernels.normalize(
                                z,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                samples,
                                groups,
                                mean,
                                variance,
                                epsilon,
                                scale,
                                shift,
                                out));
    }

    /** As {@link #normalize}, of z in 16 bits, which is left in z; null: z is there. */
    public void normalize(
            @Nullable Halves unread,
            FloatPointer z,
            Rows rows,
            long samples,
            long groups,
            FloatPointer mean,
            FloatPointer variance,
            float epsilon,
            FloatPointer scale,
            FloatPointer shift,
            FloatPointer out) {
        if (unread == null) {
            normalize(z, rows, samples, groups, mean, variance, epsilon, scale, shift, out);
            return;
        }
        check(
                onCuda()
                        ? CudaKernels.normalizeHalf(
                                stream(),
                                unread.values(),
                                unread.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                samples,
                                groups,
                                mean,
                                variance,
                                epsilon,
                                scale,
                                shift,
                                out,
                                z)
                        : CpuKernels.normalizeHalf(
                                unread.values(),
                                unread.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                samples,
                                groups,
                                mean,
                                variance,
                                epsilon,
                                scale,
                                shift,
                                out,
                                z));
    }

    /** Gradient through {@link #normalize}. */
    public void normalizeGradient(
            FloatPointer z,
            FloatPointer gradient,
            Rows rows,
            long samples,
            long groups,
            FloatPointer mean,
            FloatPointer variance,
            float epsilon,
            FloatPointer scale,
            boolean batchStatistics,
            FloatPointer out,
            FloatPointer scaleGradient,
            FloatPointer shiftGradient) {
        int batch = batchStatistics ? 1 : 0;
        check(
                onCuda()
                        ? CudaKernels.normalizeGradient(
                                stream(),
                                z,
                                gradient,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                samples,
                                groups,
                                mean,
                                variance,
                                epsilon,
                                scale,
                                batch,
                                out,
                                scaleGradient,
                                shiftGradient)
                        : CpuKernels.normalizeGradient(
                                z,
                                gradient,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                samples,
                                groups,
                                mean,
                                variance,
                                epsilon,
                                scale,
                                batch,
                                out,
                                scaleGradient,
                                shiftGradient));
    }

    /**
     * Rows scaled by their length.
     *
     * @param tensor what {@code values} is called in an error
     * @param unit rows of length 1, otherwise rows of length 10 at most
     */
    public void rowNorm(String tensor, FloatPointer values, Rows rows, boolean unit, FloatPointer out) {
        int kind = unit ? CpuKernels.VQ4J_UNIT : CpuKernels.VQ4J_MAX_NORM;
        named(
                tensor,
                () -> check(
                        onCuda()
                                ? CudaKernels.rowNorm(
                                        stream(), values, rows.outer(), rows.inner(), rows.features(), kind, out)
                                : CpuKernels.rowNorm(values, rows.outer(), rows.inner(), rows.features(), kind, out)));
    }

    /** As {@link #rowNorm}, of z in 16 bits, which is left in z; null: z is there. */
    public void rowNorm(@Nullable Halves unread, FloatPointer z, Rows rows, boolean unit, FloatPointer out) {
        if (unread == null) {
            rowNorm("z", z, rows, unit, out);
            return;
        }
        int kind = unit ? CpuKernels.VQ4J_UNIT : CpuKernels.VQ4J_MAX_NORM;
        check(
                onCuda()
                        ? CudaKernels.rowNormHalf(
                                stream(),
                                unread.values(),
                                unread.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                kind,
                                out,
                                z)
                        : CpuKernels.rowNormHalf(
                                unread.values(),
                                unread.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                kind,
                                out,
                                z));
    }

    /** Gradient through {@link #rowNorm}. */
    public void rowNormGradient(FloatPointer z, FloatPointer gradient, Rows rows, boolean unit, FloatPointer out) {
        int kind = unit ? CpuKernels.VQ4J_UNIT : CpuKernels.VQ4J_MAX_NORM;
        check(
                onCuda()
                        ? CudaKernels.rowNormGradient(
                                stream(), z, gradient, rows.outer(), rows.inner(), rows.features(), kind, out)
                        : CpuKernels.rowNormGradient(
                                z, gradient, rows.outer(), rows.inner(), rows.features(), kind, out));
    }

    /** Rows scaled to the lengths of the target's rows. */
    public void matchNorms(FloatPointer z, FloatPointer target, Rows rows, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.matchNorms(stream(), z, target, rows.outer(), rows.inner(), rows.features(), out)
                        : CpuKernels.matchNorms(z, target, rows.outer(), rows.inner(), rows.features(), out));
    }
}
