package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import java.util.List;
import org.bytedeco.javacpp.FloatPointer;
import org.jspecify.annotations.Nullable;

/**
 * A residual quantizer: stage i quantizes what the stages before have left of a row, r_i = z - e_0 - ... - e_(i-1), and the
 * output is the sum of the codes. {@link Quantizer} has the formulas, with e that sum. Every stage's code receives the
 * gradient of the sum; the residual passed on is a constant. The stages have a codebook each, or share one.
 *
 * <p>Codes have the shape of z with the stages on the feature axis; distances are those of each stage's residual to its
 * code. The codes of stage i with a codebook of its own begin at i * numCodes / stages.
 *
 * <p>Made by {@link #builder}.
 */
public final class ResidualVectorQuant extends Quantizer {
    private final int stages;
    private final boolean stageLosses;

    private ResidualVectorQuant(Builder options, Kernels kernels) {
        super(options, kernels, options.share ? 1 : options.stages, options.featureSize, options.stages);
        stages = options.stages;
        stageLosses = options.stageLosses;
    }

    /**
     * Starts the description of a layer.
     *
     * @param featureSize D, at least 1
     * @param numCodes codes of all codebooks together, at least 1
     * @param stages at least 1; divides numCodes unless the codebook is shared
     */
    public static Builder builder(int featureSize, int numCodes, int stages) {
        return new Builder(featureSize, numCodes, stages);
    }

    @Override
    int codesOfRow() {
        return stages;
    }

    @Override
    void assign(Pass pass, boolean training) {
        for (int i = 0; i < stages; i++) {
            Assignment stage = pass.assignment(i);
            FloatPointer left = i == 0 ? pass.normalised : stage.ownRows(pass.rows);
            if (i > 0) {
                subtractCodes(pass, i - 1, left);
            }
            stage.of(left, pass.rows, codesOf(pass, i, pass.rows));
            assign(pass, i, training);
        }
    }

    @Override
    void prepareToDecode(Pass pass) {
        for (int i = 0; i < stages; i++) {
            pass.assignment(i).of(pass.normalised, pass.rows, codesOf(pass, i, pass.rows));
            if (i < codebooks.size()) {
                codebooks.get(i).prepareForInference(pass.codebook(i));
            }
        }
    }

    @Override
    void writeOutput(Pass pass, FloatPointer out) {
        for (int i = 0; i < stages; i++) {
            FloatPointer effective = stateOf(pass, i).effective();
            if (i == 0) {
                kernels.lookup(effective, codebookOf(i).codes(), pass.assignment(i).codes, pass.rows, out);
            } else {
                kernels.addLookup(effective, codebookOf(i).codes(), pass.assignment(i).codes, pass.rows, out);
            }
        }
    }

    @Override
    List<Assignment> lossTerms(Pass pass) {
        // What the last stage leaves is what the sum of the codes leaves.
        return stageLosses ? pass.assignments() : List.of(pass.assignment(stages - 1));
    }

    @Override
    void differentiate(Pass pass, @Nullable FloatPointer gradient, double mean, FloatPointer out) {
        double share = mean / lossTerms(pass).size();
        boolean learns = codebooks.get(0).learnsByGradient();
        FloatPointer sumGradient = null;
        for (int i = stageLosses ? 0 : stages - 1; i < stages; i++) {
            // Each term adds its own to the gradient of the rows.
            Assignment stage = pass.assignment(i);
            FloatPointer before = stageLosses && i > 0 ? out : gradient;
            kernels.inputGradient(
                    stage.z,
                    before,
                    pass.rows,
                    stateOf(pass, i).effective(),
                    stage.codes,
                    (float) ((1 - beta) * share),
                    out);
            if (!stageLosses && learns) {
                sumGradient = pass.scratch.atLeast(pass.rows.elements());
                subtractCodes(pass, i, sumGradient);
                addTaskGradient(pass, gradient, (float) (-beta * share), sumGradient);
            }
        }
        for (int i = 0; learns && i < stages; i++) {
            boolean first = i < codebooks.size();
            Codebook codebook = codebookOf(i);
            Codebook.State state = stateOf(pass, i);
            FloatPointer total = codebook.gradientRoom(state);
            FloatPointer part = first ? total : codebook.partialGradient(state);
            Assignment stage = pass.assignment(i);
            if (sumGradient != null) {
                kernels.scatter(sumGradient, pass.rows, stage.codes, codebook.codes(), part);
            } else {
                kernels.codebookGradient(
                        stage.z,
                        gradient,
                        pass.rows,
                        state.effective(),
                        stage.codes,
                        codebook.codes(),
                        (float) (beta * share),
                        (float) syncNu,
                        part);
            }
            if (!first) {
                kernels.weightedSum(1f, total, 1f, part, (long) codebook.codes() * codebook.features(), total);
            }
        }
    }

    /** rows = coefficient * rows + nu * gradient. */
    private void addTaskGradient(Pass pass, @Nullable FloatPointer gradient, float coefficient, FloatPointer rows) {
        FloatPointer added = gradient == null ? rows : gradient;
        kernels.weightedSum(coefficient, rows, gradient == null ? 0f : (float) syncNu, added, pass.rows.elements(), rows);
    }

    /** What a stage leaves. */
    private void subtractCodes(Pass pass, int stage, FloatPointer out) {
        Assignment assignment = pass.assignment(stage);
        kernels.residual(
                assignment.z,
                pass.rows,
                stateOf(pass, stage).effective(),
                codebookOf(stage).codes(),
                assignment.codes,
                out);
    }

    /** Options of {@link ResidualVectorQuant}. */
    public static final class Builder extends Quantizer.Builder<Builder> {
        private final int stages;
        private boolean share;
        private boolean stageLosses;

        private Builder(int featureSize, int numCodes, int stages) {
            super(featureSize, numCodes);
            this.stages = Arguments.atLeastOne("stages", stages);
        }

        /** One codebook of numCodes x featureSize for all stages; off by default. */
        public Builder share(boolean share) {
            this.share = share;
            return this;
        }

        /**
         * Takes the loss as the mean of each stage's own, of its residual and its code, instead of that of the sum of the
         * codes; off by default.
         */
        public Builder stageLosses(boolean stageLosses) {
            this.stageLosses = stageLosses;
            return this;
        }

        /**
         * The layer described.
         *
         * @throws IllegalArgumentException if options contradict each other or do not divide
         */
        public ResidualVectorQuant build() {
            if (!share) {
                Arguments.divides("stages", stages, "numCodes", numCodes);
            } else if (stages > 1 && statisticsAffine) {
                throw new IllegalArgumentException("need a codebook for each stage with statisticsAffine: the residuals of "
                        + "the stages have moments of their own, got share = true");
            } else if (stages > 1 && alternation != null) {
                throw new IllegalArgumentException("need a codebook for each stage with alternated optimisation: its steps "
                        + "for one stage would change the codes of another, got share = true");
            }
            check(share ? numCodes : numCodes / stages);
            return new ResidualVectorQuant(this, kernels());
        }

        @Override
        String codesName() {
            return share ? super.codesName() : "numCodes / stages";
        }

        @Override
        Builder self() {
            return this;
        }
    }
}
