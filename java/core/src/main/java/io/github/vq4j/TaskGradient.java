package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Rows;
import io.github.vq4j.internal.Scratch;
import org.bytedeco.javacpp.FloatPointer;
import org.jspecify.annotations.Nullable;

/**
 * The gradient of the task with respect to the output of a pass, and what a {@link GradientEstimator} lets reach the rows
 * and their codes. All lie as the rows do; null stands for zero. The memory is reused by later passes.
 */
final class TaskGradient implements AutoCloseable {
    private final Kernels kernels;
    private final Scratch<FloatPointer> output;
    private final Scratch<FloatPointer> estimatedOfRows;
    private final Scratch<FloatPointer> estimatedOfCodes;

    /** What the rows receive. */
    @Nullable
    FloatPointer ofRows;

    /** What the codes receive a share of. */
    @Nullable
    FloatPointer ofCodes;

    TaskGradient(Kernels kernels) {
        this.kernels = kernels;
        output = Scratch.floats(kernels);
        estimatedOfRows = Scratch.floats(kernels);
        estimatedOfCodes = Scratch.floats(kernels);
    }

    /** Both receive the gradient as it is. */
    void passOn(@Nullable FloatPointer gradient) {
        ofRows = gradient;
        ofCodes = gradient;
    }

    /** Memory for the output, which an estimator needs again. */
    FloatPointer output(Rows rows) {
        return output.atLeast(rows.elements());
    }

    /**
     * Estimates from the rows and the {@link #output}.
     *
     * @param vectors the rows, or parts of them in place, that are replaced one by one
     */
    void estimate(GradientEstimator estimator, FloatPointer z, Rows rows, Rows vectors, FloatPointer gradient) {
        ofRows = estimatedOfRows.atLeast(rows.elements());
        ofCodes = estimator == GradientEstimator.DIVEQ ? estimatedOfCodes.atLeast(rows.elements()) : gradient;
        FloatPointer replaced = output(rows);
        FloatPointer toRows = ofRows;
        FloatPointer toCodes = ofCodes;
        kernels.withFailures(
                failure -> new NotFiniteException(failure.tensor(), rows.rowOf(failure.row(), vectors)),
                () -> kernels.loss.estimateGradient(z, replaced, gradient, vectors, estimator.kind(), toRows, toCodes));
    }

    @Override
    public void close() {
        output.close();
        estimatedOfRows.close();
        estimatedOfCodes.close();
    }
}
