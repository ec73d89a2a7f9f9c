package io.github.vq4j.internal;

import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.jspecify.annotations.Nullable;

/** The commitment loss and its gradients: the section "loss and gradients" of {@code vq4j/operations.h}. */
public final class LossKernels extends KernelSection {
    LossKernels(Kernels kernels) {
        super(kernels);
    }

    /**
     * Squared error of every row to its code, and its means over each sample and over all.
     *
     * @param out receives the codes' vectors as of {@link AssignmentKernels#lookup}; null: nothing does
     * @param left receives what they leave of the rows as of {@link AssignmentKernels#residual}; null: nothing does
     */
    public void commitmentLoss(
            FloatPointer z,
            Rows rows,
            FloatPointer codebook,
            IntPointer codes,
            long samples,
            FloatPointer distances,
            DoublePointer sampleMeans,
            DoublePointer mean,
            @Nullable FloatPointer out,
            @Nullable FloatPointer left) {
        check(
                onCuda()
                        ? CudaKernels.commitmentLoss(
                                stream(),
                                z,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                codebook,
                                codes,
                                samples,
                                distances,
                                sampleMeans,
                                mean,
                                out,
                                left)
                        : CpuKernels.commitmentLoss(
                                z,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                codebook,
                                codes,
                                samples,
                                distances,
                                sampleMeans,
                                mean,
                                out,
                                left));
    }

    /**
     * Means of squared errors that some of the rows have, over each sample's and over all.
     *
     * @param order the rows' numbers, {@code count} of them; null for all
     * @param distancesOfRow distances of each
     */
    public void meanDistances(
            FloatPointer distances,
            LongPointer order,
            long count,
            long distancesOfRow,
            long rows,
            long samples,
            long features,
            DoublePointer sampleMeans,
            DoublePointer mean) {
        check(
                onCuda()
                        ? CudaKernels.meanDistances(
                                stream(),
                                distances,
                                order,
                                count,
                                distancesOfRow,
                                rows,
                                samples,
                                features,
                                sampleMeans,
                                mean)
                        : CpuKernels.meanDistances(
                                distances, order, count, distancesOfRow, rows, samples, features, sampleMeans, mean));
    }

    /** Gradient of the input: gradient + coefficient * (z - e). A null gradient counts as zero. */
    public void inputGradient(
            FloatPointer z,
            FloatPointer gradient,
            Rows rows,
            FloatPointer codebook,
            IntPointer codes,
            float coefficient,
            FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.inputGradient(
                                stream(),
                                z,
                                gradient,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                codebook,
                                codes,
                                coefficient,
                                out)
                        : CpuKernels.inputGradient(
                                z,
                                gradient,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                codebook,
                                codes,
                                coefficient,
                                out));
    }

    /**
     * {@link #inputGradient} and {@link #codebookGradient}, of one read of the rows where that is possible; one by one
     * outside of a batch, where the first one's failure leaves the codes' gradient as it was.
     *
     * @param nu where it is 0, the codes receive nothing of the task's gradient
     */
    public void gradients(
            FloatPointer z,
            @Nullable FloatPointer gradient,
            Rows rows,
            FloatPointer codebook,
            IntPointer codes,
            long codesCount,
            float inputCoefficient,
            float codebookCoefficient,
            float nu,
            FloatPointer outRows,
            FloatPointer outCodebook) {
        if (kernels.openBatch() == null) {
            inputGradient(z, gradient, rows, codebook, codes, inputCoefficient, outRows);
            FloatPointer shared = nu == 0 ? null : gradient;
            codebookGradient(z, shared, rows, codebook, codes, codesCount, codebookCoefficient, nu, outCodebook);
            return;
        }
        check(CudaKernels.gradients(
                stream(),
                z,
                gradient,
                rows.outer(),
                rows.inner(),
                rows.features(),
                codebook,
                codes,
                codesCount,
                inputCoefficient,
                codebookCoefficient,
                nu,
                outRows,
                outCodebook));
    }

    /** Gradient of the codebook: sums of nu * gradient + coefficient * (e - z). A null gradient counts as zero. */
    public void codebookGradient(
            FloatPointer z,
            FloatPointer gradient,
            Rows rows,
            FloatPointer codebook,
            IntPointer codes,
            long codesCount,
            float coefficient,
            float nu,
            FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.codebookGradient(
                                stream(),
                                z,
                                gradient,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                codebook,
                                codes,
                                codesCount,
                                coefficient,
                                nu,
                                out)
                        : CpuKernels.codebookGradient(
                                z,
                                gradient,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                codebook,
                                codes,
                                codesCount,
                                coefficient,
                                nu,
                                out));
    }

    /**
     * Gradients through the replacement of vectors by {@code replacedBy}, of a kind of the C API. {@code ofCodes} is written by
     * VQ4J_DIRECTED only.
     */
    public void estimateGradient(
            FloatPointer z,
            FloatPointer replacedBy,
            FloatPointer gradient,
            Rows rows,
            int kind,
            FloatPointer ofRows,
            FloatPointer ofCodes) {
        check(
                onCuda()
                        ? CudaKernels.estimateGradient(
                                stream(),
                                z,
                                replacedBy,
                                gradient,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                kind,
                                ofRows,
                                ofCodes)
                        : CpuKernels.estimateGradient(
                                z,
                                replacedBy,
                                gradient,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                kind,
                                ofRows,
                                ofCodes));
    }

    /** Sum of the rows of each code. */
    public void scatter(FloatPointer z, Rows rows, IntPointer codes, long codesCount, FloatPointer sums) {
        check(
                onCuda()
                        ? CudaKernels.scatter(
                                stream(), z, rows.outer(), rows.inner(), rows.features(), codes, codesCount, sums)
                        : CpuKernels.scatter(z, rows.outer(), rows.inner(), rows.features(), codes, codesCount, sums));
    }
}
