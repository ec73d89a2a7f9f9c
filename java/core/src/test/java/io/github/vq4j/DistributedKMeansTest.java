package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class DistributedKMeansTest {
    private static final int FEATURES = 6;

    @AfterEach
    void forgetBackend() {
        System.clearProperty(Backend.BACKEND_PROPERTY);
    }

    @Test
    void codebooksHaveTheSameBitsHoweverRowsAreCutAndOrderedOnEveryBackend() {
        List<float[]> rows = normal(400, 1);
        List<float[]> mixed = new ArrayList<>(rows);
        Collections.shuffle(mixed, new Random(2));
        for (int groups : new int[] {1, 3}) {
            // 256 of the 400 rows are the sample.
            DistributedKMeans kmeans = DistributedKMeans.builder(FEATURES, 4)
                    .groups(groups)
                    .seed(3)
                    .maxIterations(3)
                    .tolerance(0)
                    .build();
            DistributedKMeansResult whole = kmeans.fit(new RowsInParts(rows, 1, 400));
            for (Backend backend : Backends.all()) {
                System.setProperty(Backend.BACKEND_PROPERTY, backend.name());
                assertSameBits(whole, kmeans.fit(new RowsInParts(rows, 2, 97)));
                assertSameBits(whole, kmeans.fit(new RowsInParts(mixed, 7, 64)));
                assertSameBits(whole, kmeans.fit(new RowsInParts(mixed, 23, 5)));
            }
        }
    }

    @Test
    void theObjectiveIsTheMeanSquaredErrorAndNoMoveMakesItWorse() {
        List<float[]> rows = normal(300, 4);
        for (int groups : new int[] {1, 2}) {
            double previous = Double.POSITIVE_INFINITY;
            for (int moves : new int[] {0, 1, 2, 5, 100}) {
                DistributedKMeansResult result = DistributedKMeans.builder(FEATURES, 8)
                        .groups(groups)
                        .maxIterations(moves)
                        .tolerance(0)
                        .build()
                        .fit(new RowsInParts(rows, 3, 50));
                assertEquals(error(rows, result.codebooks()), result.objective(), 1e-6 * result.objective());
                assertTrue(result.objective() <= previous, moves + " moves: " + result.objective());
                assertTrue(result.iterations() <= moves);
                assertEquals(300, result.rows());
                previous = result.objective();
            }
        }
    }

    /** At convergence every code is the mean of its rows. */
    @Test
    void codesEndAsTheMeansOfTheirRows() {
        List<float[]> rows = normal(300, 5);
        float[] codebook = DistributedKMeans.builder(FEATURES, 5)
                .tolerance(0)
                .build()
                .fit(new RowsInParts(rows, 2, 64))
                .codebooks()
                .get(0);
        double[] sums = new double[codebook.length];
        int[] counts = new int[5];
        for (float[] row : rows) {
            int code = nearest(row, codebook);
            counts[code]++;
            for (int d = 0; d < FEATURES; d++) {
                sums[code * FEATURES + d] += row[d];
            }
        }
        for (int i = 0; i < codebook.length; i++) {
            assertEquals(sums[i] / counts[i / FEATURES], codebook[i], 1e-6);
        }
    }

    @Test
    void rowsInOnePlaceAreFittedAsWellAsByKMeans() {
        List<float[]> rows = normal(2000, 6);
        float[] flat = new float[rows.size() * FEATURES];
        for (int n = 0; n < rows.size(); n++) {
            System.arraycopy(rows.get(n), 0, flat, n * FEATURES, FEATURES);
        }
        double distributed = DistributedKMeans.builder(FEATURES, 16)
                .build()
                .fit(new RowsInParts(rows, 4, 256))
                .objective();
        try (KMeansResult together = KMeans.builder(16).build().fit(Tensor.of(flat, rows.size(), FEATURES), 1)) {
            assertEquals(together.objective(), distributed, 0.03 * together.objective());
        }
    }

    @Test
    void aFitEndsWhenAMoveGainsLessThanTheTolerance() {
        List<float[]> rows = normal(500, 7);
        int[] iterations = Arrays.stream(new double[] {0.5, 0.01, 0})
                .mapToInt(tolerance -> DistributedKMeans.builder(FEATURES, 10)
                        .tolerance(tolerance)
                        .build()
                        .fit(new RowsInParts(rows, 2, 100))
                        .iterations())
                .toArray();
        assertEquals(1, iterations[0]);
        assertTrue(iterations[0] < iterations[1] && iterations[1] < iterations[2], Arrays.toString(iterations));
    }

    @Test
    void rowsThatOccurOftenDoNotCrowdOutTheOthers() {
        List<float[]> rows = new ArrayList<>();
        List<float[]> three = normal(3, 8);
        for (int n = 0; n < 5000; n++) {
            rows.add(three.get(n < 2 ? n : 2));
        }
        DistributedKMeansResult result =
                DistributedKMeans.builder(FEATURES, 3).build().fit(new RowsInParts(rows, 2, 512));
        assertEquals(0, result.objective(), 1e-12);
    }

    @Test
    void veryLargeAndVerySmallNumbersKeepTheirDigits() {
        for (float scale : new float[] {1e17f, 1e-18f}) {
            List<float[]> rows = normal(200, 9);
            rows.forEach(row -> {
                for (int d = 0; d < FEATURES; d++) {
                    row[d] *= scale;
                }
            });
            DistributedKMeansResult result = fit(rows);
            assertEquals(
                    error(rows, result.codebooks()), result.objective(), 1e-6 * result.objective(), "scale " + scale);
        }
    }

    @Test
    void rowsThatCannotBeFittedAreRefused() {
        List<float[]> same = Collections.nCopies(100, new float[FEATURES]);
        assertMessage("need at least numCodes = 4 rows that differ, got 1 among 100", same);

        List<float[]> unusable = new ArrayList<>(normal(100, 10));
        unusable.set(77, new float[] {1, 2, Float.NaN, 4, 5, 6});
        assertMessage(
                "need rows of finite numbers, got NaN as feature 2 of a row that begins with"
                        + " [1.0, 2.0, NaN, 4.0, 5.0, 6.0]",
                unusable);

        unusable.set(77, new float[] {1, 2, 1e19f, 4, 5, 6});
        assertMessage(
                "need rows whose squared distances fit in fp32, got the number 1.0E19 in one of 6 features", unusable);

        assertMessage("need rows of featureSize = 6, got shape [5, 2]", Collections.nCopies(10, new float[] {1, 2}));
    }

    @Test
    void optionsThatContradictEachOtherAreRefused() {
        assertEquals(
                "need groups to divide featureSize = 6, got 4",
                assertThrows(IllegalArgumentException.class, () -> DistributedKMeans.builder(FEATURES, 4)
                                .groups(4))
                        .getMessage());
        assertThrows(IllegalArgumentException.class, () -> DistributedKMeans.builder(0, 4));
        assertThrows(IllegalArgumentException.class, () -> DistributedKMeans.builder(FEATURES, 0));
        assertThrows(IllegalArgumentException.class, () -> DistributedKMeans.builder(FEATURES, 4)
                .tolerance(Double.NaN));
        assertThrows(IllegalArgumentException.class, () -> DistributedKMeans.builder(FEATURES, 4)
                .maxIterations(-1));
        assertThrows(IllegalArgumentException.class, () -> DistributedKMeans.builder(1 << 20, 1 << 20)
                .build());
    }

    private static DistributedKMeansResult fit(List<float[]> rows) {
        return DistributedKMeans.builder(FEATURES, 4).build().fit(new RowsInParts(rows, 2, 30));
    }

    private static void assertMessage(String message, List<float[]> rows) {
        assertEquals(
                message,
                assertThrows(IllegalArgumentException.class, () -> fit(rows)).getMessage());
    }

    private static void assertSameBits(DistributedKMeansResult expected, DistributedKMeansResult actual) {
        for (int g = 0; g < expected.codebooks().size(); g++) {
            assertArrayEquals(expected.codebooks().get(g), actual.codebooks().get(g));
        }
        assertEquals(expected.objective(), actual.objective());
        assertEquals(expected.iterations(), actual.iterations());
    }

    private static double error(List<float[]> rows, List<float[]> codebooks) {
        int width = FEATURES / codebooks.size();
        double sum = 0;
        for (float[] row : rows) {
            for (int g = 0; g < codebooks.size(); g++) {
                float[] part = Arrays.copyOfRange(row, g * width, (g + 1) * width);
                sum += distance(part, codebooks.get(g), nearest(part, codebooks.get(g)));
            }
        }
        return sum / rows.size() / FEATURES;
    }

    private static int nearest(float[] row, float[] codebook) {
        int best = 0;
        for (int code = 1; code < codebook.length / row.length; code++) {
            if (distance(row, codebook, code) < distance(row, codebook, best)) {
                best = code;
            }
        }
        return best;
    }

    private static double distance(float[] row, float[] codebook, int code) {
        double sum = 0;
        for (int d = 0; d < row.length; d++) {
            double difference = (double) row[d] - codebook[code * row.length + d];
            sum += difference * difference;
        }
        return sum;
    }

    private static List<float[]> normal(int count, long seed) {
        Random random = new Random(seed);
        List<float[]> rows = new ArrayList<>();
        for (int n = 0; n < count; n++) {
            float[] row = new float[FEATURES];
            for (int d = 0; d < FEATURES; d++) {
                row[d] = (float) random.nextGaussian();
            }
            rows.add(row);
        }
        return rows;
    }
}
