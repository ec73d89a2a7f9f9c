package io.github.vq4j;

import io.github.vq4j.internal.Halves;
import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Rows;
import io.github.vq4j.internal.Scratch;
import java.util.List;
import java.util.Optional;
import org.bytedeco.javacpp.FloatPointer;
import org.jspecify.annotations.Nullable;

/** The norm of the input, forward and backward; holds the parameters and running moments of {@link Norm}. */
final class InputNorm implements AutoCloseable {
    /** Groups of {@link Norm#GROUP}. */
    static final int GROUPS = 32;

    private final Kernels kernels;
    private final Norm norm;
    private final long features;
    private final long groups;
    private final float epsilon;
    private final @Nullable Parameter scale;
    private final @Nullable Parameter shift;
    private final @Nullable RunningAverages running;

    /** What a pass keeps for its backward. */
    static final class State implements AutoCloseable {
        private final Scratch<FloatPointer> output;
        private final Scratch<FloatPointer> batchMean;
        private final Scratch<FloatPointer> batchVariance;
        private final Scratch<FloatPointer> unbiasedVariance;
        private final RunningAverages.Next next;
        private long samples;
        private boolean batchStatistics;
        private FloatPointer mean;
        private FloatPointer variance;

        State(Kernels kernels) {
            output = Scratch.floats(kernels);
            batchMean = Scratch.floats(kernels);
            batchVariance = Scratch.floats(kernels);
            unbiasedVariance = Scratch.floats(kernels);
            next = new RunningAverages.Next(kernels);
        }

        @Override
        public void close() {
            output.close();
            batchMean.close();
            batchVariance.close();
            unbiasedVariance.close();
            next.close();
        }
    }

    InputNorm(Kernels kernels, Norm norm, long features) {
        this.kernels = kernels;
        this.norm = norm;
        this.features = features;
        groups = norm == Norm.GROUP ? GROUPS : features;
        epsilon = norm == Norm.GROUP ? 1e-6f : 1e-5f;
        boolean learned = norm == Norm.BATCH || norm == Norm.GROUP;
        scale = learned ? new Parameter(kernels, "norm.scale", 1f, features) : null;
        shift = learned ? new Parameter(kernels, "norm.shift", 0f, features) : null;
        running = norm == Norm.BATCH ? new RunningAverages(kernels, features, false) : null;
    }

    boolean isIdentity() {
        return norm == Norm.NONE;
    }

    /** Whether training passes change running moments. */
    boolean changesInTraining() {
        return running != null;
    }

    /** Whether moments are taken of each sample. */
    boolean isOfSamples() {
        return norm == Norm.GROUP || norm == Norm.INSTANCE;
    }

    List<Parameter> parameters() {
        return scale == null ? List.of() : List.of(scale, shift);
    }

    /** Running mean and variance of {@link Norm#BATCH}. */
    Optional<List<float[]>> runningMoments() {
        return Optional.ofNullable(running).map(moments -> List.of(moments.readMean(), moments.readVariance()));
    }

    /**
     * The normalised rows. Changes nothing but {@code state}, and z where it comes in 16 bits.
     *
     * @param unread z in 16 bits, which is left in z; null: z is there
     */
    FloatPointer apply(
            FloatPointer z, @Nullable Halves unread, Rows rows, long samples, boolean training, State state) {
        if (norm == Norm.NONE) {
            return z;
        }
        FloatPointer out = state.output.atLeast(rows.elements());
        if (norm == Norm.UNIT || norm == Norm.MAX_NORM) {
            kernels.norms.rowNorm(unread, z, rows, norm == Norm.UNIT, out);
            return out;
        }
        state.samples = norm == Norm.BATCH ? 1 : samples;
        state.batchStatistics = running == null || training;
        Halves stillUnread = unread;
        if (state.batchStatistics) {
            takeMoments(z, unread, rows, state);
            stillUnread = null;
        } else {
            state.mean = running.mean();
            state.variance = running.variance();
        }
        kernels.norms.normalize(
                stillUnread,
                z,
                rows,
                state.samples,
                groups,
                state.mean,
                state.variance,
                epsilon,
                valueOf(scale),
                valueOf(shift),
                out);
        return out;
    }

    /** Takes the running moments of a training pass over. */
    void commit(State state) {
        if (running != null) {
            running.commit(state.next);
        }
    }

    /** Gradient of z from the gradient of the normalised rows; not called for {@link Norm#NONE}. */
    void gradient(FloatPointer z, FloatPointer gradient, Rows rows, State state, FloatPointer out) {
        if (norm == Norm.UNIT || norm == Norm.MAX_NORM) {
            kernels.norms.rowNormGradient(z, gradient, rows, norm == Norm.UNIT, out);
            return;
        }
        kernels.norms.normalizeGradient(
                z,
                gradient,
                rows,
                state.samples,
                groups,
                state.mean,
                state.variance,
                epsilon,
                valueOf(scale),
                state.batchStatistics,
                out,
                scale == null ? null : scale.newGradient(),
                shift == null ? null : shift.newGradient());
    }

    void visitState(StateVisitor state) {
        parameters().forEach(parameter -> parameter.visitState(state));
        if (running != null) {
            running.visitState(state, "norm.running.");
        }
    }

    /** Takes over parameters and running moments of the same norm. */
    void copyFrom(InputNorm other) {
        for (int i = 0; i < parameters().size(); i++) {
            kernels.copy(parameters().get(i).values(), other.parameters().get(i).values(), features * Float.BYTES);
        }
        if (running != null) {
            running.copyFrom(other.running);
        }
    }

    @Override
    public void close() {
        parameters().forEach(Parameter::close);
        if (running != null) {
            running.close();
        }
    }

    private void takeMoments(FloatPointer z, @Nullable Halves unread, Rows rows, State state) {
        long valuesOfOne = rows.count() / state.samples * (features / groups);
        if (valuesOfOne < 2) {
            throw new IllegalArgumentException("norm " + norm + " needs at least 2 values for a variance, got "
                    + valuesOfOne + ": " + rows.count() + " rows in " + state.samples + " samples");
        }
        state.mean = state.batchMean.atLeast(state.samples * groups);
        state.variance = state.batchVariance.atLeast(state.samples * groups);
        kernels.norms.moments(unread, z, rows, state.samples, groups, state.mean, state.variance);
        if (running != null) {
            FloatPointer unbiased = state.unbiasedVariance.atLeast(features);
            float factor = (float) (valuesOfOne / (valuesOfOne - 1.0));
            kernels.tensors.weightedSum(factor, state.variance, 0, state.variance, features, unbiased);
            running.prepare(state.next, state.mean, unbiased);
        }
    }

    private static @Nullable FloatPointer valueOf(@Nullable Parameter parameter) {
        return parameter == null ? null : parameter.values();
    }
}
