package io.github.vq4j.internal;

import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.jspecify.annotations.Nullable;

/** Sums and draws that are the same for any division of the rows among workers: the section "sums over workers" of {@code vq4j/operations.h}. */
public final class WorkerKernels extends KernelSection {
    WorkerKernels(Kernels kernels) {
        super(kernels);
    }

    /** The largest magnitude of all elements. */
    public void largestMagnitude(FloatPointer z, Rows rows, FloatPointer largest) {
        check(
                onCuda()
                        ? CudaKernels.largestMagnitude(
                                stream(), z, rows.outer(), rows.inner(), rows.features(), largest)
                        : CpuKernels.largestMagnitude(z, rows.outer(), rows.inner(), rows.features(), largest));
    }

    /** Fixed-point sum of the rows of each code; null codes for one code that has all rows. */
    public void fixedPointScatter(
            FloatPointer z,
            Rows rows,
            @Nullable IntPointer codes,
            long codesCount,
            @Nullable FloatPointer shift,
            int power,
            int exponent,
            LongPointer sums) {
        check(
                onCuda()
                        ? CudaKernels.fixedPointScatter(
                                stream(),
                                z,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                codes,
                                codesCount,
                                shift,
                                power,
                                exponent,
                                sums)
                        : CpuKernels.fixedPointScatter(
                                z,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                codes,
                                codesCount,
                                shift,
                                power,
                                exponent,
                                sums));
    }

    /** sums / 2^exponent / divisor. */
    public void fromFixedPoint(LongPointer sums, long count, int exponent, double divisor, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.fromFixedPoint(stream(), sums, count, exponent, divisor, out)
                        : CpuKernels.fromFixedPoint(sums, count, exponent, divisor, out));
    }

    /** This worker's candidates for the places of marked codes. */
    public void drawRows(
            FloatPointer z,
            Rows rows,
            IntPointer mask,
            long codesCount,
            long seed,
            long step,
            LongPointer tickets,
            LongPointer chosen) {
        check(
                onCuda()
                        ? CudaKernels.drawRows(
                                stream(),
                                z,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                mask,
                                codesCount,
                                seed,
                                step,
                                tickets,
                                chosen)
                        : CpuKernels.drawRows(
                                z,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                mask,
                                codesCount,
                                seed,
                                step,
                                tickets,
                                chosen));
    }

    /** The ticket of every row: those with the largest are a sample that does not depend on the rows' order. */
    public void rowTickets(FloatPointer z, Rows rows, long seed, LongPointer tickets) {
        check(
                onCuda()
                        ? CudaKernels.rowTickets(
                                stream(), z, rows.outer(), rows.inner(), rows.features(), seed, tickets)
                        : CpuKernels.rowTickets(z, rows.outer(), rows.inner(), rows.features(), seed, tickets));
    }
}
