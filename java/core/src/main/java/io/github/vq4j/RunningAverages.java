package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Memory;
import io.github.vq4j.internal.Scratch;
import java.util.Arrays;
import org.bytedeco.javacpp.FloatPointer;

/**
 * A running mean and a running variance, momentum 0.1. A pass prepares the next values apart; they are taken over when
 * nothing can fail any more.
 */
final class RunningAverages implements AutoCloseable {
    private static final float MOMENTUM = 0.1f;

    private final Kernels kernels;
    private final long count;
    private final boolean firstBatchCopies;
    private final Memory<FloatPointer> mean;
    private final Memory<FloatPointer> variance;
    private boolean started;

    /** The values after a pass that is not yet committed. */
    static final class Next implements AutoCloseable {
        private final Scratch<FloatPointer> mean;
        private final Scratch<FloatPointer> variance;
        private FloatPointer nextMean;
        private FloatPointer nextVariance;

        Next(Kernels kernels) {
            mean = Scratch.floats(kernels);
            variance = Scratch.floats(kernels);
        }

        FloatPointer mean() {
            return nextMean;
        }

        FloatPointer variance() {
            return nextVariance;
        }

        @Override
        public void close() {
            mean.close();
            variance.close();
        }
    }

    /** Starts at mean 0 and variance 1. @param firstBatchCopies whether these are never mixed in */
    RunningAverages(Kernels kernels, long count, boolean firstBatchCopies) {
        this.kernels = kernels;
        this.count = count;
        this.firstBatchCopies = firstBatchCopies;
        started = !firstBatchCopies;
        mean = Memory.floats(kernels, count);
        variance = Memory.floats(kernels, count);
        float[] start = new float[Math.toIntExact(count)];
        kernels.write(start, mean.pointer());
        Arrays.fill(start, 1f);
        kernels.write(start, variance.pointer());
    }

    /** Whether there are averages to use: where the first batch copies, not before it. */
    boolean started() {
        return started;
    }

    FloatPointer mean() {
        return mean.pointer();
    }

    FloatPointer variance() {
        return variance.pointer();
    }

    float[] readMean() {
        return read(mean.pointer());
    }

    float[] readVariance() {
        return read(variance.pointer());
    }

    void prepare(Next next, FloatPointer batchMean, FloatPointer batchVariance) {
        next.nextMean = mixed(next.mean, mean.pointer(), batchMean);
        next.nextVariance = mixed(next.variance, variance.pointer(), batchVariance);
    }

    void commit(Next next) {
        kernels.commit(mean.pointer(), next.nextMean, count * Float.BYTES);
        kernels.commit(variance.pointer(), next.nextVariance, count * Float.BYTES);
        started = true;
    }

    void visitState(StateVisitor state, String prefix) {
        state.floats(prefix + "mean", kernels, mean.pointer(), count);
        state.floats(prefix + "variance", kernels, variance.pointer(), count);
        if (firstBatchCopies) {
            state.flag(prefix + "started", () -> started, value -> started = value);
        }
    }

    /** Takes over what others of the same size hold. */
    void copyFrom(RunningAverages other) {
        kernels.copy(mean.pointer(), other.mean.pointer(), count * Float.BYTES);
        kernels.copy(variance.pointer(), other.variance.pointer(), count * Float.BYTES);
        started = other.started;
    }

    @Override
    public void close() {
        mean.close();
        variance.close();
    }

    private FloatPointer mixed(Scratch<FloatPointer> scratch, FloatPointer running, FloatPointer batch) {
        FloatPointer next = scratch.atLeast(count);
        if (!started) {
            kernels.copy(next, batch, count * Float.BYTES);
        } else {
            kernels.tensors.weightedSum(MOMENTUM, batch, 1 - MOMENTUM, running, count, next);
        }
        return next;
    }

    private float[] read(FloatPointer from) {
        float[] values = new float[Math.toIntExact(count)];
        kernels.read(from, values);
        return values;
    }
}
