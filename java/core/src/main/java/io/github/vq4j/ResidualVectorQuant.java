package io.github.vq4j;

import io.github.vq4j.internal.Rows;
import java.util.List;
import java.util.Objects;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.jspecify.annotations.Nullable;

/**
 * A residual quantizer: stage i quantizes what the stages before have left of a row, r_i = z - e_0 - ... - e_(i-1), and the
 * output is the sum of the codes. {@link Quantizer} has the formulas, with e that sum. Every stage's code receives the
 * gradient of the sum; the residual passed on is a constant. The stages have a codebook each, or share one.
 *
 * <p>Codes have the shape of z with the stages on the feature axis; distances are those of each stage's residual to its
 * code. The codes of stage i with a codebook of its own begin at i * numCodes / stages. A stage that
 * {@link Builder#quantizerDropout} leaves out of a row has code -1 and distance 0 there.
 *
 * <p>Made by {@link #builder}.
 */
public final class ResidualVectorQuant extends Quantizer {
    private final int stages;
    private final boolean stageLosses;
    private final int minStages;
    private final boolean dropsBySample;
    private final int beamWidth;
    private final long seed;

    private ResidualVectorQuant(Builder options, RowSums sums) {
        super(options, sums, options.stages);
        stages = options.stages;
        stageLosses = options.stageLosses;
        minStages = options.minStages == 0 ? stages : options.minStages;
        dropsBySample = options.dropsBySample;
        beamWidth = options.beamWidth;
        seed = options.seed;
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

    /**
     * The codes of the first stages alone, with {@link Builder#beamWidth} those of a search that ends there.
     *
     * @param stages at least 1, at most those of the layer
     * @return as {@link #encode(Tensor)}, with this many codes of a row
     */
    public Tensor encode(Tensor z, int stages) {
        return assigned(z, null, checkStages(stages));
    }

    /** As {@link #encode(Tensor, int)}, of the rows that a mask leaves: see {@link #forward(Tensor, RowMask)}. */
    public Tensor encode(Tensor z, RowMask mask, int stages) {
        return assigned(z, Objects.requireNonNull(mask, "mask"), checkStages(stages));
    }

    /**
     * The sum of the first stages' codes: coarser, the fewer they are.
     *
     * @param codes as for {@link #decode(Tensor)}; of a row at least this many, whose others are not looked at
     * @param stages at least 1, at most those of the layer
     */
    public Tensor decode(Tensor codes, int stages) {
        int used = checkStages(stages);
        int axis = checkCodes(codes);
        if (codes.size(axis) < used || codes.size(axis) > this.stages) {
            throw new IllegalArgumentException(
                    "need " + used + " to " + this.stages + " codes of a row on axis " + axis + ", got " + codes);
        }
        return decoded(codes, axis, used);
    }

    @Override
    public ResidualVectorQuant train() {
        super.train();
        return this;
    }

    @Override
    public ResidualVectorQuant eval() {
        super.eval();
        return this;
    }

    @Override
    public ResidualVectorQuant copy(Backend backend) {
        return (ResidualVectorQuant) super.copy(backend);
    }

    @Override
    int codesOfRow() {
        return stages;
    }

    @Override
    void assign(Pass pass, boolean training) {
        StageDraw draw = training && minStages < stages ? drawStages(pass) : null;
        BeamSearch beams = beamWidth > 1 ? search(pass, draw, training) : null;
        IntPointer codes = pass.codes(pass.rows.count() * stages);
        FloatPointer left = pass.normalised;
        long begin = 0;
        for (int i = 0; i < pass.used; i++) {
            Assignment stage = pass.assignment(i);
            IntPointer own = codes.getPointer(IntPointer.class, begin);
            if (draw == null) {
                stage.of(left, pass.rows, own);
            } else {
                stage.ofStage(draw, i, left, pass.rows, own);
            }
            if (stage.isEmpty()) {
                continue;
            }
            begin += stage.rows.count();
            if (beams == null) {
                assign(pass, i, training);
            } else {
                beams.giveCodes(i, stage);
            }
            if (i + 1 < pass.used) {
                left = leave(pass, i, left);
            }
        }
    }

    private StageDraw drawStages(Pass pass) {
        return new StageDraw(kernels, pass, seed, trainingSteps(), dropsBySample, minStages, stages);
    }

    /** A codebook that is initialised, or whose statistics are taken, sees what greedy search has left. */
    private BeamSearch search(Pass pass, @Nullable StageDraw draw, boolean training) {
        BeamSearch beams = pass.beams(beamWidth, stages);
        beams.begin(pass.normalised, pass.rows, draw);
        for (int i = 0; i < pass.used; i++) {
            if (draw != null && i >= minStages && !beams.keepRowsOf(i, draw)) {
                break;
            }
            prepare(pass, i, beams.leftByGreedy(), beams.leftRows(), training);
            beams.extend(i, codebookOf(i), stateOf(pass, i), pass.input.takeUnread());
            if (i == pass.used - 1 || (draw != null && i >= minStages - 1)) {
                beams.choose();
            }
        }
        return beams;
    }

    /** What all rows have left after a stage; rows that do not use it, as much as before. */
    private FloatPointer leave(Pass pass, int i, FloatPointer left) {
        Assignment stage = pass.assignment(i);
        if (stage.selection == null) {
            FloatPointer next = pass.assignment(i + 1).ownRows(pass.rows);
            if (pass.measures) {
                measure(pass, i, null, next);
            } else {
                subtractCodes(pass, i, next);
            }
            return next;
        }
        // Its rows are copies: what they were taken from is free.
        putBack(pass, i, left);
        return left;
    }

    /** Puts what a stage leaves of its rows among those of all. */
    private void putBack(Pass pass, int i, FloatPointer all) {
        Assignment stage = pass.assignment(i);
        FloatPointer rest = stage.ownGradient();
        subtractCodes(pass, i, rest);
        stage.selection.put(rest, pass.rows.features(), all);
    }

    @Override
    void prepareToDecode(Pass pass) {
        for (int i = 0; i < pass.used; i++) {
            pass.assignment(i).of(pass.normalised, pass.rows, codesOf(pass, i, pass.rows));
            if (i < codebooks.size()) {
                codebooks.get(i).prepareForInference(pass.codebook(i));
            }
        }
    }

    @Override
    void writeOutput(Pass pass, FloatPointer out) {
        for (int i = 0; i < pass.used; i++) {
            Assignment stage = pass.assignment(i);
            FloatPointer effective = stateOf(pass, i).effective();
            int count = codebookOf(i).codes();
            if (i == 0) {
                kernels.assignment.lookup(effective, count, stage.codes, pass.rows, out);
            } else if (stage.selection == null) {
                kernels.assignment.addLookup(effective, count, stage.codes, pass.rows, out);
            } else if (!stage.isEmpty()) {
                FloatPointer part = stage.selection.take(out, pass.rows.features(), stage.ownGradient());
                kernels.assignment.addLookup(effective, count, stage.codes, stage.rows, part);
                stage.selection.put(part, pass.rows.features(), out);
            }
        }
    }

    @Override
    List<Assignment> lossTerms(Pass pass) {
        // What the last stage leaves is what the sum of the codes leaves.
        return stageLosses ? pass.assignments() : List.of(pass.assignment(stages - 1));
    }

    /** Of the sum, the distance of each row is that of the last stage it uses. */
    @Override
    FloatPointer lossDistances(Pass pass, Assignment term) {
        if (stageLosses) {
            return super.lossDistances(pass, term);
        }
        FloatPointer last = pass.scratch.atLeast(pass.rows.count());
        for (int i = minStages - 1; i < stages; i++) {
            Assignment stage = pass.assignment(i);
            if (stage.selection == null) {
                kernels.copy(last, stage.distances(), pass.rows.count() * Float.BYTES);
            } else if (!stage.isEmpty()) {
                stage.selection.put(stage.distances(), 1, last);
            }
        }
        return last;
    }

    @Override
    Rows replacedVectors(Pass pass) {
        return pass.rows;
    }

    @Override
    void differentiate(Pass pass, TaskGradient task, double mean, FloatPointer out) {
        double share = mean / lossTerms(pass).size();
        FloatPointer ofSum = stageLosses ? null : differentiateSum(pass, task, share, out);
        for (int i = 0; i < stages && !pass.assignment(i).isEmpty(); i++) {
            Assignment stage = pass.assignment(i);
            if (stageLosses) {
                addStageGradient(pass, i, i == 0 ? task.ofRows : out, share, out);
            }
            if (!codebookOf(i).learnsByGradient()) {
                continue;
            }
            boolean first = i < codebooks.size();
            Codebook codebook = codebookOf(i);
            Codebook.State state = stateOf(pass, i);
            FloatPointer total = codebook.gradientRoom(state);
            FloatPointer part = first ? total : codebook.partialGradient(state);
            if (ofSum != null) {
                sums.scatter(taken(stage, ofSum), stage.rows, stage.codes, codebook.codes(), part);
            } else {
                sums.codebookGradient(
                        stage.z,
                        taken(stage, shareOfCodes(task.ofCodes)),
                        stage.rows,
                        state.effective(),
                        stage.codes,
                        codebook.codes(),
                        (float) (beta * share),
                        (float) nu,
                        part);
            }
            if (!first) {
                kernels.tensors.weightedSum(1f, total, 1f, part, (long) codebook.codes() * codebook.features(), total);
            }
        }
    }

    /**
     * Gradient of the rows by what the sum of the codes leaves of each.
     *
     * @return what every code of a row receives
     */
    private FloatPointer differentiateSum(Pass pass, TaskGradient task, double share, FloatPointer out) {
        int ofAll = minStages - 1;
        while (ofAll + 1 < stages && pass.assignment(ofAll + 1).selection == null) {
            ofAll++;
        }
        addStageGradient(pass, ofAll, task.ofRows, share, out);
        FloatPointer left = pass.scratch.atLeast(pass.rows.elements());
        subtractCodes(pass, ofAll, left);
        for (int i = ofAll + 1; i < stages && !pass.assignment(i).isEmpty(); i++) {
            addStageGradient(pass, i, task.ofRows, share, out);
            putBack(pass, i, left);
        }
        addTaskGradient(pass, shareOfCodes(task.ofCodes), (float) (-beta * share), left);
        return left;
    }

    /** Gradient of the rows of a stage by what it leaves of them, added to another; the rest of {@code out} stays. */
    private void addStageGradient(Pass pass, int i, @Nullable FloatPointer before, double share, FloatPointer out) {
        Assignment stage = pass.assignment(i);
        FloatPointer part = stage.selection == null ? out : stage.ownGradient();
        kernels.loss.inputGradient(
                stage.z,
                taken(stage, before),
                stage.rows,
                stateOf(pass, i).effective(),
                stage.codes,
                (float) ((1 - beta) * share),
                part);
        if (stage.selection != null) {
            stage.selection.put(part, pass.rows.features(), out);
        }
    }

    /** The values of a stage's rows among those of all. */
    private static @Nullable FloatPointer taken(Assignment stage, @Nullable FloatPointer all) {
        if (stage.selection == null || all == null) {
            return all;
        }
        return stage.selection.take(all, stage.rows.features(), stage.ownCodeGradient());
    }

    /** rows = coefficient * rows + nu * gradient. */
    private void addTaskGradient(Pass pass, @Nullable FloatPointer gradient, float coefficient, FloatPointer rows) {
        FloatPointer added = gradient == null ? rows : gradient;
        kernels.tensors.weightedSum(
                coefficient, rows, gradient == null ? 0f : (float) nu, added, pass.rows.elements(), rows);
    }

    /** What a stage leaves. */
    private void subtractCodes(Pass pass, int stage, FloatPointer out) {
        Assignment assignment = pass.assignment(stage);
        kernels.assignment.residual(
                assignment.z,
                assignment.rows,
                stateOf(pass, stage).effective(),
                codebookOf(stage).codes(),
                assignment.codes,
                out);
    }

    private int checkStages(int number) {
        if (number < 1 || number > stages) {
            throw new IllegalArgumentException("need 1 <= stages <= " + stages + ", got " + number);
        }
        return number;
    }

    /** Options of {@link ResidualVectorQuant}. */
    public static final class Builder extends QuantizerBuilder<Builder> {
        private final int stages;
        private boolean share;
        private boolean stageLosses;
        private int minStages;
        private boolean dropsBySample;
        private int beamWidth = 1;

        private Builder(int featureSize, int numCodes, int stages) {
            super(featureSize, numCodes);
            this.stages = Arguments.atLeastOne("stages", stages);
        }

        @Override
        void visitOptions(NamedOptions options) {
            super.visitOptions(options);
            options.integer("stages", stages);
            share(options.flag("share", share));
            stageLosses(options.flag("stageLosses", stageLosses));
            int least = options.integer("quantizerDropout", minStages);
            boolean bySample = options.flag("quantizerDropout.bySample", dropsBySample);
            if (least != 0) {
                quantizerDropout(least, bySample);
            }
            beamWidth(options.integer("beamWidth", beamWidth));
        }

        /** One codebook of numCodes x featureSize for all stages; off by default. */
        public Builder share(boolean share) {
            this.share = share;
            return this;
        }

        /**
         * Quantizer dropout: each training forward uses only the first stages, a number drawn uniformly from minStages to
         * all by the seed, the training step and the sample. The stages after have code -1, which {@link ResidualVectorQuant#decode(Tensor)}
         * takes, and no part in output, loss, gradients, statistics, initialisation and replacement, so that the first
         * stages learn to do with themselves. With {@link #stageLosses} they count as zero in the mean. Off by default.
         *
         * @param minStages at least 1, at most the stages
         * @param bySample whether each item of the leading axis draws its own number, or one is drawn for the batch
         */
        public Builder quantizerDropout(int minStages, boolean bySample) {
            this.minStages = Arguments.atLeastOne("minStages", minStages);
            dropsBySample = bySample;
            return this;
        }

        /**
         * Beam search over the stages, in training and inference: every row keeps this many sums of codes from stage to
         * stage, each continued by its nearest codes, those that leave least, |z - e|^2; of equal ones, those with the
         * lowest codes, earlier stages first. Never leaves more than greedy search, whose sum is always among them.
         * Initialisation and statistics see the residuals of greedy search. Takes this many times the memory and work and
         * more. 1, greedy search, by default.
         */
        public Builder beamWidth(int beamWidth) {
            this.beamWidth = Arguments.atLeastOne("beamWidth", beamWidth);
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
        @Override
        public ResidualVectorQuant build() {
            if (!share) {
                Arguments.divides("stages", stages, "numCodes", numCodes);
            } else if (stages > 1 && statisticsAffine) {
                throw new IllegalArgumentException(
                        "need a codebook for each stage with statisticsAffine: the residuals of "
                                + "the stages have moments of their own, got share = true");
            } else if (stages > 1 && alternation != null) {
                throw new IllegalArgumentException(
                        "need a codebook for each stage with alternated optimisation: its steps "
                                + "for one stage would change the codes of another, got share = true");
            }
            if (minStages > stages) {
                throw new IllegalArgumentException("need minStages <= stages = " + stages + ", got " + minStages);
            }
            if (dropsBySample && minStages < stages && hasWorkers()) {
                throw new IllegalArgumentException(
                        "need quantizerDropout by batch with workers: by sample, it would depend on "
                                + "which worker has the sample");
            }
            if (beamWidth > 1 && alternation != null) {
                throw new IllegalArgumentException(
                        "need beamWidth = 1 with alternated optimisation: its steps would change "
                                + "what the codes chosen after leave, got " + beamWidth);
            }
            if (beamWidth > 1 && samplingTemperature > 0) {
                throw new IllegalArgumentException(
                        "need beamWidth = 1 with samplingTemperature: the search is for the nearest "
                                + "sum, and would undo the draw, got beamWidth = " + beamWidth
                                + ", samplingTemperature = "
                                + samplingTemperature);
            }
            OptionRules.check(this, share ? numCodes : numCodes / stages);
            return new ResidualVectorQuant(this, sums());
        }

        @Override
        int codebookCount() {
            return share ? 1 : stages;
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
