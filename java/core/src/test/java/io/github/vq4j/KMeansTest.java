package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

class KMeansTest {
    private static final Layout LAYOUT = new Layout(new long[] {6, 3, 50}, 1);

    @Test
    void findsWellSeparatedClusters() {
        for (Backend backend : Backends.all()) {
            float[] rows = clusters(4);
            KMeans kmeans = KMeans.builder(4).seed(1).backend(backend).build();
            try (KMeansResult result = kmeans.fit(Tensor.of(rows, LAYOUT.shape()), 1)) {
                assertTrue(result.objective() < 2e-4, "objective " + result.objective());
                assertTrue(result.iterations() >= 1, "iterations " + result.iterations());
                double[][] codebook = codebook(result);
                for (int cluster = 0; cluster < 4; cluster++) {
                    double[] centre = {10 * cluster, -10 * cluster, 5};
                    assertTrue(
                            Arrays.stream(codebook).anyMatch(code -> ReferenceVectorQuant.squared(code, centre) < 1e-3),
                            "cluster " + cluster + " in " + Arrays.deepToString(codebook));
                }
            }
        }
    }

    @Test
    void theObjectiveIsTheMeanSquaredErrorAndNoMoveMakesItWorse() {
        for (Backend backend : Backends.all()) {
            double previous = Double.POSITIVE_INFINITY;
            float[] rows = normal(7);
            for (int moves : new int[] {0, 1, 2, 5, 100}) {
                KMeans kmeans = KMeans.builder(13)
                        .seed(2)
                        .maxIterations(moves)
                        .tolerance(0)
                        .backend(backend)
                        .build();
                try (KMeansResult result = kmeans.fit(Tensor.of(rows, LAYOUT.shape()), 1)) {
                    assertEquals(error(rows, codebook(result)), result.objective(), 1e-5 * result.objective());
                    assertTrue(result.objective() <= previous, moves + " moves: " + result.objective());
                    assertTrue(result.iterations() <= moves);
                    previous = result.objective();
                }
            }
        }
    }

    /** At convergence every code is the mean of its rows. */
    @Test
    void codesEndAsTheMeansOfTheirRows() {
        float[] rows = normal(8);
        KMeans kmeans =
                KMeans.builder(5).seed(2).tolerance(0).backend(Backend.cpu()).build();
        try (KMeansResult result = kmeans.fit(Tensor.of(rows, LAYOUT.shape()), 1)) {
            double[][] codebook = codebook(result);
            double[][] sums = new double[5][3];
            int[] counts = new int[5];
            for (double[] row : LAYOUT.rowsOf(rows)) {
                int k = nearest(row, codebook);
                counts[k]++;
                for (int d = 0; d < 3; d++) {
                    sums[k][d] += row[d];
                }
            }
            for (int k = 0; k < 5; k++) {
                for (int d = 0; d < 3; d++) {
                    assertEquals(sums[k][d] / counts[k], codebook[k][d], 1e-5);
                }
            }
        }
    }

    @Test
    void stopsWhenAMoveImprovesByLessThanTheTolerance() {
        float[] rows = normal(9);
        int loose = iterations(rows, 0.5);
        int tight = iterations(rows, 0);
        assertEquals(1, loose, "one move, whose gain is below a half");
        assertTrue(tight > 3, "moves " + tight);
    }

    @Test
    void moreCodesThanRowsGivesDistinctCodesAtTheRows() {
        for (Backend backend : Backends.all()) {
            // 7 codes of 3 rows: rounded up, each row 3 times.
            float[] rows = {100, 0, 0, 0, 200, 0, 0, 0, 300};
            KMeans kmeans = KMeans.builder(7).seed(3).backend(backend).build();
            try (KMeansResult result = kmeans.fit(Tensor.of(rows, 3, 3), -1)) {
                double[][] codebook = codebook(result);
                assertEquals(7, codebook.length);
                double[][] data = new Layout(new long[] {3, 3}, 1).rowsOf(rows);
                // Noise of 1e-3 of a deviation of about 100: far below 2, but not nothing.
                for (double[] code : codebook) {
                    double distance = Math.sqrt(ReferenceVectorQuant.squared(code, data[nearest(code, data)]));
                    assertTrue(distance > 0 && distance < 2, "distance " + distance);
                }
                assertEquals(
                        7,
                        Arrays.stream(codebook).map(Arrays::toString).distinct().count());
            }
        }
    }

    @Test
    void oneRowAndEqualRowsWork() {
        try (KMeansResult one =
                KMeans.builder(3).backend(Backend.cpu()).build().fit(Tensor.of(new float[] {4, 2}, 1, 2), 1)) {
            assertArrayEquals(new float[] {4, 2, 4, 2, 4, 2}, one.codebook().toFloatArray(), 0.1f);
        }
        try (KMeansResult zeros =
                KMeans.builder(2).backend(Backend.cpu()).build().fit(Tensor.of(new float[10], 5, 2), 1)) {
            assertArrayEquals(new float[4], zeros.codebook().toFloatArray());
            assertEquals(0, zeros.objective());
        }
    }

    @Test
    void theSeedDecides() {
        Tensor rows = Tensor.of(normal(10), LAYOUT.shape());
        float[] first = fit(rows, 1);
        assertArrayEquals(first, fit(rows, 1));
        assertFalse(Arrays.equals(first, fit(rows, 2)));
    }

    @Test
    void miniBatchesFindWellSeparatedClustersWithTheSameBitsOnAllBackends() {
        float[] rows = clusters(4);
        float[] first = null;
        for (Backend backend : Backends.all()) {
            KMeans kmeans =
                    KMeans.builder(4).seed(1).batchSize(50).backend(backend).build();
            try (KMeansResult result = kmeans.fit(Tensor.of(rows, LAYOUT.shape()), 1)) {
                assertEquals(error(rows, codebook(result)), result.objective(), 1e-5 * result.objective());
                assertTrue(result.objective() < 2e-4, "objective " + result.objective());
                float[] codebook = result.codebook().toFloatArray();
                first = first == null ? codebook : first;
                assertArrayEquals(first, codebook);
            }
        }
    }

    @Test
    void aMiniBatchMovesCodesToTheMeanOfTheRowsTheyWereGiven() {
        // One code: after every batch it is the mean of all rows drawn, here each of three values.
        float[] rows = new float[LAYOUT.size()];
        for (int i = 0; i < rows.length; i++) {
            rows[i] = i % 3 - 1;
        }
        KMeans kmeans = KMeans.builder(1)
                .seed(4)
                .batchSize(5000)
                .maxIterations(3)
                .tolerance(0)
                .backend(Backend.cpu())
                .build();
        try (KMeansResult result = kmeans.fit(Tensor.of(rows, rows.length / 2, 2), 1)) {
            for (float element : result.codebook().toFloatArray()) {
                // A standard error of sqrt(2 / 3 / 15000) at most.
                assertTrue(Math.abs(element) < 0.03, "mean " + element);
                assertTrue(element != 0);
            }
        }
    }

    @Test
    void miniBatchesStopAtTheirOptions() {
        Tensor rows = Tensor.of(normal(11), LAYOUT.shape());
        KMeans.Builder builder = KMeans.builder(5).seed(2).batchSize(100).backend(Backend.cpu());
        try (KMeansResult none = builder.maxIterations(0).build().fit(rows, 1);
                KMeansResult seven =
                        builder.maxIterations(7).tolerance(0).build().fit(rows, 1);
                KMeansResult loose =
                        builder.maxIterations(1000).tolerance(1).build().fit(rows, 1)) {
            assertEquals(0, none.iterations());
            assertTrue(seven.iterations() <= 7);
            assertTrue(seven.objective() < none.objective());
            assertEquals(6, loose.iterations(), "two epochs of three batches of 100 for 300 rows");
        }
    }

    @Test
    void manyRowsForEachCodeAreSeededFromASample() {
        // 4 codes of 300 rows: more than 64 for each.
        Tensor rows = Tensor.of(clusters(4), LAYOUT.shape());
        for (Backend backend : Backends.all()) {
            KMeans kmeans =
                    KMeans.builder(4).seed(6).maxIterations(0).backend(backend).build();
            try (KMeansResult seeds = kmeans.fit(rows, 1);
                    KMeansResult again = kmeans.fit(rows, 1)) {
                assertTrue(seeds.objective() < 1e-3, "a code in every cluster, objective " + seeds.objective());
                assertArrayEquals(
                        seeds.codebook().toFloatArray(), again.codebook().toFloatArray());
            }
        }
    }

    @Test
    void theFirstBadRowIsNamedWhereRowsAreSampled() {
        float[] bad = new float[900];
        bad[3 * 211 + 1] = Float.POSITIVE_INFINITY;
        for (int batchSize : new int[] {0, 10}) {
            KMeans kmeans = KMeans.builder(2)
                    .batchSize(batchSize)
                    .backend(Backend.cpu())
                    .build();
            NotFiniteException exception =
                    assertThrows(NotFiniteException.class, () -> kmeans.fit(Tensor.of(bad, 300, 3), 1));
            assertEquals(211, exception.row());
        }
    }

    @Test
    void largeRowsGiveTheLargeCodesOfTheSmallOnes() {
        float scale = 0x1p58f; // the squares of a few hundred such rows have a sum beyond fp32
        float[] small = clusters(4);
        float[] large = small.clone();
        for (int i = 0; i < large.length; i++) {
            large[i] *= scale;
        }
        for (int batchSize : new int[] {0, 100}) {
            KMeans kmeans = KMeans.builder(4).batchSize(batchSize).seed(6).build();
            try (KMeansResult expected = kmeans.fit(Tensor.of(small, LAYOUT.shape()), 1);
                    KMeansResult result = kmeans.fit(Tensor.of(large, LAYOUT.shape()), 1)) {
                float[] codes = expected.codebook().toFloatArray();
                for (int i = 0; i < codes.length; i++) {
                    codes[i] *= scale;
                }
                assertArrayEquals(codes, result.codebook().toFloatArray());
            }
        }
    }

    @Test
    void miniBatchesWorkOnFewerRowsThanCodes() {
        KMeans kmeans = KMeans.builder(7)
                .batchSize(4)
                .maxIterations(5)
                .backend(Backend.cpu())
                .build();
        try (KMeansResult result = kmeans.fit(Tensor.of(new float[] {100, 0, 0, 0, 200, 0, 0, 0, 300}, 3, 3), -1)) {
            assertEquals(21, result.codebook().toFloatArray().length);
            assertTrue(result.objective() < 1, "objective " + result.objective());
        }
    }

    @Test
    void badInputIsRefused() {
        KMeans kmeans = KMeans.builder(2).backend(Backend.cpu()).build();
        float[] bad = new float[12];
        bad[7] = Float.NaN;
        NotFiniteException exception =
                assertThrows(NotFiniteException.class, () -> kmeans.fit(Tensor.of(bad, 4, 3), 1));
        assertEquals(2, exception.row());
        assertEquals("rows", exception.tensor());
        assertThrows(IllegalArgumentException.class, () -> kmeans.fit(Tensor.of(bad, 4, 3), 2));
        assertThrows(IllegalArgumentException.class, () -> kmeans.fit(Tensor.of(new float[0], 0, 3), 1));
        assertThrows(IllegalArgumentException.class, () -> kmeans.fit(Tensor.of(new int[12], 4, 3), 1));
        assertThrows(IllegalArgumentException.class, () -> KMeans.builder(0));
        assertThrows(IllegalArgumentException.class, () -> KMeans.builder(1).tolerance(-1));
        assertThrows(IllegalArgumentException.class, () -> KMeans.builder(1).maxIterations(-1));
        assertThrows(IllegalArgumentException.class, () -> KMeans.builder(1).batchSize(-1));
        assertThrows(NullPointerException.class, () -> KMeans.builder(1).backend(null));
        assertThrows(NotFiniteException.class, () -> KMeans.builder(2)
                .batchSize(3)
                .backend(Backend.cpu())
                .build()
                .fit(Tensor.of(bad, 4, 3), 1));
    }

    private static float[] fit(Tensor rows, long seed) {
        try (KMeansResult result =
                KMeans.builder(9).seed(seed).backend(Backend.cpu()).build().fit(rows, 1)) {
            return result.codebook().toFloatArray();
        }
    }

    private static int iterations(float[] rows, double tolerance) {
        try (KMeansResult result = KMeans.builder(13)
                .seed(2)
                .tolerance(tolerance)
                .backend(Backend.cpu())
                .build()
                .fit(Tensor.of(rows, LAYOUT.shape()), 1)) {
            return result.iterations();
        }
    }

    private static double[][] codebook(KMeansResult result) {
        return new Layout(result.codebook().shape(), 1).rowsOf(result.codebook().toFloatArray());
    }

    private static double error(float[] rows, double[][] codebook) {
        double sum = 0;
        for (double[] row : LAYOUT.rowsOf(rows)) {
            sum += ReferenceVectorQuant.squared(row, codebook[nearest(row, codebook)]);
        }
        return sum / rows.length;
    }

    private static int nearest(double[] row, double[][] codebook) {
        int nearest = 0;
        for (int k = 1; k < codebook.length; k++) {
            if (ReferenceVectorQuant.squared(row, codebook[k]) < ReferenceVectorQuant.squared(row, codebook[nearest])) {
                nearest = k;
            }
        }
        return nearest;
    }

    /** Rows near (10c, -10c, 5) for cluster c, deviation 0.01. */
    private static float[] clusters(int count) {
        Random random = new Random(5);
        double[][] rows = new double[LAYOUT.rows()][];
        for (int n = 0; n < rows.length; n++) {
            int c = n % count;
            rows[n] = new double[] {
                10 * c + 0.01 * random.nextGaussian(),
                -10 * c + 0.01 * random.nextGaussian(),
                5 + 0.01 * random.nextGaussian()
            };
        }
        return ReferenceVectorQuant.floats(LAYOUT.valuesOf(rows));
    }

    private static float[] normal(long seed) {
        Random random = new Random(seed);
        float[] values = new float[LAYOUT.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }
}
