package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Memory;
import io.github.vq4j.internal.Rows;
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
 * relatively. The same rows, options and seed give the same codebook, bit for bit. Codes that lose all their rows stay
 * where they are. Fewer rows than codes are repeated, rounded up, with noise of 1e-3 of their standard deviation, and a
 * warning is logged. Immutable and thread-safe.
 */
public final class KMeans {
    private static final Logger LOGGER = LoggerFactory.getLogger(KMeans.class);
    private static final double REPETITION_NOISE = 1e-3;

    private final int numCodes;
    private final long seed;
    private final int maxIterations;
    private final double tolerance;
    private final Kernels kernels;

    private KMeans(Builder builder, Kernels kernels) {
        numCodes = builder.numCodes;
        seed = builder.seed;
        maxIterations = builder.maxIterations;
        tolerance = builder.tolerance;
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
            kernels.repeatRows(z, rows, repeats, (float) (REPETITION_NOISE * scaleOf(z, rows)), seed, noisy.pointer());
            return fitEnough(noisy.pointer(), repeated, codebook);
        }
    }

    private Fit fitEnough(FloatPointer z, Rows rows, FloatPointer codebook) {
        long features = rows.features();
        try (Memory<Pointer> packed = Memory.bytes(kernels, kernels.packedCodebookBytes(numCodes, features));
                Memory<IntPointer> codes = Memory.ints(kernels, rows.count());
                Memory<FloatPointer> distances = Memory.floats(kernels, rows.count());
                Memory<DoublePointer> means = Memory.doubles(kernels, 1);
                Memory<DoublePointer> mean = Memory.doubles(kernels, 1);
                Memory<LongPointer> counts = Memory.longs(kernels, numCodes);
                Memory<FloatPointer> sums = Memory.floats(kernels, numCodes * features)) {
            kernels.seedCodebook(z, rows, numCodes, seed, codebook);
            double[] objective = new double[1];
            double previous = Double.POSITIVE_INFINITY;
            for (int iteration = 0; ; iteration++) {
                kernels.packCodebook(codebook, numCodes, features, packed.pointer());
                kernels.assign(z, rows, packed.pointer(), numCodes, codes.pointer());
                kernels.commitmentLoss(
                        z, rows, codebook, codes.pointer(), 1, distances.pointer(), means.pointer(), mean.pointer());
                kernels.read(mean.pointer(), objective);
                boolean converged = iteration > 0 && previous - objective[0] <= tolerance * previous;
                if (converged || iteration == maxIterations) {
                    return new Fit(objective[0], iteration);
                }
                previous = objective[0];
                kernels.scatter(z, rows, codes.pointer(), numCodes, sums.pointer());
                kernels.countCodes(codes.pointer(), rows.count(), numCodes, counts.pointer());
                kernels.updateCentroids(sums.pointer(), counts.pointer(), numCodes, features, codebook);
            }
        }
    }

    /** Standard deviation within the features; of rows that are all equal, their magnitude; 1 for zeros. */
    private double scaleOf(FloatPointer z, Rows rows) {
        float[] mean = new float[Math.toIntExact(rows.features())];
        float[] variance = mean.clone();
        try (Memory<FloatPointer> means = Memory.floats(kernels, mean.length);
                Memory<FloatPointer> variances = Memory.floats(kernels, mean.length)) {
            kernels.moments("z", z, rows, 1, mean.length, means.pointer(), variances.pointer());
            kernels.read(means.pointer(), mean);
            kernels.read(variances.pointer(), variance);
        }
        double varianceSum = 0;
        double squareSum = 0;
        for (int d = 0; d < mean.length; d++) {
            varianceSum += variance[d];
            squareSum += (double) mean[d] * mean[d];
        }
        double square = varianceSum > 0 ? varianceSum : squareSum;
        return square > 0 ? Math.sqrt(square / mean.length) : 1;
    }

    /** Options of {@link KMeans}. */
    public static final class Builder {
        private final int numCodes;
        private long seed;
        private int maxIterations = 100;
        private double tolerance = 1e-4;
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

        /** Where to compute; {@link Backend#best} by default. */
        public Builder backend(Backend backend) {
            this.backend = backend;
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
