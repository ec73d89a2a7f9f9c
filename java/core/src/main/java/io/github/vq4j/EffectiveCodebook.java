package io.github.vq4j;

import io.github.vq4j.internal.Halves;
import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Rows;
import io.github.vq4j.internal.Scratch;
import java.util.List;
import java.util.Optional;
import org.bytedeco.javacpp.FloatPointer;
import org.jspecify.annotations.Nullable;

/**
 * From the stored codebook C to the one that rows are compared with, C' = s * P(C) + b: P the codebook norm, (s, b) the
 * affine reparameterisation, learned or from statistics, one for each group of codes. And the gradient back.
 */
final class EffectiveCodebook implements AutoCloseable {
    private enum Affine {
        NONE,
        LEARNED,
        STATISTICS
    }

    private final Kernels kernels;
    private final RowSums sums;
    private final CodebookNorm norm;
    private final Affine affine;
    private final long codes;
    private final long features;
    private final long groups;
    private final float rate;
    private final @Nullable Parameter scaleParameter;
    private final @Nullable Parameter biasParameter;
    private final @Nullable RunningAverages inputMoments;
    private final @Nullable RunningAverages codebookMoments;

    /** What a pass keeps for its backward. */
    static final class State implements AutoCloseable {
        private final Scratch<FloatPointer> projected;
        private final Scratch<FloatPointer> transformed;
        private final Scratch<FloatPointer> scales;
        private final Scratch<FloatPointer> shifts;
        private final Scratch<FloatPointer> batchMean;
        private final Scratch<FloatPointer> batchVariance;
        private final RunningAverages.Next nextInput;
        private final RunningAverages.Next nextCodebook;
        private final Scratch<FloatPointer> gradient;
        private FloatPointer base;
        private FloatPointer effective;
        private @Nullable FloatPointer scale;
        private @Nullable FloatPointer shift;

        State(Kernels kernels) {
            projected = Scratch.floats(kernels);
            transformed = Scratch.floats(kernels);
            scales = Scratch.floats(kernels);
            shifts = Scratch.floats(kernels);
            batchMean = Scratch.floats(kernels);
            batchVariance = Scratch.floats(kernels);
            nextInput = new RunningAverages.Next(kernels);
            nextCodebook = new RunningAverages.Next(kernels);
            gradient = Scratch.floats(kernels);
        }

        /** P(C): what a training pass stores as the codebook. */
        FloatPointer base() {
            return base;
        }

        /** C'. */
        FloatPointer effective() {
            return effective;
        }

        /** s, groups x D; null without an affine. */
        @Nullable
        FloatPointer scale() {
            return scale;
        }

        /** b, groups x D; null without an affine. */
        @Nullable
        FloatPointer shift() {
            return shift;
        }

        @Override
        public void close() {
            projected.close();
            transformed.close();
            scales.close();
            shifts.close();
            batchMean.close();
            batchVariance.close();
            nextInput.close();
            nextCodebook.close();
            gradient.close();
        }
    }

    /** @param prefix of the names of the parameters */
    EffectiveCodebook(
            RowSums sums,
            String prefix,
            CodebookNorm norm,
            double affineLr,
            boolean statisticsAffine,
            long codes,
            long features,
            long groups) {
        this.sums = sums;
        kernels = sums.kernels;
        this.norm = norm;
        this.codes = codes;
        this.features = features;
        this.groups = groups;
        rate = (float) affineLr;
        affine = statisticsAffine ? Affine.STATISTICS : affineLr > 0 ? Affine.LEARNED : Affine.NONE;
        boolean learned = affine == Affine.LEARNED;
        scaleParameter = learned ? new Parameter(kernels, prefix + "affine.scale", 0f, groups, features) : null;
        biasParameter = learned ? new Parameter(kernels, prefix + "affine.bias", 0f, groups, features) : null;
        inputMoments = statisticsAffine ? new RunningAverages(kernels, features, true) : null;
        codebookMoments = statisticsAffine ? new RunningAverages(kernels, groups * features, true) : null;
    }

    /** Whether training passes change running moments, or the stored codebook by projecting it. */
    boolean changesInTraining() {
        return inputMoments != null || norm != CodebookNorm.NONE;
    }

    /** Whether a training pass takes moments of its rows. */
    boolean readsRows() {
        return inputMoments != null;
    }

    List<Parameter> parameters() {
        return scaleParameter == null ? List.of() : List.of(scaleParameter, biasParameter);
    }

    Optional<RunningMoments> runningMoments() {
        if (inputMoments == null || !inputMoments.started()) {
            return Optional.empty();
        }
        return Optional.of(new RunningMoments(
                inputMoments.readMean(),
                inputMoments.readVariance(),
                codebookMoments.readMean(),
                codebookMoments.readVariance()));
    }

    long groups() {
        return groups;
    }

    /**
     * Computes C' for a training pass over normalised rows. Changes nothing but {@code state}.
     *
     * @param unread z in 16 bits, which is left in z where {@link #readsRows}; null: z is there
     */
    FloatPointer forTraining(FloatPointer codebook, FloatPointer z, @Nullable Halves unread, Rows rows, State state) {
        project(codebook, state);
        prepareAffine(state);
        if (affine == Affine.STATISTICS) {
            FloatPointer mean = state.batchMean.atLeast(groups * features);
            FloatPointer variance = state.batchVariance.atLeast(groups * features);
            sums.moments(z, unread, rows, mean, variance);
            inputMoments.prepare(state.nextInput, mean, variance);
            kernels.norms.moments(
                    "codebook", state.base, Rows.matrix(codes, features), groups, features, mean, variance);
            codebookMoments.prepare(state.nextCodebook, mean, variance);
            fromStatistics(
                    state.nextInput.mean(),
                    state.nextInput.variance(),
                    state.nextCodebook.mean(),
                    state.nextCodebook.variance(),
                    state);
        }
        return transform(state);
    }

    /** Computes C' for inference. Changes nothing but {@code state}. */
    FloatPointer forInference(FloatPointer codebook, State state) {
        project(codebook, state);
        prepareAffine(state);
        if (affine == Affine.STATISTICS) {
            // Before the first training batch mean 0 and variance 1 stand on both sides: the identity, as 1 + 1e-8 is
            // 1.
            fromStatistics(
                    inputMoments.mean(),
                    inputMoments.variance(),
                    codebookMoments.mean(),
                    codebookMoments.variance(),
                    state);
        }
        return transform(state);
    }

    /** Takes the running moments of a training pass over. */
    void commit(State state) {
        if (affine == Affine.STATISTICS) {
            inputMoments.commit(state.nextInput);
            codebookMoments.commit(state.nextCodebook);
        }
    }

    /** Computes C' anew from a codebook that has changed since, with the affine of the state. */
    FloatPointer refresh(FloatPointer codebook, State state) {
        project(codebook, state);
        return transform(state);
    }

    /** Replaces a codebook by P of it. */
    void projectInPlace(FloatPointer codebook) {
        if (norm != CodebookNorm.NONE) {
            project(codebook, codebook);
        }
    }

    /** Gradient of P(C) from that of C', without that of the affine parameters. {@code out} may be {@code gradient}. */
    void gradientOfBase(FloatPointer gradient, State state, FloatPointer out) {
        if (affine != Affine.NONE) {
            kernels.affine.affineGradient(
                    gradient, state.base, codes, features, groups, state.scale, rate, out, null, null);
        } else if (out != gradient) {
            kernels.copy(out, gradient, codes * features * Float.BYTES);
        }
    }

    /** Where the gradient of C' has to be put for {@link #gradient}: that of the codebook where there is no affine. */
    FloatPointer gradientRoom(FloatPointer ofCodebook, State state) {
        return affine == Affine.NONE ? ofCodebook : state.gradient.atLeast(codes * features);
    }

    /** Gradients of the codebook and of the affine parameters from the gradient of C'. */
    void gradient(FloatPointer ofCodebook, State state) {
        if (affine == Affine.NONE) {
            return;
        }
        kernels.affine.affineGradient(
                state.gradient.atLeast(codes * features),
                state.base,
                codes,
                features,
                groups,
                state.scale,
                rate,
                ofCodebook,
                scaleParameter == null ? null : scaleParameter.newGradient(),
                biasParameter == null ? null : biasParameter.newGradient());
    }

    void visitState(StateVisitor state, String prefix) {
        parameters().forEach(parameter -> parameter.visitState(state));
        if (inputMoments != null) {
            inputMoments.visitState(state, prefix + "affine.input.");
            codebookMoments.visitState(state, prefix + "affine.codebook.");
        }
    }

    @Override
    public void close() {
        parameters().forEach(Parameter::close);
        if (inputMoments != null) {
            inputMoments.close();
            codebookMoments.close();
        }
    }

    /** Whether the codebook is moved by a learned affine or by statistics. */
    boolean hasAffine() {
        return affine != Affine.NONE;
    }

    private void project(FloatPointer codebook, State state) {
        state.base = codebook;
        if (norm != CodebookNorm.NONE) {
            state.base = state.projected.atLeast(codes * features);
            project(codebook, state.base);
        }
    }

    private void project(FloatPointer codebook, FloatPointer out) {
        kernels.norms.rowNorm("codebook", codebook, Rows.matrix(codes, features), norm == CodebookNorm.UNIT, out);
    }

    private void prepareAffine(State state) {
        if (affine == Affine.NONE) {
            state.scale = null;
            state.shift = null;
            return;
        }
        state.scale = state.scales.atLeast(groups * features);
        state.shift = state.shifts.atLeast(groups * features);
        if (affine == Affine.LEARNED) {
            kernels.affine.affineLearned(
                    scaleParameter.values(), biasParameter.values(), groups * features, rate, state.scale, state.shift);
        }
    }

    private void fromStatistics(
            FloatPointer meanZ, FloatPointer varianceZ, FloatPointer meanC, FloatPointer varianceC, State state) {
        kernels.affine.affineStatistics(meanZ, varianceZ, meanC, varianceC, groups, features, state.scale, state.shift);
    }

    private FloatPointer transform(State state) {
        state.effective = state.base;
        if (affine != Affine.NONE) {
            state.effective = state.transformed.atLeast(codes * features);
            kernels.affine.affine(state.base, codes, features, groups, state.scale, state.shift, state.effective);
        }
        return state.effective;
    }
}
