package io.github.vq4j;

import io.github.vq4j.internal.Batch;
import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Memory;
import io.github.vq4j.internal.Rows;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * k-means: seeding by k-means++, then Lloyd's moves until one improves the objective by less than the tolerance,
 * relatively. The same rows, options and seed give the same codebook, bit for bit, on every backend. Codes that lose all
 * their rows stay where they are. Fewer rows than codes are repeated, rounded up, with noise of 1e-3 of their standard
 * deviation, and a warning is logged. More than 64 rows for each code, and k-means++ draws from a sample of so many.
 * Immutable and thread-safe.
 *
 * <p>The CPU leaves out distances that bounds prove too long (Ding et al., <i>Yinyang K-Means</i>, ICML 2015); its codebook
 * is that of the plain algorithm, bit for bit. It needs 4 bytes for each row and group of about 32 codes, 128 bytes a row
 * at most, during the fit.
 *
 * <p>{@link Builder#batchSize} chooses mini-batches instead (Sculley, <i>Web-Scale K-Means Clustering</i>, WWW 2010).
 */
public final class KMeans {
    private static final Logger LOGGER = LoggerFactory.getLogger(KMeans.class);
    private static final double REPETITION_NOISE = 1e-3;

    /** How many rows for each code k-means++ draws from at most. */
    private static final int SEEDING_ROWS = 64;

    /** The most mini-batches that a CUDA device computes before the host looks at their objectives. */
    private static final int MOVES_OF_A_WAIT = 64;

    private final int numCodes;
    private final long seed;
    private final int maxIterations;
    private final double tolerance;
    private final int batchSize;
    private final Kernels kernels;

    private KMeans(Builder builder, Kernels kernels) {
        numCodes = builder.numCodes;
        seed = builder.seed;
        maxIterations = builder.maxIterations;
        tolerance = builder.tolerance;
        batchSize = builder.batchSize;
        this.kernels = kernels;
    }

    /**
     * Starts a description of a fit.
     *
     * @param numCodes K, at least 1
     */
    public static Builder builder(int numCodes) {
        return new Builder(numCodes);
    }

    /**
     * Fits a codebook.
     *
     * @param rows FLOAT32, at least one row
     * @param dim axis of the features; negative counts from the end
     * @throws NotFiniteException if a row has a NaN or an infinity
     */
    public KMeansResult fit(Tensor rows, int dim) {
        rows.checkUsable("rows", DataType.FLOAT32, kernels);
        int axis = dim < 0 ? rows.rank() + dim : dim;
        if (axis < 0 || axis >= rows.rank()) {
            throw new IllegalArgumentException("need an axis " + dim + ", got " + rows);
        }
        if (rows.size() == 0) {
            throw new IllegalArgumentException("need at least one row, got " + rows);
        }
        Rows layout = Rows.of(rows.shape(), axis);
        Tensor codebook = Tensor.allocate(kernels, DataType.FLOAT32, numCodes, layout.features());
        try (NativeFloats stage = new NativeFloats(kernels)) {
            Fit fit = fit(stage.read(rows), layout, codebook.floats());
            return new KMeansResult(codebook, fit.objective, fit.iterations);
        } catch (NotFiniteException failure) {
            codebook.close();
            throw failure.tensor().equals("z") ? new NotFiniteException("rows", failure.row()) : failure;
        } catch (RuntimeException | Error failure) {
            codebook.close();
            throw failure;
        }
    }

    private record Fit(double objective, int iterations) {}

    /** Fits a codebook in the memory of the backend. */
    Fit fit(FloatPointer z, Rows rows, FloatPointer codebook) {
        if (rows.count() >= numCodes) {
            return fitEnough(z, rows, codebook);
        }
        long repeats = (numCodes + rows.count() - 1) / rows.count();
        LOGGER.warn(
                "k-means of {} codes on {} rows: each row is used {} times with noise; give a batch of more rows than codes",
                numCodes,
                rows.count(),
                repeats);
        Rows repeated = Rows.matrix(rows.count() * repeats, rows.features());
        try (Memory<FloatPointer> noisy = Memory.floats(kernels, repeated.elements())) {
            kernels.clustering.repeatRows(
                    z, rows, repeats, (float) (REPETITION_NOISE * scaleOf(z, rows)), seed, noisy.pointer());
            return fitEnough(noisy.pointer(), repeated, codebook);
        }
    }

    private Fit fitEnough(FloatPointer z, Rows rows, FloatPointer codebook) {
        seed(z, rows, codebook);
        return batchSize > 0 ? fitMiniBatches(z, rows, codebook) : lloyd(z, rows, maxIterations, codebook);
    }

    private void seed(FloatPointer z, Rows rows, FloatPointer codebook) {
        Rows sample = Rows.matrix(SEEDING_ROWS * (long) numCodes, rows.features());
        if (rows.count() <= sample.count()) {
            kernels.clustering.seedCodebook(z, rows, numCodes, seed, codebook);
            return;
        }
        checkFinite(z, rows);
        try (Memory<FloatPointer> drawn = Memory.floats(kernels, sample.elements())) {
            kernels.clustering.sampleRows(z, rows, sample.count(), seed, 0, drawn.pointer());
            kernels.clustering.seedCodebook(drawn.pointer(), sample, numCodes, seed, codebook);
        }
    }

    private Fit lloyd(FloatPointer z, Rows rows, int moves, FloatPointer codebook) {
        try (Memory<IntPointer> codes = Memory.ints(kernels, rows.count());
                Memory<DoublePointer> objective = Memory.doubles(kernels, 1);
                Memory<LongPointer> iterations = Memory.longs(kernels, 1)) {
            kernels.clustering.lloyd(
                    z,
                    rows,
                    numCodes,
                    moves,
                    tolerance,
                    codebook,
                    codes.pointer(),
                    objective.pointer(),
                    iterations.pointer());
            double[] mean = new double[1];
            long[] moved = new long[1];
            kernels.read(objective.pointer(), mean);
            kernels.read(iterations.pointer(), moved);
            return new Fit(mean[0], (int) moved[0]);
        }
    }

    private Fit fitMiniBatches(FloatPointer z, Rows rows, FloatPointer codebook) {
        long features = rows.features();
        Rows batch = Rows.matrix(batchSize, features);
        int batchesInEpoch = Math.toIntExact((rows.count() + batchSize - 1) / batchSize);
        int moves = 0;
        try (Memory<FloatPointer> drawn = Memory.floats(kernels, batch.elements());
                Memory<Pointer> packed =
                        Memory.bytes(kernels, kernels.assignment.packedCodebookBytes(numCodes, features));
                Memory<IntPointer> codes = Memory.ints(kernels, batchSize);
                Memory<FloatPointer> distances = Memory.floats(kernels, batchSize);
                Memory<DoublePointer> means = Memory.doubles(kernels, 1);
                Memory<DoublePointer> mean = Memory.doubles(kernels, 1);
                Memory<LongPointer> counts = Memory.longs(kernels, numCodes);
                Memory<LongPointer> totals = Memory.longs(kernels, numCodes);
                Memory<FloatPointer> sums = Memory.floats(kernels, numCodes * features)) {
            kernels.clear(totals.pointer(), (long) numCodes * Long.BYTES);
            double epoch = 0;
            double previous = Double.POSITIVE_INFINITY;
            while (moves < maxIterations) {
                int ofEpoch = batchesInEpoch - moves % batchesInEpoch;
                int end = moves + Math.min(MOVES_OF_A_WAIT, Math.min(ofEpoch, maxIterations - moves));
                List<Batch.Fetched<double[]>> objectives = new ArrayList<>();
                try (Batch together = kernels.beginBatch()) {
                    for (; moves < end; moves++) {
                        kernels.clustering.sampleRows(z, rows, batchSize, seed, moves + 1L, drawn.pointer());
                        kernels.assignment.packCodebook(codebook, numCodes, features, packed.pointer());
                        kernels.assignment.assign(drawn.pointer(), batch, packed.pointer(), numCodes, codes.pointer());
                        kernels.loss.commitmentLoss(
                                drawn.pointer(),
                                batch,
                                codebook,
                                codes.pointer(),
                                1,
                                distances.pointer(),
                                means.pointer(),
                                mean.pointer(),
                                null,
                                null);
                        objectives.add(together.fetch(mean.pointer(), 1));
                        kernels.loss.scatter(drawn.pointer(), batch, codes.pointer(), numCodes, sums.pointer());
                        kernels.assignment.countCodes(codes.pointer(), batchSize, numCodes, counts.pointer());
                        kernels.clustering.miniBatchUpdate(
                                sums.pointer(), counts.pointer(), numCodes, features, totals.pointer(), codebook);
                    }
                    together.submit();
                    together.await();
                }
                for (Batch.Fetched<double[]> objective : objectives) {
                    epoch += objective.get()[0];
                }
                if (moves % batchesInEpoch == 0) {
                    if (moves > batchesInEpoch && previous - epoch <= tolerance * previous) {
                        break;
                    }
                    previous = epoch;
                    epoch = 0;
                }
            }
        }
        return new Fit(lloyd(z, rows, 0, codebook).objective, moves);
    }

    /** Standard deviation within the features; of rows that are all equal, their magnitude; 1 for zeros. */
    private double scaleOf(FloatPointer z, Rows rows) {
        Moments moments = columnMoments(z, rows);
        double varianceSum = 0;
        double squareSum = 0;
        for (int d = 0; d < moments.mean.length; d++) {
            varianceSum += moments.variance[d];
            squareSum += (double) moments.mean[d] * moments.mean[d];
        }
        double square = varianceSum > 0 ? varianceSum : squareSum;
        return square > 0 ? Math.sqrt(square / moments.mean.length) : 1;
    }

    /** Before rows are sampled, so that the failure has the number of the row. */
    private void checkFinite(FloatPointer z, Rows rows) {
        try (Memory<FloatPointer> largest = Memory.floats(kernels, 1)) {
            kernels.workers.largestMagnitude(z, rows, largest.pointer());
        }
    }

    private record Moments(float[] mean, float[] variance) {}

    /** Of every feature. Throws when a row is not finite. */
    private Moments columnMoments(FloatPointer z, Rows rows) {
        float[] mean = new float[Math.toIntExact(rows.features())];
        float[] variance = mean.clone();
        try (Memory<FloatPointer> means = Memory.floats(kernels, mean.length);
                Memory<FloatPointer> variances = Memory.floats(kernels, mean.length)) {
            kernels.norms.moments("z", z, rows, 1, mean.length, means.pointer(), variances.pointer());
            kernels.read(means.pointer(), mean);
            kernels.read(variances.pointer(), variance);
        }
        return new Moments(mean, variance);
    }

    /** Options of {@link KMeans}. */
    public static final class Builder {
        private final int numCodes;
        private long seed;
        private int maxIterations = 100;
        private double tolerance = 1e-4;
        private int batchSize;
        private @Nullable Backend backend;

        private Builder(int numCodes) {
            this.numCodes = Arguments.atLeastOne("numCodes", numCodes);
        }

        /** Seed of the random numbers; 0 by default. */
        public Builder seed(long seed) {
            this.seed = seed;
            return this;
        }

        /** Most moves of the codes; 100 by default, 0 for seeding only. */
        public Builder maxIterations(int maxIterations) {
            this.maxIterations = Arguments.notNegative("maxIterations", maxIterations);
            return this;
        }

        /** Relative improvement below which to stop; 1e-4 by default. */
        public Builder tolerance(double tolerance) {
            this.tolerance = Arguments.notNegative("tolerance", tolerance);
            return this;
        }

        /**
         * Rows of a mini-batch; 0, the default, for Lloyd's moves over all rows. Batch after batch is drawn uniformly from
         * the rows, and each code moves to the mean of all rows that it has been given so far, as by steps with a rate of
         * one over their number. {@link #maxIterations} then counts batches, and {@link #tolerance} compares the sums of the
         * batches' objectives over epochs of as many batches as the rows fill.
         */
        public Builder batchSize(int batchSize) {
            this.batchSize = Arguments.notNegative("batchSize", batchSize);
            return this;
        }

        /** Where to compute; {@link Backend#best} by default. */
        public Builder backend(Backend backend) {
            this.backend = Objects.requireNonNull(backend, "backend");
            return this;
        }

        /** The fit described. */
        public KMeans build() {
            return build((backend == null ? Backend.best() : backend).kernels());
        }

        KMeans build(Kernels kernels) {
            return new KMeans(this, kernels);
        }
    }
}
