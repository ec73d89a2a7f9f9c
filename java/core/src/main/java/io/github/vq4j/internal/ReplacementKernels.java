package io.github.vq4j.internal;

import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.jspecify.annotations.Nullable;

/** Counters of unused codes, and what replaces these: the section "replacement" of {@code vq4j/operations.h}. */
public final class ReplacementKernels extends KernelSection {
    ReplacementKernels(Kernels kernels) {
        super(kernels);
    }

    /** Counts the life of unused codes down and marks those at its end. */
    public void countDown(
            LongPointer counts, long codes, int lifetime, IntPointer counters, IntPointer mask, LongPointer replaced) {
        check(
                onCuda()
                        ? CudaKernels.countDown(stream(), counts, codes, lifetime, counters, mask, replaced)
                        : CpuKernels.countDown(counts, codes, lifetime, counters, mask, replaced));
    }

    /** Replaces the marked codes by random rows, mapped back through the affine if there is one. */
    public void replaceCodes(
            FloatPointer z,
            Rows rows,
            IntPointer mask,
            long codes,
            FloatPointer scale,
            FloatPointer shift,
            long groups,
            float noise,
            long seed,
            long step,
            FloatPointer codebook) {
        check(
                onCuda()
                        ? CudaKernels.replaceCodes(
                                stream(),
                                z,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                mask,
                                codes,
                                scale,
                                shift,
                                groups,
                                noise,
                                seed,
                                step,
                                codebook)
                        : CpuKernels.replaceCodes(
                                z,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                mask,
                                codes,
                                scale,
                                shift,
                                groups,
                                noise,
                                seed,
                                step,
                                codebook));
    }

    /** Replaces the marked codes by vectors in turn, from marked code number {@code exact} on with noise. */
    public void placeCodes(
            FloatPointer vectors,
            long vectorsCount,
            IntPointer mask,
            long codes,
            long features,
            FloatPointer scale,
            FloatPointer shift,
            long groups,
            long exact,
            float noise,
            long seed,
            long step,
            FloatPointer codebook) {
        check(
                onCuda()
                        ? CudaKernels.placeCodes(
                                stream(),
                                vectors,
                                vectorsCount,
                                mask,
                                codes,
                                features,
                                scale,
                                shift,
                                groups,
                                exact,
                                noise,
                                seed,
                                step,
                                codebook)
                        : CpuKernels.placeCodes(
                                vectors,
                                vectorsCount,
                                mask,
                                codes,
                                features,
                                scale,
                                shift,
                                groups,
                                exact,
                                noise,
                                seed,
                                step,
                                codebook));
    }

    /**
     * The numbers of the rows with the largest distances, the farthest first.
     *
     * @param wanted how many of them are used, one number; where that is 0 they are all 0; null for all
     */
    public void farthestRows(
            FloatPointer distances, long rows, long count, @Nullable LongPointer wanted, LongPointer order) {
        check(
                onCuda()
                        ? CudaKernels.farthestRows(stream(), distances, rows, count, wanted, order)
                        : CpuKernels.farthestRows(distances, rows, count, wanted, order));
    }

    /** The codes that are used, the busiest first, in turn; {@code wanted} as in {@link #farthestRows}. */
    public void busiestCodes(LongPointer counts, long codes, @Nullable LongPointer wanted, LongPointer order) {
        check(
                onCuda()
                        ? CudaKernels.busiestCodes(stream(), counts, codes, wanted, order)
                        : CpuKernels.busiestCodes(counts, codes, wanted, order));
    }
}
