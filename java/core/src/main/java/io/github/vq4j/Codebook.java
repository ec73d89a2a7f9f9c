package io.github.vq4j;

import io.github.vq4j.internal.Halves;
import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Memory;
import io.github.vq4j.internal.Rows;
import io.github.vq4j.internal.Scratch;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.jspecify.annotations.Nullable;

/**
 * One codebook of a layer and all that belongs to it: how it starts, what transforms it, how it learns inside a forward,
 * how its unused codes are replaced. Layers of several codebooks have several of these.
 */
final class Codebook implements AutoCloseable {
    /** Start values of different codebooks of a layer are drawn for different purposes. */
    private static final long CODEBOOK_PURPOSE = 0;

    private final Kernels kernels;
    private final RowSums sums;
    private final int codes;
    private final int features;
    private final long seed;
    private final Parameter parameter;
    private final EffectiveCodebook effective;
    private final @Nullable CodeReplacement replacement;
    private final @Nullable InnerOptimizer inner;
    private final String prefix;
    private final @Nullable MovingAverages averages;
    private final @Nullable LinearCodebook linear;
    private final OrthogonalRegularization orthogonal;
    private boolean awaitsKmeans;
    private @Nullable Memory<Pointer> packedForAll;

    /** What a pass has of a codebook; its memory is reused by later passes. */
    static final class State implements AutoCloseable {
        private final Scratch<FloatPointer> working;
        private final Scratch<FloatPointer> gradient;
        private final Scratch<Pointer> packed;
        private final Scratch<LongPointer> counts;
        private final EffectiveCodebook.State transform;
        private final MovingAverages.State averaged;
        private final LinearCodebook.State mapped;
        private final OrthogonalRegularization.State orthogonal;

        /** What the pass stores as the codebook. */
        private FloatPointer next;

        /** Whether the gradient of the codebook is not in the parameter's before {@link Codebook#gradient}. */
        private boolean isGradientApart;

        State(Kernels kernels) {
            working = Scratch.floats(kernels);
            gradient = Scratch.floats(kernels);
            packed = Scratch.bytes(kernels);
            counts = Scratch.longs(kernels);
            transform = new EffectiveCodebook.State(kernels);
            averaged = new MovingAverages.State(kernels);
            mapped = new LinearCodebook.State(kernels);
            orthogonal = new OrthogonalRegularization.State(kernels);
        }

        /** C', what the rows are compared with. */
        FloatPointer effective() {
            return transform.effective();
        }

        private Pointer packed(Codebook codebook) {
            return packed.atLeast(codebook.kernels.assignment.packedCodebookBytes(codebook.codes, codebook.features));
        }

        @Override
        public void close() {
            working.close();
            gradient.close();
            packed.close();
            counts.close();
            transform.close();
            averaged.close();
            mapped.close();
            orthogonal.close();
        }
    }

    /**
     * A codebook of N(0, 1) numbers.
     *
     * @param number of the codebook within its layer
     * @param prefix of the names of its parameters
     */
    Codebook(RowSums sums, QuantizerBuilder<?> options, int number, String prefix, int codes, int features) {
        this.sums = sums;
        kernels = sums.kernels;
        this.prefix = prefix;
        this.codes = codes;
        this.features = features;
        seed = seedOf(options.seed, number);
        parameter = new Parameter(kernels, prefix + "codebook", 0f, codes, features);
        kernels.tensors.fillNormal(seed, CODEBOOK_PURPOSE, parameter.value().size(), parameter.values());
        linear = options.linearCodebook
                ? new LinearCodebook(kernels, prefix, codes, features, parameter.values())
                : null;
        orthogonal = new OrthogonalRegularization(kernels, options.orthogonalWeight, codes, features);
        effective = new EffectiveCodebook(
                sums,
                prefix,
                options.codebookNorm,
                options.affineLr,
                options.statisticsAffine,
                codes,
                features,
                options.affineGroups);
        MovingAverages.Options follows = options.averages();
        averages = follows == null ? null : new MovingAverages(sums, follows, codes, features, parameter.values());
        boolean replaces = options.replaceFreq > 0 || (averages != null && averages.expires());
        replacement = replaces
                ? new CodeReplacement(sums, codes, options.replaceFreq, options.replacementPolicy, seed)
                : null;
        inner = options.alternation == null ? null : new InnerOptimizer(options.alternation, parameter);
        awaitsKmeans = options.kmeansInit;
    }

    /** Codebooks, and the assignments to a shared one, have random numbers of their own; the first has the layer's. */
    static long seedOf(long seed, int number) {
        return seed + 0x9E3779B97F4A7C15L * number;
    }

    int codes() {
        return codes;
    }

    int features() {
        return features;
    }

    Parameter parameter() {
        return parameter;
    }

    /** What optimisers step: not a codebook of moving averages; of one under a linear map, the map. */
    List<Parameter> parameters() {
        List<Parameter> all = new ArrayList<>();
        if (learnsByGradient()) {
            all.add(linear == null ? parameter : linear.weight());
        }
        all.addAll(effective.parameters());
        return all;
    }

    EffectiveCodebook transform() {
        return effective;
    }

    @Nullable
    CodeReplacement replacement() {
        return replacement;
    }

    /** The moving averages that the codebook follows; null where it has a gradient instead. */
    @Nullable
    MovingAverages averages() {
        return averages;
    }

    /** Whether training passes change more than what an optimiser steps. */
    boolean changesInTraining() {
        return awaitsKmeans
                || averages != null
                || replacement != null
                || inner != null
                || effective.changesInTraining();
    }

    /** Whether the next training pass initialises the codebook from its rows. */
    boolean awaitsKmeans() {
        return awaitsKmeans;
    }

    /** Whether the host takes over from a training pass when codes are due for replacement. */
    boolean tellsOfFurtherPasses() {
        return replacement != null && replacement.tellsOfFurtherPasses();
    }

    /** Whether {@link #prepareForTraining} takes moments of the rows. */
    boolean takesMoments() {
        return effective.readsRows();
    }

    boolean learnsByGradient() {
        return averages == null;
    }

    // ---- forward -------------------------------------------------------------------------------------------------

    /**
     * Computes C' for a pass in training over these rows, after the initialisation where it is due.
     *
     * @param unread z in 16 bits, which is left in z, with {@link #takesMoments} alone; null: z is there
     */
    void prepareForTraining(State state, FloatPointer z, @Nullable Halves unread, Rows rows) {
        FloatPointer source;
        if (awaitsKmeans) {
            source = state.working.atLeast(parameter.value().size());
            KMeans.builder(codes).seed(seed).build(kernels).fit(z, rows, source);
        } else if (averages != null || replacement != null) {
            // The codebook changes at the end of this forward, and its backward needs the one that quantized.
            source = state.working.atLeast(parameter.value().size());
            kernels.copy(source, parameter.values(), bytes());
        } else {
            source = mapped(state);
        }
        pack(effective.forTraining(source, z, unread, rows, state.transform), state);
    }

    /** Computes C' for a pass in inference. */
    FloatPointer prepareForInference(State state) {
        return effective.forInference(mapped(state), state.transform);
    }

    /** As {@link #prepareForInference}, ready to assign. */
    void prepareToEncode(State state) {
        FloatPointer values = prepareForInference(state);
        if (packedForAll == null) {
            pack(values, state);
        }
    }

    /** Packs C' once for all passes: the codebook does not change any more. */
    void freeze() {
        packedForAll = Memory.bytes(kernels, kernels.assignment.packedCodebookBytes(codes, features));
        try (State state = new State(kernels)) {
            kernels.assignment.packCodebook(prepareForInference(state), codes, features, packedForAll.pointer());
        }
    }

    /**
     * The nearest code of every row, or one that is drawn.
     *
     * @param unread the rows in 16 bits, which are left in the assignment; null: they are there
     * @param keeps whether they are read again
     */
    void assign(
            State state,
            Assignment assignment,
            @Nullable Halves unread,
            boolean keeps,
            @Nullable CodeSampling sampling) {
        if (sampling == null) {
            FloatPointer z = unread == null || keeps ? assignment.z : null;
            kernels.assignment.assign(unread, z, assignment.rows, packed(state), codes, assignment.codes);
            return;
        }
        kernels.assignment.sampleCodes(
                unread,
                assignment.z,
                assignment.rows,
                packed(state),
                codes,
                sampling.temperature(),
                sampling.seed(),
                sampling.step(),
                assignment.codes);
    }

    /**
     * The k nearest codes of every row, nearest first.
     *
     * @param unread the rows in 16 bits, which are left in z; null: they are there
     */
    void assignTopK(State state, FloatPointer z, @Nullable Halves unread, Rows rows, long k, IntPointer out) {
        kernels.assignment.assignTopK(unread, z, rows, packed(state), codes, k, out);
    }

    /** The steps of alternated optimisation, if there are to be any: C' has changed afterwards, and the codes may have. */
    void alternate(State state, Assignment assignment, @Nullable CodeSampling sampling) {
        if (inner == null) {
            return;
        }
        FloatPointer working = state.working.atLeast(parameter.value().size());
        FloatPointer gradient = state.gradient.atLeast(parameter.value().size());
        long rows = sums.count(assignment.rows);
        float coefficient = (float) (2.0 / (rows * features));
        inner.begin();
        for (int step = 0; step < inner.steps(); step++) {
            if (working != state.transform.base()) {
                // Each step starts from the projected codebook, where its gradient is taken.
                kernels.copy(working, state.transform.base(), bytes());
            }
            sums.codebookGradient(
                    assignment.z,
                    null,
                    assignment.rows,
                    state.effective(),
                    assignment.codes,
                    codes,
                    coefficient,
                    0f,
                    gradient);
            effective.gradientOfBase(gradient, state.transform, gradient);
            inner.step(kernels, working, gradient);
            effective.refresh(working, state.transform);
        }
        if (inner.reassigns()) {
            pack(state.effective(), state);
            assign(state, assignment, null, true, sampling);
        }
    }

    /**
     * Distances and losses of rows and their codes.
     *
     * @param out receives the codes' vectors, in the layout of the rows; null: nothing does
     * @param left receives what they leave of the rows; null: nothing does
     */
    void measure(
            State state, Assignment assignment, long samples, @Nullable FloatPointer out, @Nullable FloatPointer left) {
        kernels.loss.commitmentLoss(
                assignment.z,
                assignment.rows,
                state.effective(),
                assignment.codes,
                samples,
                assignment.distances(),
                assignment.sampleLosses(samples),
                assignment.loss(),
                out,
                left);
        assignment.isMeasured = true;
    }

    /** Counts how often each code occurs; in training, over the rows of all workers. */
    void count(State state, IntPointer allCodes, long count, boolean training) {
        LongPointer counts = state.counts.atLeast(codes);
        if (training) {
            sums.countCodes(allCodes, count, codes, counts);
        } else {
            kernels.assignment.countCodes(allCodes, count, codes, counts);
        }
    }

    /** What {@link #count} has counted, where the kernels run. */
    LongPointer counts(State state) {
        return state.counts.atLeast(codes);
    }

    /** What {@link #count} has counted. */
    long[] lastCounts(State state) {
        long[] read = new long[codes];
        kernels.read(state.counts.atLeast(codes), read);
        return read;
    }

    /** Adds the rows of an assignment, the pass's first or a further one, to what the codebook follows. */
    void follow(State state, Assignment assignment, boolean first) {
        if (averages != null) {
            averages.add(state.averaged, assignment, first);
        }
    }

    /**
     * Computes what the codebook becomes by a training pass: it follows the rows, and unused codes are replaced by rows
     * of the assignment. Comes after {@link #count} and {@link #measure}, and changes nothing but the state.
     */
    void prepareNext(State state, Assignment assignment, long step) {
        LongPointer counts = state.counts.atLeast(codes);
        state.next = linear == null ? state.transform.base() : parameter.values();
        if (averages != null) {
            state.next = averages.step(state.averaged, counts, awaitsKmeans ? state.transform.base() : null);
            effective.projectInPlace(state.next);
        }
        if (replacement != null && replacement.mark(counts, averages, state.averaged)) {
            state.next = replacement.replace(state.next, counts, assignment, state.transform, effective.groups(), step);
            if (averages != null) {
                averages.restart(state.averaged, replacement.marks(), state.next);
            }
        }
    }

    /** Takes over what a training pass has prepared, unless its batch has failed. */
    void commit(State state) {
        if (state.next != parameter.values()) {
            kernels.commit(parameter.values(), state.next, bytes());
        }
        effective.commit(state.transform);
        if (inner != null) {
            inner.commit();
        }
        if (averages != null) {
            averages.commit(state.averaged);
        }
        awaitsKmeans = false;
        if (replacement != null) {
            replacement.commit(parameter);
        }
    }

    // ---- backward ------------------------------------------------------------------------------------------------

    /** Leaves the gradient that the parameter has until {@link #gradient}: what else the pass computes before may fail. */
    void keepGradientApart(State state) {
        // Under an affine or a linear map that of C' is put elsewhere anyway.
        state.isGradientApart = linear == null && !effective.hasAffine();
    }

    /** Where the gradient of C' has to be put for {@link #gradient}. */
    FloatPointer gradientRoom(State state) {
        return effective.gradientRoom(gradientOfBase(state), state.transform);
    }

    /** Memory of the codebook's shape for a part of that gradient. */
    FloatPointer partialGradient(State state) {
        return state.gradient.atLeast(parameter.value().size());
    }

    /** Gradients of the parameters from that of C', and from the regularisation. */
    void gradient(State state) {
        if (!learnsByGradient()) {
            return;
        }
        if (state.isGradientApart) {
            kernels.copy(parameter.newGradient(), gradientOfBase(state), bytes());
            state.isGradientApart = false;
        }
        effective.gradient(gradientOfBase(state), state.transform);
        orthogonal.addGradient(state.transform.base(), gradientOfBase(state), state.orthogonal);
        if (linear != null) {
            linear.gradient(parameter.values(), state.mapped);
        }
    }

    /** The loss of orthogonal regularisation as the codebook is now, without the weight. */
    double orthogonalLoss(State state) {
        prepareForInference(state);
        return orthogonal.loss(state.transform.base(), state.orthogonal);
    }

    private FloatPointer gradientOfBase(State state) {
        if (linear != null) {
            return linear.gradientRoom(state.mapped);
        }
        return state.isGradientApart ? partialGradient(state) : parameter.newGradient();
    }

    // ---- state ---------------------------------------------------------------------------------------------------

    /** Overwrites the stored codebook by values that have been checked; an initialisation that is due is cancelled. */
    void set(FloatPointer values) {
        kernels.copy(parameter.values(), values, bytes());
        if (averages != null) {
            averages.restart(values);
        }
        awaitsKmeans = false;
    }

    /** What training changes. */
    void visitState(StateVisitor state) {
        parameter.visitState(state);
        if (linear != null) {
            linear.weight().visitState(state);
        }
        effective.visitState(state, prefix);
        if (averages != null) {
            averages.visitState(state, prefix);
        }
        if (replacement != null) {
            replacement.visitState(state, prefix);
        }
        if (inner != null) {
            inner.visitState(state, prefix);
        }
        state.flag(prefix + "awaitsKmeans", () -> awaitsKmeans, value -> awaitsKmeans = value);
    }

    /** Refuses values with a NaN or an infinity. */
    void check(FloatPointer values) {
        try (Memory<Pointer> packed = Memory.bytes(kernels, kernels.assignment.packedCodebookBytes(codes, features))) {
            kernels.assignment.packCodebook(values, codes, features, packed.pointer());
        }
    }

    @Override
    public void close() {
        if (inner != null) {
            inner.close();
        }
        if (packedForAll != null) {
            packedForAll.close();
        }
        if (averages != null) {
            averages.close();
        }
        parameter.close();
        if (linear != null) {
            linear.weight().close();
        }
        effective.close();
        if (replacement != null) {
            replacement.close();
        }
    }

    /** The codebook before norm and affine: the stored one, under a linear map if there is one. */
    private FloatPointer mapped(State state) {
        return linear == null ? parameter.values() : linear.apply(parameter.values(), state.mapped);
    }

    private Pointer packed(State state) {
        return packedForAll == null ? state.packed(this) : packedForAll.pointer();
    }

    private void pack(FloatPointer values, State state) {
        kernels.assignment.packCodebook(values, codes, features, state.packed(this));
    }

    private long bytes() {
        return parameter.value().size() * Float.BYTES;
    }
}
