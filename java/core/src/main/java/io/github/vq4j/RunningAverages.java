package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Memory;
import io.github.vq4j.internal.Scratch;
import java.util.Arrays;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;

/**
 * A running mean and a running variance, momentum 0.1. A pass prepares the next values apart; they are taken over when
 * nothing can fail any more. Whether a first batch has started them is known where the kernels run: on a CUDA device the
 * host need not wait for it.
 */
final class RunningAverages implements AutoCloseable {
    private static final float MOMENTUM = 0.1f;

    private final Kernels kernels;
    private final long count;
    private final boolean firstBatchCopies;
    private final Memory<FloatPointer> mean;
    private final Memory<FloatPointer> variance;
    private final Memory<IntPointer> started;
    private final Memory<IntPointer> one;

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
        mean = Memory.floats(kernels, count);
        variance = Memory.floats(kernels, count);
        float[] start = new float[Math.toIntExact(count)];
        kernels.write(start, mean.pointer());
        Arrays.fill(start, 1f);
        kernels.write(start, variance.pointer());
        started = Memory.ints(kernels, 1);
        one = Memory.ints(kernels, 1);
        start(!firstBatchCopies);
        kernels.write(new int[] {1}, one.pointer());
    }

    /** Whether there are averages to use: where the first batch copies, not before it. */
    boolean started() {
        int[] values = new int[1];
        kernels.read(started.pointer(), values);
        return values[0] != 0;
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
        if (firstBatchCopies) {
            kernels.commit(started.pointer(), one.pointer(), Integer.BYTES);
        }
    }

    void visitState(StateVisitor state, String prefix) {
        state.floats(prefix + "mean", kernels, mean.pointer(), count);
        state.floats(prefix + "variance", kernels, variance.pointer(), count);
        if (firstBatchCopies) {
            state.flag(prefix + "started", this::started, this::start);
        }
    }

    /** Takes over what others of the same size hold. */
    void copyFrom(RunningAverages other) {
        kernels.copy(mean.pointer(), other.mean.pointer(), count * Float.BYTES);
        kernels.copy(variance.pointer(), other.variance.pointer(), count * Float.BYTES);
        kernels.copy(started.pointer(), other.started.pointer(), Integer.BYTES);
    }

    @Override
    public void close() {
        mean.close();
        variance.close();
        started.close();
        one.close();
    }

    private void start(boolean yes) {
        kernels.write(new int[] {yes ? 1 : 0}, started.pointer());
    }

    private FloatPointer mixed(Scratch<FloatPointer> scratch, FloatPointer running, FloatPointer batch) {
        FloatPointer next = scratch.atLeast(count);
        kernels.norms.runningAverage(MOMENTUM, batch, started.pointer(), running, count, next);
        return next;
    }

    private float[] read(FloatPointer from) {
        float[] values = new float[Math.toIntExact(count)];
        kernels.read(from, values);
        return values;
    }
}
