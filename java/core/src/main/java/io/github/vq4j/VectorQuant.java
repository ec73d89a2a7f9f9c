package io.github.vq4j;

import io.github.vq4j.internal.Rows;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.bytedeco.javacpp.FloatPointer;

/**
 * A vector quantizer of one codebook: replaces every row by its nearest code. {@link Quantizer} has the formulas. Codes
 * have the shape of z without the feature axis.
 *
 * <p>Made by {@link #builder}.
 */
public final class VectorQuant extends Quantizer {
    private VectorQuant(Builder options, RowSums sums) {
        super(options, sums, 1);
    }

    /**
     * Starts the description of a layer.
     *
     * @param featureSize D, at least 1
     * @param numCodes K, at least 1
     */
    public static Builder builder(int featureSize, int numCodes) {
        return new Builder(featureSize, numCodes);
    }

    @Override
    public VectorQuant train() {
        super.train();
        return this;
    }

    @Override
    public VectorQuant eval() {
        super.eval();
        return this;
    }

    @Override
    public VectorQuant copy(Backend backend) {
        return (VectorQuant) super.copy(backend);
    }

    /** The stored codebook, K x D, not a copy. Closing the tensor does nothing. */
    public Tensor codebook() {
        return codebook(0);
    }

    /** The codebook that inference compares rows with, K x D, a copy. */
    public Tensor effectiveCodebook() {
        return effectiveCodebook(0);
    }

    /**
     * Overwrites the stored codebook. An initialisation by k-means that is still due is cancelled, a pending backward too.
     *
     * @param values FLOAT32, K x D
     * @throws NotFiniteException if a code has a NaN or an infinity
     */
    public void setCodebook(Tensor values) {
        setCodebook(0, values);
    }

    /** The running moments of the statistics affine; empty without it and before the first training batch. */
    public Optional<RunningMoments> runningMoments() {
        return runningMoments(0);
    }

    /** What is left of every code's life; for tests. */
    int[] lifeCounters() {
        return Objects.requireNonNull(codebooks.get(0).replacement()).counters();
    }

    /** Running mean and variance of the batch norm; for tests. */
    Optional<List<float[]>> normMoments() {
        return inputNorm().runningMoments();
    }

    @Override
    int codesOfRow() {
        return 0;
    }

    @Override
    void assign(Pass pass, boolean training) {
        pass.assignment(0).of(pass.normalised, pass.rows, codesOf(pass, 0, pass.rows));
        assign(pass, 0, training);
    }

    @Override
    void prepareToDecode(Pass pass) {
        pass.assignment(0).of(pass.normalised, pass.rows, codesOf(pass, 0, pass.rows));
        codebooks.get(0).prepareForInference(pass.codebook(0));
    }

    @Override
    void writeOutput(Pass pass, FloatPointer out) {
        kernels.assignment.lookup(
                pass.codebook(0).effective(), codebooks.get(0).codes(), pass.assignment(0).codes, pass.rows, out);
    }

    @Override
    List<Assignment> lossTerms(Pass pass) {
        return pass.assignments();
    }

    @Override
    Rows replacedVectors(Pass pass) {
        return pass.rows;
    }

    @Override
    void differentiate(Pass pass, TaskGradient task, double mean, FloatPointer out) {
        differentiateAssignment(pass, 0, task.ofRows, task.ofCodes, mean, out);
    }

    /** Options of {@link VectorQuant}. */
    public static final class Builder extends QuantizerBuilder<Builder> {
        private Builder(int featureSize, int numCodes) {
            super(featureSize, numCodes);
        }

        /**
         * The layer described.
         *
         * @throws IllegalArgumentException if options contradict each other or do not divide
         */
        @Override
        public VectorQuant build() {
            OptionRules.check(this, numCodes);
            return new VectorQuant(this, sums());
        }

        @Override
        Builder self() {
            return this;
        }
    }
}
