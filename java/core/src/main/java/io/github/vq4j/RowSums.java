package io.github.vq4j;

import io.github.vq4j.internal.Halves;
import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Rows;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.jspecify.annotations.Nullable;

/** All that training sums or draws over the rows of a batch: here over those that the layer itself is given. */
class RowSums {
    final Kernels kernels;

    RowSums(Kernels kernels) {
        this.kernels = kernels;
    }

    /** Whether other workers have rows of the batch, too. */
    boolean hasWorkers() {
        return false;
    }

    /** The number of rows of the batch, given those of the layer. */
    long count(Rows rows) {
        return rows.count();
    }

    /** Refuses a training batch of which the layer has no rows, where others cannot go on without it. */
    void checkMayBeEmpty() {}

    /** How often each code occurs. */
    void countCodes(IntPointer codes, long count, int codesCount, LongPointer counts) {
        kernels.assignment.countCodes(codes, count, codesCount, counts);
    }

    /** The sum of the rows of each code, K x D. */
    void scatter(FloatPointer z, Rows rows, IntPointer codes, int codesCount, FloatPointer sums) {
        kernels.loss.scatter(z, rows, codes, codesCount, sums);
    }

    /** Of each code, K x D: the sum over its rows of coefficient * (e - z) + nu * gradient. */
    void codebookGradient(
            FloatPointer z,
            @Nullable FloatPointer gradient,
            Rows rows,
            FloatPointer codebook,
            IntPointer codes,
            int codesCount,
            float coefficient,
            float nu,
            FloatPointer out) {
        kernels.loss.codebookGradient(z, gradient, rows, codebook, codes, codesCount, coefficient, nu, out);
    }

    /** As {@link #codebookGradient}, and the gradient of the rows: gradient + inputCoefficient * (z - e). */
    void gradients(
            FloatPointer z,
            @Nullable FloatPointer gradient,
            Rows rows,
            FloatPointer codebook,
            IntPointer codes,
            int codesCount,
            float inputCoefficient,
            float codebookCoefficient,
            float nu,
            FloatPointer outRows,
            FloatPointer outCodebook) {
        kernels.loss.gradients(
                z,
                gradient,
                rows,
                codebook,
                codes,
                codesCount,
                inputCoefficient,
                codebookCoefficient,
                nu,
                outRows,
                outCodebook);
    }

    /**
     * Mean and population variance of each feature.
     *
     * @param unread z in 16 bits, which is left in z; null: z is there
     */
    void moments(FloatPointer z, @Nullable Halves unread, Rows rows, FloatPointer mean, FloatPointer variance) {
        kernels.norms.moments(unread, z, rows, 1, rows.features(), mean, variance);
    }

    /** Replaces marked codes by rows drawn independently, with noise: {@link ReplacementPolicy#RANDOM_INPUT}. */
    void replaceCodes(
            FloatPointer z,
            Rows rows,
            ReplacementVectors.Target target,
            float noise,
            long seed,
            FloatPointer codebook) {
        kernels.replacement.replaceCodes(
                z,
                rows,
                target.mask(),
                target.codes(),
                target.effective().scale(),
                target.effective().shift(),
                target.affineGroups(),
                noise,
                seed,
                target.step(),
                codebook);
    }
}
