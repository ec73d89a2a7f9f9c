package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Memory;
import io.github.vq4j.internal.Rows;
import java.util.List;
import java.util.SortedSet;
import org.bytedeco.javacpp.FloatPointer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * k-means of rows that lie in many places ({@link DistributedRows}), or of each of several groups of their features, as
 * for product quantization: seeding by k-means++, then Lloyd's moves until one improves the objective by less than the
 * tolerance, relatively. Codes that lose all their rows stay where they are.
 *
 * <p>The codebooks have the same bits however the rows are cut into parts and blocks, in whatever order they come and
 * results are combined, on every backend: what parts add up are integers, x * 2^e rounded, with e such that the largest
 * magnitude of all rows has 40 bits, fewer for more than 2^22 rows. k-means++ draws from up to 64 different rows for each
 * code, fewer where these have more than 2^28 numbers, chosen by a hash of their bits and the seed: a row that occurs often
 * is as likely to be among them as one that occurs once.
 *
 * <p>The rows are read once for their number and magnitude, once for the sample, and once for each move and the final
 * objective. Immutable and thread-safe.
 */
public final class DistributedKMeans {
    private static final Logger LOGGER = LoggerFactory.getLogger(DistributedKMeans.class);

    /** How many rows for each code k-means++ draws from at most. */
    private static final int SEEDING_ROWS = 64;

    /** How many numbers these rows have at most, a gigabyte. */
    private static final long SEEDING_NUMBERS = 1L << 28;

    private final int featureSize;
    private final int numCodes;
    private final int groups;
    private final long seed;
    private final int maxIterations;
    private final double tolerance;

    private DistributedKMeans(Builder builder) {
        featureSize = builder.featureSize;
        numCodes = builder.numCodes;
        groups = builder.groups;
        seed = builder.seed;
        maxIterations = builder.maxIterations;
        tolerance = builder.tolerance;
    }

    /**
     * Starts a description of a fit.
     *
     * @param featureSize D, at least 1
     * @param numCodes K, codes of each group, at least 1
     */
    public static Builder builder(int featureSize, int numCodes) {
        return new Builder(featureSize, numCodes);
    }

    /**
     * Fits codebooks. Tasks compute on {@link Backend#best} of the machine they run on.
     *
     * @throws IllegalArgumentException if a row has other than D features, a NaN, an infinity, or numbers so large that
     *     their squares overflow, or fewer than K rows differ; it may arrive wrapped in what the framework throws
     */
    public DistributedKMeansResult fit(DistributedRows rows) {
        long seedingRows = Math.min((long) SEEDING_ROWS * numCodes, SEEDING_NUMBERS / featureSize);
        int sampleSize = (int) Math.max(numCodes, seedingRows);
        RowSurvey survey = rows.reduce(new RowSurvey.Task(featureSize, sampleSize, seed));
        if (survey.tickets().length < numCodes) {
            throw new IllegalArgumentException("need at least numCodes = " + numCodes + " rows that differ, got "
                    + survey.tickets().length + " among " + survey.rows());
        }
        float[][] codebooks = seed(rows.reduce(new RowSample(featureSize, seed, survey.tickets()[0])));
        double previous = Double.POSITIVE_INFINITY;
        for (int moves = 0; ; moves++) {
            CodeSums sums = new CodeSums(codebooks, featureSize, survey);
            long[] totals = rows.reduce(sums);
            double objective = sums.objective(totals);
            LOGGER.debug("k-means after {} moves: objective {}", moves, objective);
            boolean settled = moves > 0 && previous - objective <= tolerance * previous;
            if (moves == maxIterations || settled) {
                return new DistributedKMeansResult(List.of(codebooks), objective, moves, survey.rows());
            }
            previous = objective;
            codebooks = sums.move(totals);
        }
    }

    private float[][] seed(SortedSet<RowSample.Row> sample) {
        Kernels kernels = Backend.best().kernels();
        Rows rows = Rows.matrix(sample.size(), featureSize);
        int width = featureSize / groups;
        float[] values = new float[Math.toIntExact(rows.elements())];
        int row = 0;
        for (RowSample.Row sampled : sample) {
            System.arraycopy(sampled.values(), 0, values, row * featureSize, featureSize);
            row++;
        }
        float[][] codebooks = new float[groups][numCodes * width];
        Rows parts = Rows.matrix(rows.count(), width);
        try (Memory<FloatPointer> z = Memory.floats(kernels, rows.elements());
                Memory<FloatPointer> part = Memory.floats(kernels, parts.elements());
                Memory<FloatPointer> codebook = Memory.floats(kernels, codebooks[0].length)) {
            kernels.write(values, z.pointer());
            for (int g = 0; g < groups; g++) {
                kernels.tensors.takeFeatures(z.pointer(), rows, (long) g * width, width, part.pointer());
                kernels.clustering.seedCodebook(part.pointer(), parts, numCodes, seed + g, codebook.pointer());
                kernels.read(codebook.pointer(), codebooks[g]);
            }
        }
        return codebooks;
    }

    @Override
    public String toString() {
        return "DistributedKMeans of " + numCodes + " codes x " + featureSize + " features in " + groups + " groups";
    }

    /** Options of {@link DistributedKMeans}. */
    public static final class Builder {
        /** Fit in one array with something to spare. */
        private static final int MOST_SUMS = 1 << 30;

        private final int featureSize;
        private final int numCodes;
        private int groups = 1;
        private long seed;
        private int maxIterations = 100;
        private double tolerance = 1e-4;

        private Builder(int featureSize, int numCodes) {
            this.featureSize = Arguments.atLeastOne("featureSize", featureSize);
            this.numCodes = Arguments.atLeastOne("numCodes", numCodes);
        }

        /** Groups of contiguous features with a codebook each; divides featureSize; 1 by default. */
        public Builder groups(int groups) {
            Arguments.divides("groups", Arguments.atLeastOne("groups", groups), "featureSize", featureSize);
            this.groups = groups;
            return this;
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

        /** Relative improvement of the objective of all groups together below which to stop; 1e-4 by default. */
        public Builder tolerance(double tolerance) {
            this.tolerance = Arguments.notNegative("tolerance", tolerance);
            return this;
        }

        /** The fit described. */
        public DistributedKMeans build() {
            if (((long) featureSize + groups) * numCodes > MOST_SUMS) {
                throw new IllegalArgumentException("need (featureSize + groups) * numCodes <= " + MOST_SUMS + ", got ("
                        + featureSize + " + " + groups + ") * " + numCodes);
            }
            return new DistributedKMeans(this);
        }
    }
}
