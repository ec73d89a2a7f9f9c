package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Memory;
import io.github.vq4j.internal.Scratch;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.jspecify.annotations.Nullable;

/**
 * A codebook that follows its rows (van den Oord et al. 2017, appendix A.1): of every code, the moving averages N_k of
 * how often batches use it and m_k of the sum of its rows, whose quotient, with N_k smoothed, is the code.
 *
 * <p>Both start as if every code had been the mean of one row a batch, or of as many as the expiry asks for; after
 * k-means, of as many as its cluster has. A training pass computes the next averages apart; {@link #commit} takes them
 * over.
 */
final class MovingAverages implements AutoCloseable {
    private static final double EPSILON = 1e-5;

    private final Kernels kernels;
    private final RowSums rowSums;
    private final Options options;
    private final int codes;
    private final int features;
    private final Memory<FloatPointer> sizes;
    private final Memory<FloatPointer> sums;

    /**
     * What a codebook of moving averages does.
     *
     * @param decay g, in (0, 1)
     * @param expiry N_k below which a code is replaced; 0: never
     */
    record Options(double decay, double expiry) {}

    /** What a training pass computes; its memory is reused by later passes. */
    static final class State implements AutoCloseable {
        private final Scratch<FloatPointer> startSizes;
        private final Scratch<FloatPointer> startSums;
        private final Scratch<FloatPointer> batchSums;
        private final Scratch<FloatPointer> partialSums;
        private final Scratch<FloatPointer> nextSizes;
        private final Scratch<FloatPointer> nextSums;
        private final Scratch<FloatPointer> codebook;

        State(Kernels kernels) {
            startSizes = Scratch.floats(kernels);
            startSums = Scratch.floats(kernels);
            batchSums = Scratch.floats(kernels);
            partialSums = Scratch.floats(kernels);
            nextSizes = Scratch.floats(kernels);
            nextSums = Scratch.floats(kernels);
            codebook = Scratch.floats(kernels);
        }

        @Override
        public void close() {
            startSizes.close();
            startSums.close();
            batchSums.close();
            partialSums.close();
            nextSizes.close();
            nextSums.close();
            codebook.close();
        }
    }

    MovingAverages(RowSums rowSums, Options options, int codes, int features, FloatPointer codebook) {
        this.rowSums = rowSums;
        kernels = rowSums.kernels;
        this.options = options;
        this.codes = codes;
        this.features = features;
        sizes = Memory.floats(kernels, codes);
        sums = Memory.floats(kernels, size());
        restart(codebook);
    }

    /** N, K numbers; part of what training continues from. */
    FloatPointer sizes() {
        return sizes.pointer();
    }

    /** m, K x D; part of what training continues from. */
    FloatPointer sums() {
        return sums.pointer();
    }

    /** Whether codes expire. */
    boolean expires() {
        return options.expiry > 0;
    }

    /** Starts anew from a codebook. */
    void restart(FloatPointer codebook) {
        kernels.movingAverages.restartAverages(codebook, null, null, codes, features, restartSize(), sizes(), sums());
    }

    /** Adds the rows of an assignment to the batch's sums, or starts the sums by the first. */
    void add(State state, Assignment assignment, boolean first) {
        FloatPointer total = state.batchSums.atLeast(size());
        FloatPointer part = first ? total : state.partialSums.atLeast(size());
        rowSums.scatter(assignment.z, assignment.rows, assignment.codes, codes, part);
        if (!first) {
            kernels.tensors.weightedSum(1f, total, 1f, part, size(), total);
        }
    }

    /**
     * The step of a batch whose sums are complete.
     *
     * @param counts how often the batch uses each code
     * @param clusters the codebook that k-means has just made of the batch, null where it has not
     * @return the codebook after the step, in memory of the state
     */
    FloatPointer step(State state, LongPointer counts, @Nullable FloatPointer clusters) {
        FloatPointer sizesBefore = sizes();
        FloatPointer sumsBefore = sums();
        if (clusters != null) {
            sizesBefore = state.startSizes.atLeast(codes);
            sumsBefore = state.startSums.atLeast(size());
            kernels.movingAverages.restartAverages(
                    clusters, null, counts, codes, features, 1f, sizesBefore, sumsBefore);
        }
        FloatPointer codebook = state.codebook.atLeast(size());
        kernels.movingAverages.movingAverages(
                counts,
                state.batchSums.atLeast(size()),
                codes,
                features,
                (float) (1 - options.decay),
                EPSILON,
                sizesBefore,
                sumsBefore,
                state.nextSizes.atLeast(codes),
                state.nextSums.atLeast(size()),
                codebook);
        return codebook;
    }

    /**
     * Marks the codes whose N_k after the step is too small, beside those that are marked.
     *
     * @param counters of what is left of every code's life, which restart at lifetime; null where lives do not end
     */
    void markExpired(State state, int lifetime, @Nullable IntPointer counters, IntPointer mask, LongPointer marked) {
        kernels.movingAverages.expireCodes(
                state.nextSizes.atLeast(codes), codes, (float) options.expiry, lifetime, counters, mask, marked);
    }

    /** Starts the averages after the step anew for the marked codes. */
    void restart(State state, IntPointer mask, FloatPointer codebook) {
        kernels.movingAverages.restartAverages(
                codebook,
                mask,
                null,
                codes,
                features,
                restartSize(),
                state.nextSizes.atLeast(codes),
                state.nextSums.atLeast(size()));
    }

    /** Takes a training pass over. */
    void commit(State state) {
        kernels.commit(sizes(), state.nextSizes.atLeast(codes), (long) codes * Float.BYTES);
        kernels.commit(sums(), state.nextSums.atLeast(size()), size() * Float.BYTES);
    }

    void visitState(StateVisitor state, String prefix) {
        state.floats(prefix + "ema.sizes", kernels, sizes(), codes);
        state.floats(prefix + "ema.sums", kernels, sums(), codes, features);
    }

    @Override
    public void close() {
        sizes.close();
        sums.close();
    }

    /** A code must not expire before a batch has shown what it is good for. */
    private float restartSize() {
        return (float) Math.max(1, options.expiry);
    }

    private long size() {
        return (long) codes * features;
    }
}
