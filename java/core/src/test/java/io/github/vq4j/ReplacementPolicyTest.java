package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Where replaced codes go, by policy, in every layer. */
class ReplacementPolicyTest {
    private static final int FEATURES = 3;
    private static final int CODES = 12;

    static List<Backend> backends() {
        return Backends.all();
    }

    /** A layer whose codes 0 and 1 get the rows near the origin and (10, 10, 10); the others lie far away, dead. */
    private static VectorQuant layer(Backend backend, ReplacementPolicy policy) {
        VectorQuant layer = VectorQuant.builder(FEATURES, CODES)
                .dim(-1)
                .affineLr(2)
                .affineGroups(3)
                .replaceFreq(1)
                .replacementPolicy(policy)
                .backend(backend)
                .build();
        Backends.write(Backends.parameter(layer, "affine.scale"), normal(3, 9, 0.1));
        Backends.write(Backends.parameter(layer, "affine.bias"), normal(4, 9, 0.1));
        float[] codebook = new float[CODES * FEATURES];
        Arrays.fill(codebook, 1000);
        Arrays.fill(codebook, 0, FEATURES, 0);
        Arrays.fill(codebook, FEATURES, 2 * FEATURES, 10);
        layer.setCodebook(Tensor.of(codebook, CODES, FEATURES));
        return layer;
    }

    private static double[][] effective(VectorQuant layer) {
        try (Tensor codebook = layer.effectiveCodebook()) {
            return matrix(codebook.toFloatArray());
        }
    }

    private static void trained(VectorQuant layer, float[] z, int replaced) {
        try (Quantized q = layer.forward(Tensor.of(z, z.length / FEATURES, FEATURES))) {
            assertEquals(replaced, q.replacedCodes());
        }
    }

    // ---- the farthest rows -----------------------------------------------------------------------------------------

    @ParameterizedTest
    @MethodSource("backends")
    void farthestInputTakesTheRowsWithTheLargestErrorsEachOnce(Backend backend) {
        try (VectorQuant layer = layer(backend, ReplacementPolicy.FARTHEST_INPUT)) {
            float[] z = normal(5, 41 * FEATURES, 1);
            double[][] before = effective(layer);
            double[][] rows = matrix(z);
            int[] byError = IntStream.range(0, rows.length)
                    .boxed()
                    .sorted(Comparator.comparingDouble(n -> -error(rows[n], before)))
                    .mapToInt(Integer::intValue)
                    .toArray();
            trained(layer, z, 11);
            double[][] after = effective(layer);
            int[] replaced = layer.replacedCodes();
            for (int i = 0; i < replaced.length; i++) {
                assertArrayEquals(rows[byError[i]], after[replaced[i]], 1e-4, "dead code " + i);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void farthestInputGivesTheRowsOutInTurnWhereThereAreTooFew(Backend backend) {
        try (VectorQuant layer = layer(backend, ReplacementPolicy.FARTHEST_INPUT)) {
            float[] z = {1, 1, 1, 2, 2, 2, 3, 3, 3};
            trained(layer, z, 11);
            double[][] after = effective(layer);
            for (int i = 0; i < 11; i++) {
                double[] row = matrix(z)[2 - i % 3];
                double distance = Math.sqrt(ReferenceVectorQuant.squared(row, after[i + 1]));
                double noise = 0.05 * Math.sqrt(ReferenceVectorQuant.squared(row, new double[FEATURES]));
                assertTrue(i < 3 ? distance < 1e-5 : distance > 1e-5 && distance < noise, i + ": " + distance);
            }
        }
    }

    // ---- centroids -------------------------------------------------------------------------------------------------

    @ParameterizedTest
    @MethodSource("backends")
    void kmeansInputTakesCentroidsOfTheBatch(Backend backend) {
        try (VectorQuant layer = layer(backend, ReplacementPolicy.KMEANS_INPUT)) {
            // Eleven clusters, all near code 0 or code 1; as many as there are dead codes.
            float[] noise = normal(6, 22 * 5 * FEATURES, 1e-3);
            float[] z = new float[noise.length];
            double[][] means = new double[11][FEATURES];
            for (int i = 0; i < z.length; i++) {
                int cluster = i / FEATURES % 11;
                z[i] = (i % FEATURES == cluster % 3 ? cluster * 0.4f : 0) + noise[i];
                means[cluster][i % FEATURES] += z[i] / 10;
            }
            trained(layer, z, 11);
            double[][] after = effective(layer);
            List<Integer> taken = new ArrayList<>();
            for (int k = 1; k < CODES; k++) {
                int nearest = nearest(after[k], means);
                assertArrayEquals(means[nearest], after[k], 1e-3, "code " + k);
                taken.add(nearest);
            }
            assertEquals(11, taken.stream().distinct().count());
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void kmeansInputWithFewerRowsThanDeadCodesGivesThemOutInTurn(Backend backend) {
        try (VectorQuant layer = layer(backend, ReplacementPolicy.KMEANS_INPUT)) {
            float[] z = {1, 1, 1, 2, 2, 2};
            trained(layer, z, 11);
            double[][] after = effective(layer);
            for (int k = 1; k < CODES; k++) {
                double least = error(after[k], matrix(z));
                assertTrue(k < 3 ? least < 1e-10 : least > 0 && least < 0.02, "code " + k + ": " + least);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void theSeedAndTheStepDecideTheCentroids(Backend backend) {
        float[][] results = new float[3][];
        long[] seeds = {1, 1, 2};
        for (int run = 0; run < 3; run++) {
            try (VectorQuant layer = VectorQuant.builder(FEATURES, CODES)
                    .dim(-1)
                    .seed(seeds[run])
                    .replaceFreq(1)
                    .replacementPolicy(ReplacementPolicy.KMEANS_INPUT)
                    .backend(backend)
                    .build()) {
                float[] far = new float[CODES * FEATURES];
                Arrays.fill(far, 100);
                layer.setCodebook(Tensor.of(far, CODES, FEATURES));
                trained(layer, normal(5, 100 * FEATURES, 1), 11);
                results[run] = layer.codebook().toFloatArray();
            }
        }
        assertArrayEquals(results[0], results[1]);
        assertNotEquals(Arrays.toString(results[0]), Arrays.toString(results[2]));
    }

    // ---- the busiest codes -----------------------------------------------------------------------------------------

    @ParameterizedTest
    @MethodSource("backends")
    void splitBusiestCopiesTheMostUsedCodesWithNoise(Backend backend) {
        try (VectorQuant layer = layer(backend, ReplacementPolicy.SPLIT_BUSIEST)) {
            // Code 1 gets five rows, code 0 three: the dead codes are copies of 1, 0, 1, 0, ...
            float[] z = new float[8 * FEATURES];
            Arrays.fill(z, 0, 5 * FEATURES, 11);
            Arrays.fill(z, 5 * FEATURES, z.length, 0.1f);
            double[][] before = effective(layer);
            trained(layer, z, 10);
            double[][] after = effective(layer);
            int[] replaced = layer.replacedCodes();
            for (int i = 0; i < replaced.length; i++) {
                double[] busy = before[i % 2 == 0 ? 1 : 0];
                double length = Math.sqrt(ReferenceVectorQuant.squared(busy, new double[FEATURES]));
                double distance = Math.sqrt(ReferenceVectorQuant.squared(busy, after[replaced[i]]));
                assertTrue(distance > 0 && distance < 0.05 * length, "dead code " + i + " is " + distance + " away");
            }
            assertArrayEquals(before[0], after[0], "the busy codes stay");
            assertArrayEquals(before[1], after[1]);
        }
    }

    /** Moving averages move the busy code in the same pass: the copies are where it is then, and share its rows. */
    @ParameterizedTest
    @MethodSource("backends")
    void splitBusiestCopiesCodesOfMovingAveragesAsTheyAreAfterTheBatch(Backend backend) {
        try (VectorQuant layer = VectorQuant.builder(FEATURES, CODES)
                .dim(-1)
                .ema(0.5)
                .replaceFreq(1)
                .replacementPolicy(ReplacementPolicy.SPLIT_BUSIEST)
                .backend(backend)
                .build()) {
            // All rows are nearest to code 0, which goes half of the way and more to their mean.
            float[] codebook = new float[CODES * FEATURES];
            Arrays.fill(codebook, -1000);
            Arrays.fill(codebook, 0, FEATURES, 1);
            layer.setCodebook(Tensor.of(codebook, CODES, FEATURES));
            float[] z = normal(5, 50 * FEATURES, 0.1);
            for (int i = 0; i < z.length; i++) {
                z[i] += 100;
            }
            trained(layer, z, CODES - 1);
            double[][] after = effective(layer);
            assertTrue(after[0][0] > 50, "the busy code has moved: " + after[0][0]);
            double length = Math.sqrt(ReferenceVectorQuant.squared(after[0], new double[FEATURES]));
            for (int k = 1; k < CODES; k++) {
                double distance = Math.sqrt(ReferenceVectorQuant.squared(after[0], after[k]));
                assertTrue(distance > 0 && distance < 0.05 * length, "code " + k + " is " + distance + " away");
            }
        }
    }

    // ---- all policies ----------------------------------------------------------------------------------------------

    /** Every group's new codes are made of its own sub-vectors, every stage's of its own residuals. */
    @ParameterizedTest
    @MethodSource("backends")
    void groupsAndStagesTakeTheirOwnRows(Backend backend) {
        float[] z = new float[30 * 4];
        Random random = new Random(7);
        for (int i = 0; i < z.length; i++) {
            // The first two features are near 10, the others near -10.
            z[i] = (float) ((i % 4 < 2 ? 10 : -10) + random.nextGaussian());
        }
        for (ReplacementPolicy policy : ReplacementPolicy.values()) {
            try (GroupVectorQuant layer = GroupVectorQuant.builder(4, 12, 2)
                    .dim(-1)
                    .replaceFreq(1)
                    .replacementPolicy(policy)
                    .backend(backend)
                    .build()) {
                layer.setCodebook(0, constant(1, 6, 2));
                layer.setCodebook(1, constant(-1, 6, 2));
                layer.forward(Tensor.of(z, 30, 4)).close();
                assertEquals(10, layer.replacedCodes().length);
                for (int group = 0; group < 2; group++) {
                    float[] codebook = layer.codebook(group).toFloatArray();
                    for (int i = 2; i < codebook.length; i++) {
                        assertTrue((group == 0 ? codebook[i] : -codebook[i]) > 0.9, policy + ": " + codebook[i]);
                    }
                }
            }
            try (ResidualVectorQuant layer = ResidualVectorQuant.builder(4, 12, 2)
                    .dim(-1)
                    .replaceFreq(1)
                    .replacementPolicy(policy)
                    .backend(backend)
                    .build()) {
                // The first stage takes everything but the deviations away.
                float[] first = new float[6 * 4];
                IntStream.range(0, 24).forEach(i -> first[i] = (i % 4 < 2 ? 10 : -10) * (i < 4 ? 1 : 100));
                layer.setCodebook(0, Tensor.of(first, 6, 4));
                layer.setCodebook(1, constant(0.1f, 6, 4));
                layer.forward(Tensor.of(z, 30, 4)).close();
                float[] second = layer.codebook(1).toFloatArray();
                for (float value : second) {
                    assertTrue(Math.abs(value) < 4, policy + ": " + value + " is no residual");
                }
                float[] stored = layer.codebook(0).toFloatArray();
                for (int i = 4; i < stored.length; i++) {
                    assertTrue(Math.abs(stored[i]) > 6 && Math.abs(stored[i]) < 14, policy + ": " + stored[i]);
                }
            }
        }
    }

    /** What a pass before has replaced is no longer told of a codebook that a pass has no rows for. */
    @ParameterizedTest
    @MethodSource("backends")
    void aPassWithoutRowsHasReplacedNothing(Backend backend) {
        Tensor z = Tensor.of(normal(3, 4 * FEATURES, 1), 4, FEATURES);
        try (VectorQuant layer = layer(backend, ReplacementPolicy.RANDOM_INPUT)) {
            layer.forward(z).close();
            assertTrue(layer.replacedCodes().length > 0);
            layer.forward(z, RowMask.of(new boolean[4], 4)).close();
            assertEquals(0, layer.replacedCodes().length);
        }
        try (ResidualVectorQuant layer = ResidualVectorQuant.builder(FEATURES, 2 * CODES, 2)
                .dim(-1)
                .replaceFreq(1)
                .quantizerDropout(1, false)
                .backend(backend)
                .build()) {
            boolean replacedInBoth = false;
            boolean leftOutAfterwards = false;
            for (int step = 0; step < 20; step++) {
                try (Quantized q = layer.forward(z)) {
                    int[] replaced = layer.replacedCodes();
                    assertEquals(q.replacedCodes(), replaced.length);
                    boolean inSecond = Arrays.stream(replaced).anyMatch(code -> code >= CODES);
                    boolean isLeftOut = q.codes().toIntArray()[1] < 0;
                    assertEquals(!isLeftOut, inSecond);
                    leftOutAfterwards |= replacedInBoth && isLeftOut;
                    replacedInBoth |= inSecond;
                }
            }
            assertTrue(leftOutAfterwards);
        }
    }

    /** A replaced code starts without the momentum of the one before. */
    @ParameterizedTest
    @MethodSource("backends")
    void theOptimisersStateOfAReplacedCodeIsCleared(Backend backend) {
        for (ReplacementPolicy policy : ReplacementPolicy.values()) {
            try (VectorQuant layer = VectorQuant.builder(1, 2)
                            .dim(-1)
                            .replaceFreq(1)
                            .replacementPolicy(policy)
                            .backend(backend)
                            .build();
                    Optimizer optimizer = Optimizer.sgd(0.1, 0.9)) {
                layer.setCodebook(Tensor.of(new float[] {0, 100}, 2, 1));
                Tensor both = Tensor.of(new float[] {1, 101}, 2, 1);
                Tensor one = Tensor.of(new float[] {1, 2}, 2, 1);
                layer.forward(both).close();
                layer.backward(null, 1).close();
                optimizer.step(layer);
                layer.forward(one).close();
                assertArrayEquals(new int[] {1}, layer.replacedCodes(), policy.name());
                float placed = layer.codebook().toFloatArray()[1];
                layer.backward(null, 1).close();
                optimizer.step(layer);
                assertEquals(placed, layer.codebook().toFloatArray()[1], policy + ": no gradient, no momentum");
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void aForwardWhoseCentroidsOverflowChangesNothing(Backend backend) {
        try (VectorQuant layer = VectorQuant.builder(1, 4)
                .dim(-1)
                .replaceFreq(2)
                .replacementPolicy(ReplacementPolicy.KMEANS_INPUT)
                .backend(backend)
                .build()) {
            layer.forward(Tensor.of(new float[] {0.1f}, 1, 1)).close();
            float[] before = layer.codebook().toFloatArray();
            int[] counters = layer.lifeCounters();
            float[] z = new float[12];
            Arrays.fill(z, 3e38f);
            assertThrows(NotFiniteException.class, () -> layer.forward(Tensor.of(z, 12, 1)));
            assertArrayEquals(before, layer.codebook().toFloatArray());
            assertArrayEquals(counters, layer.lifeCounters());
            assertEquals(0, layer.replacedCodes().length);
        }
    }

    @Test
    void thePolicyMustBeGiven() {
        assertThrows(NullPointerException.class, () -> VectorQuant.builder(1, 2).replacementPolicy(null));
    }

    private static Tensor constant(float value, int codes, int features) {
        float[] values = new float[codes * features];
        Arrays.fill(values, value);
        return Tensor.of(values, codes, features);
    }

    private static int nearest(double[] row, double[][] codebook) {
        return IntStream.range(0, codebook.length)
                .boxed()
                .min(Comparator.comparingDouble(k -> ReferenceVectorQuant.squared(row, codebook[k])))
                .orElseThrow();
    }

    private static double error(double[] row, double[][] codebook) {
        return ReferenceVectorQuant.squared(row, codebook[nearest(row, codebook)]);
    }

    private static double[][] matrix(float[] values) {
        return new Layout(new long[] {values.length / FEATURES, FEATURES}, 1).rowsOf(values);
    }

    private static float[] normal(long seed, int count, double size) {
        Random random = new Random(seed);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) (size * random.nextGaussian());
        }
        return values;
    }
}
