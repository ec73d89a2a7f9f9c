package io.github.vq4j;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * A random layer and batch: shapes of one to four axes with the features on any of them, sizes from 1 on, every
 * combination of options that composes.
 */
record LayerCase(long seed, Layout layout, int dim, int codes, ReferenceVectorQuant.Options options) {
    static LayerCase random(long seed) {
        Random random = new Random(seed);
        Norm norm = pick(random, List.of(Norm.values()));
        int rank = 1 + random.nextInt(4);
        int axis = random.nextInt(rank);
        // On the sphere of one feature, -1 and 1, the gradient is zero by cancellation: nothing to compare.
        List<Integer> sizes = norm == Norm.UNIT ? List.of(2, 3, 7, 16, 17, 33) : List.of(1, 2, 3, 7, 16, 17, 33);
        int features = norm == Norm.GROUP ? 32 * (1 + random.nextInt(2)) : pick(random, sizes);
        long[] shape = new long[rank];
        for (int i = 0; i < rank; i++) {
            shape[i] = i == axis ? features : pick(random, List.of(1L, 2L, 3L, 5L, 7L, 11L));
        }
        if (norm == Norm.BATCH || norm == Norm.GROUP || norm == Norm.INSTANCE) {
            // Such a norm needs more than one value to a variance: three axes and several rows to a sample.
            axis = 1 + random.nextInt(2);
            shape = axis == 1 ? new long[] {2, features, 9} : new long[] {3, 5, features};
            rank = 3;
        }
        int groups = pick(random, List.of(1, 1, 2, 3));
        boolean statistics = random.nextInt(3) == 0;
        // The variance of one or two codes may be tiny: the statistics affine is then as ill-conditioned in float64.
        int codes = groups * pick(random, statistics ? List.of(5, 13, 31) : List.of(1, 2, 5, 13, 31));
        double affineLr = statistics || random.nextBoolean() ? 0 : pick(random, List.of(0.5, 2.0, 10.0));
        CodebookNorm codebookNorm = pick(random, List.of(CodebookNorm.values()));
        double beta = pick(random, List.of(0.0, 0.25, 0.95, 1.0));
        double syncNu = pick(random, List.of(0.0, 0.2, 2.0));
        List<GradientEstimator> estimators = new ArrayList<>(List.of(GradientEstimator.STRAIGHT_THROUGH));
        // A row of few features that its mean was taken from may be nearly zero: |e|/|z| is then as ill-conditioned.
        if (features >= 7 || norm == Norm.NONE || norm == Norm.UNIT || norm == Norm.MAX_NORM) {
            estimators.add(GradientEstimator.ROTATION);
        }
        // Along the one direction of one feature DIVEQ leaves nothing of the gradient, by cancellation.
        if (features > 1 && syncNu == 0) {
            estimators.add(GradientEstimator.DIVEQ);
        }
        GradientEstimator estimator = pick(random, estimators);
        ReferenceVectorQuant.Options options = new ReferenceVectorQuant.Options(
                norm, codebookNorm, affineLr, statistics, groups, beta, syncNu, estimator);
        int dim = random.nextBoolean() ? axis : axis - rank;
        return new LayerCase(seed, new Layout(shape, axis), dim, codes, options);
    }

    VectorQuant.Builder builder() {
        return VectorQuant.builder(layout.features(), codes)
                .dim(dim)
                .norm(options.norm())
                .codebookNorm(options.codebookNorm())
                .affineLr(options.affineLr())
                .statisticsAffine(options.statisticsAffine())
                .affineGroups(options.affineGroups())
                .beta(options.beta())
                .syncNu(options.syncNu())
                .gradientEstimator(options.estimator());
    }

    /** Normal values; long enough for MAX_NORM to cut some rows and not others. */
    float[] batch(int number) {
        Random random = new Random(seed * 31 + number);
        double size = options.norm() == Norm.MAX_NORM ? 10 / Math.sqrt(layout.features()) : 1;
        return normal(random, layout.size(), size);
    }

    float[] gradient(int number) {
        return normal(new Random(seed * 37 + number), layout.size(), 0.1);
    }

    float[] codebook() {
        double size = options.codebookNorm() == CodebookNorm.MAX_NORM ? 10 / Math.sqrt(layout.features()) : 1;
        return normal(new Random(seed * 41), codes * layout.features(), size);
    }

    /** Start values of the parameter with this number, near those a layer starts with. */
    float[] parameter(int number, boolean nearOne, int size) {
        float[] values = normal(new Random(seed * 43 + number), size, 0.1);
        for (int i = 0; nearOne && i < size; i++) {
            values[i] += 1;
        }
        return values;
    }

    private static float[] normal(Random random, int count, double size) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) (size * random.nextGaussian());
        }
        return values;
    }

    private static <T> T pick(Random random, List<T> values) {
        return values.get(random.nextInt(values.size()));
    }
}
