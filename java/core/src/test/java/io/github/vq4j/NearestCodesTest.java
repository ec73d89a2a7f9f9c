package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.vq4j.internal.CpuKernels;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class NearestCodesTest {
    private static final Layout LAYOUT = new Layout(new long[] {3, 7, 31}, 1);
    private static final int CODES = 61;
    private static final float[] ROWS = normal(1, LAYOUT.size());
    private static final float[] CODEBOOK = normal(2, CODES * LAYOUT.features());

    static List<Backend> backends() {
        return Backends.all();
    }

    @ParameterizedTest
    @EnumSource
    void codesAndDistancesAreThoseOfASortedFloat64Table(Distance distance) {
        double[][] codes = new Layout(new long[] {CODES, LAYOUT.features()}, 1).rowsOf(CODEBOOK);
        double[][] rows = LAYOUT.rowsOf(ROWS);
        for (Backend backend : backends()) {
            for (int k : new int[] {1, 5, CODES}) {
                try (NearestCodes nearest =
                                nearest(backend).distance(distance).k(k).build();
                        Neighbors found = nearest.find(Tensor.of(ROWS, LAYOUT.shape()))) {
                    assertArrayEquals(new long[] {3, 31, k}, found.codes().shape());
                    assertArrayEquals(new long[] {3, 31, k}, found.distances().shape());
                    int[] foundCodes = found.codes().toIntArray();
                    float[] foundDistances = found.distances().toFloatArray();
                    for (int n = 0; n < rows.length; n++) {
                        double[] row = rows[n];
                        int[] expected = sorted(code -> distance(distance, row, codes[code]));
                        for (int i = 0; i < k; i++) {
                            assertEquals(expected[i], foundCodes[n * k + i], "row " + n + ", neighbor " + i);
                            double exact = distance(distance, row, codes[expected[i]]);
                            assertEquals(exact, foundDistances[n * k + i], 1e-6 * Math.max(1, exact));
                        }
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void theNearestCodeIsTheOneOfTheLayer(Backend backend) {
        try (NearestCodes nearest = nearest(backend).build();
                VectorQuant layer = VectorQuant.builder(LAYOUT.features(), CODES)
                        .backend(backend)
                        .build()) {
            layer.setCodebook(codebook());
            Tensor z = Tensor.of(ROWS, LAYOUT.shape());
            try (Neighbors found = nearest.find(z);
                    Quantized quantized = layer.forward(z)) {
                assertArrayEquals(quantized.codes().toIntArray(), found.codes().toIntArray());
                assertArrayEquals(
                        quantized.distances().toFloatArray(), found.distances().toFloatArray());
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void bitsDoNotDependOnBackendInstructionSetOrThreads(Distance distance) {
        int[] expected = bits(Backend.cpu(), distance);
        for (Backend backend : backends()) {
            assertArrayEquals(expected, bits(backend, distance), backend.name());
        }
        int threads = Backend.cpuThreads();
        List<String> sets = Backends.instructionSets();
        try {
            for (String set : sets) {
                for (int count : new int[] {1, 3}) {
                    CpuKernels.setInstructionSet(set);
                    Backend.setCpuThreads(count);
                    assertArrayEquals(expected, bits(Backend.cpu(), distance), set + ", " + count + " threads");
                }
            }
        } finally {
            CpuKernels.setInstructionSet(sets.get(0));
            Backend.setCpuThreads(threads);
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void equalCodesComeInAscendingOrder(Backend backend) {
        Tensor equal = Tensor.of(new float[] {5, 1, 1, 5, 1}, 5, 1);
        try (NearestCodes nearest =
                        NearestCodes.builder(equal).k(4).backend(backend).build();
                Neighbors found = nearest.find(Tensor.of(new float[] {0}, 1, 1))) {
            assertArrayEquals(new int[] {1, 2, 4, 0}, found.codes().toIntArray());
            assertArrayEquals(new float[] {1, 1, 1, 25}, found.distances().toFloatArray());
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void zeroVectorsHaveCosineDistanceOne(Backend backend) {
        Tensor codes = Tensor.of(new float[] {-1, 0, 0, 0, 2, 0}, 3, 2);
        try (NearestCodes nearest = NearestCodes.builder(codes)
                        .distance(Distance.COSINE)
                        .k(3)
                        .backend(backend)
                        .build();
                Neighbors found = nearest.find(Tensor.of(new float[] {7, 0, 0, 0}, 2, 2))) {
            assertArrayEquals(new int[] {2, 1, 0, 0, 1, 2}, found.codes().toIntArray());
            assertArrayEquals(new float[] {0, 1, 2, 1, 1, 1}, found.distances().toFloatArray());
        }
    }

    @Test
    void theCodebookIsCopied() {
        float[] codes = {1, 2};
        try (NearestCodes nearest = NearestCodes.builder(Tensor.of(codes, 2, 1))
                .backend(Backend.cpu())
                .build()) {
            codes[0] = 9;
            try (Neighbors found = nearest.find(Tensor.of(new float[] {0}, 1, 1))) {
                assertArrayEquals(new float[] {1}, found.distances().toFloatArray());
            }
        }
    }

    @Test
    void severalThreadsMayFindAtOnce() {
        try (NearestCodes nearest = nearest(Backend.cpu()).k(3).build()) {
            int[] expected = bits(Backend.cpu(), Distance.SQUARED_EUCLIDEAN);
            List<CompletableFuture<int[]>> runs = IntStream.range(0, 8)
                    .mapToObj(i -> CompletableFuture.supplyAsync(() -> bits(nearest)))
                    .toList();
            for (CompletableFuture<int[]> run : runs) {
                assertArrayEquals(expected, run.join());
            }
        }
    }

    // ---- bad input ---------------------------------------------------------------------------------------------

    @Test
    void badOptionsAreRefused() {
        refused(() -> nearest(Backend.cpu()).k(0), "k", "0");
        refused(() -> nearest(Backend.cpu()).k(62), "k <= 61", "62");
        refused(() -> NearestCodes.builder(Tensor.of(new float[4], 4)), "K x D", "[4]");
        refused(() -> NearestCodes.builder(Tensor.of(new float[0], 0, 4)), "at least one code", "[0, 4]");
        refused(
                () -> NearestCodes.builder(Tensor.of(new int[4], 2, 2))
                        .backend(Backend.cpu())
                        .build(),
                "FLOAT32");
    }

    @ParameterizedTest
    @MethodSource("backends")
    void badInputIsRefused(Backend backend) {
        try (NearestCodes nearest = nearest(backend).build()) {
            refused(() -> nearest.find(Tensor.of(new float[10], 2, 5)), "7 features on axis 1", "[2, 5]");
            refused(() -> nearest.find(Tensor.of(new float[0], 0, 7)), "at least one row", "[0, 7]");
            refused(() -> nearest.find(Tensor.of(new int[7], 1, 7)), "z", "FLOAT32");
            float[] bad = ROWS.clone();
            bad[(1 * 7 + 3) * 31 + 5] = Float.NaN;
            NotFiniteException exception =
                    assertThrows(NotFiniteException.class, () -> nearest.find(Tensor.of(bad, LAYOUT.shape())));
            assertEquals("z", exception.tensor());
            assertEquals(36, exception.row());
        }
        for (Distance distance : Distance.values()) {
            float[] codes = CODEBOOK.clone();
            codes[4 * 7 + 6] = Float.NEGATIVE_INFINITY;
            NotFiniteException exception =
                    assertThrows(NotFiniteException.class, () -> NearestCodes.builder(Tensor.of(codes, CODES, 7))
                            .distance(distance)
                            .backend(backend)
                            .build());
            assertEquals("codebook", exception.tensor());
            assertEquals(4, exception.row());
        }
    }

    @Test
    void useAfterCloseIsRefused() {
        NearestCodes nearest = nearest(Backend.cpu()).build();
        nearest.close();
        nearest.close();
        String message = assertThrows(IllegalStateException.class, () -> nearest.find(Tensor.of(ROWS, LAYOUT.shape())))
                .getMessage();
        assertTrue(message.contains("closed"), message);
    }

    @Test
    void optionsAreNotNull() {
        assertThrows(NullPointerException.class, () -> nearest(Backend.cpu()).distance(null));
        assertThrows(NullPointerException.class, () -> nearest(Backend.cpu()).backend(null));
    }

    // ---- helpers -----------------------------------------------------------------------------------------------

    private static NearestCodes.Builder nearest(Backend backend) {
        return NearestCodes.builder(codebook()).backend(backend);
    }

    private static Tensor codebook() {
        return Tensor.of(CODEBOOK, CODES, LAYOUT.features());
    }

    private static int[] bits(Backend backend, Distance distance) {
        try (NearestCodes nearest = nearest(backend).distance(distance).k(3).build()) {
            return bits(nearest);
        }
    }

    private static int[] bits(NearestCodes nearest) {
        try (Neighbors found = nearest.find(Tensor.of(ROWS, LAYOUT.shape()))) {
            float[] distances = found.distances().toFloatArray();
            IntStream distanceBits =
                    IntStream.range(0, distances.length).map(i -> Float.floatToRawIntBits(distances[i]));
            int[] bits = IntStream.concat(Arrays.stream(found.codes().toIntArray()), distanceBits)
                    .toArray();
            assertFalse(Arrays.stream(bits).allMatch(bit -> bit == 0));
            return bits;
        }
    }

    private static int[] sorted(ToDoubleFunction<Integer> distance) {
        return IntStream.range(0, CODES)
                .boxed()
                .sorted(Comparator.comparingDouble(distance))
                .mapToInt(Integer::intValue)
                .toArray();
    }

    private static double distance(Distance distance, double[] z, double[] c) {
        double squared = ReferenceVectorQuant.squared(z, c);
        double[] zero = new double[z.length];
        double dot = (ReferenceVectorQuant.squared(z, zero) + ReferenceVectorQuant.squared(c, zero) - squared) / 2;
        return switch (distance) {
            case SQUARED_EUCLIDEAN -> squared;
            case EUCLIDEAN -> Math.sqrt(squared);
            case COSINE ->
                1 - dot / Math.sqrt(ReferenceVectorQuant.squared(z, zero) * ReferenceVectorQuant.squared(c, zero));
        };
    }

    private static void refused(Executable call, String... parts) {
        String message = assertThrows(IllegalArgumentException.class, call).getMessage();
        for (String part : parts) {
            assertTrue(message.contains(part), "\"" + part + "\" in: " + message);
        }
    }

    private static float[] normal(long seed, int count) {
        Random random = new Random(seed);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }
}
