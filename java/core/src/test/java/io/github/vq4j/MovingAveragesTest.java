package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Codebooks of moving averages: the recurrence in float64, in every layer, and what else they do. */
class MovingAveragesTest {
    private static final double DECAY = 0.75;
    private static final double EPSILON = 1e-5;
    private static final int ROWS = 331;
    private static final int FEATURES = 6;
    private static final int STEPS = 5;

    static List<Backend> backends() {
        return Backends.all();
    }

    /** N, m and C of one codebook in float64. */
    private static final class Reference {
        final double[] sizes;
        final double[][] sums;
        double[][] codebook;

        Reference(double[][] codebook, double size) {
            this.codebook = codebook;
            sizes = new double[codebook.length];
            Arrays.fill(sizes, size);
            sums = Arrays.stream(codebook)
                    .map(code -> Arrays.stream(code).map(value -> size * value).toArray())
                    .toArray(double[][]::new);
        }

        void step(List<double[]> rows, List<Integer> codes, boolean unit) {
            for (int k = 0; k < sizes.length; k++) {
                sizes[k] *= DECAY;
                for (int d = 0; d < sums[k].length; d++) {
                    sums[k][d] *= DECAY;
                }
            }
            for (int n = 0; n < rows.size(); n++) {
                int k = codes.get(n);
                sizes[k] += 1 - DECAY;
                for (int d = 0; d < sums[k].length; d++) {
                    sums[k][d] += (1 - DECAY) * rows.get(n)[d];
                }
            }
            double total = Arrays.stream(sizes).sum();
            codebook = new double[sizes.length][];
            for (int k = 0; k < sizes.length; k++) {
                double smoothed = (sizes[k] + EPSILON) / (total + sizes.length * EPSILON) * total;
                double[] code =
                        Arrays.stream(sums[k]).map(sum -> sum / smoothed).toArray();
                double length =
                        unit ? Math.sqrt(Arrays.stream(code).map(x -> x * x).sum()) : 1;
                codebook[k] = Arrays.stream(code).map(x -> x / length).toArray();
            }
        }
    }

    private static double[][] matrix(float[] values, int features) {
        return new Layout(new long[] {values.length / features, features}, 1).rowsOf(values);
    }

    private static void close(double[][] expected, float[] found, String what) {
        double[] flat = ReferenceVectorQuant.flat(expected);
        assertEquals(flat.length, found.length, what);
        for (int i = 0; i < flat.length; i++) {
            assertEquals(flat[i], found[i], 1e-5 * Math.max(1, Math.abs(flat[i])), what + ", element " + i);
        }
    }

    /** What a layer quantizes at a position of a row's codes; {@code before} has the codes of all codebooks. */
    private interface RowOf {
        double[] at(double[] z, int position, int[] codesOfRow, double[][] before);
    }

    /** Trains a layer and the reference side by side; the reference takes the layer's codes. */
    private static void follow(Quantizer layer, RowOf rowOf, boolean unit) {
        int perCodebook = layer.numCodes() / layer.codebookCount();
        List<Reference> references = new ArrayList<>();
        for (int i = 0; i < layer.codebookCount(); i++) {
            int width = (int) layer.codebook(i).size(1);
            references.add(new Reference(matrix(layer.codebook(i).toFloatArray(), width), 1));
        }
        for (int step = 0; step < STEPS; step++) {
            float[] z = normal(10 + step, ROWS * FEATURES);
            double[][] before = IntStream.range(0, layer.codebookCount())
                    .mapToObj(i -> matrix(layer.codebook(i).toFloatArray(), (int)
                            layer.codebook(i).size(1)))
                    .flatMap(Arrays::stream)
                    .toArray(double[][]::new);
            try (Quantized q = layer.forward(Tensor.of(z, ROWS, FEATURES))) {
                int[] codes = q.codes().toIntArray();
                int stages = codes.length / ROWS;
                List<List<double[]>> rows = new ArrayList<>();
                List<List<Integer>> used = new ArrayList<>();
                references.forEach(reference -> {
                    rows.add(new ArrayList<>());
                    used.add(new ArrayList<>());
                });
                double[][] all = matrix(z, FEATURES);
                for (int n = 0; n < ROWS; n++) {
                    int[] ofRow = Arrays.copyOfRange(codes, n * stages, (n + 1) * stages);
                    for (int position = 0; position < stages; position++) {
                        int codebook = ofRow[position] / perCodebook;
                        rows.get(codebook).add(rowOf.at(all[n], position, ofRow, before));
                        used.get(codebook).add(ofRow[position] % perCodebook);
                    }
                }
                for (int i = 0; i < references.size(); i++) {
                    references.get(i).step(rows.get(i), used.get(i), unit);
                }
            }
            for (int i = 0; i < references.size(); i++) {
                Reference reference = references.get(i);
                MovingAverages averages = layer.codebooks.get(i).averages();
                String what = "step " + step + ", codebook " + i;
                close(reference.codebook, layer.codebook(i).toFloatArray(), what);
                close(new double[][] {reference.sizes}, read(layer, averages.sizes(), perCodebook), what + ", N");
                close(
                        reference.sums,
                        read(layer, averages.sums(), reference.sums.length * reference.sums[0].length),
                        "m");
            }
        }
    }

    private static float[] read(Quantizer layer, org.bytedeco.javacpp.FloatPointer from, int count) {
        float[] values = new float[count];
        layer.kernels.read(from, values);
        return values;
    }

    // ---- the recurrence, layer by layer --------------------------------------------------------------------------

    @ParameterizedTest
    @MethodSource("backends")
    void aCodebookFollowsTheRecurrence(Backend backend) {
        try (VectorQuant layer = VectorQuant.builder(FEATURES, 13)
                .dim(-1)
                .ema(DECAY)
                .backend(backend)
                .build()) {
            follow(layer, (z, position, codes, before) -> z, false);
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void theCosineVariantAveragesNormalisedRowsAndIsNormalised(Backend backend) {
        try (VectorQuant layer = VectorQuant.builder(FEATURES, 13)
                .dim(-1)
                .norm(Norm.UNIT)
                .codebookNorm(CodebookNorm.UNIT)
                .ema(DECAY)
                .backend(backend)
                .build()) {
            layer.setCodebook(Tensor.of(unit(normal(1, 13 * FEATURES)), 13, FEATURES));
            follow(layer, (z, position, codes, before) -> toDoubles(unit(toFloats(z))), true);
            for (double[] code : matrix(layer.codebook().toFloatArray(), FEATURES)) {
                assertEquals(1, ReferenceVectorQuant.squared(code, new double[FEATURES]), 1e-6);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void groupsAverageTheirSubVectors(Backend backend) {
        RowOf subVector = (z, position, codes, before) -> Arrays.copyOfRange(z, 2 * position, 2 * position + 2);
        for (boolean share : new boolean[] {false, true}) {
            try (GroupVectorQuant layer = GroupVectorQuant.builder(FEATURES, 21, 3)
                    .share(share)
                    .dim(-1)
                    .ema(DECAY)
                    .backend(backend)
                    .build()) {
                follow(layer, subVector, false);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void stagesAverageTheirResidualsAndASharedCodebookThoseOfAllStages(Backend backend) {
        RowOf residual = (z, position, codes, before) -> {
            double[] left = z.clone();
            for (int i = 0; i < position; i++) {
                for (int d = 0; d < FEATURES; d++) {
                    left[d] -= before[codes[i]][d];
                }
            }
            return left;
        };
        for (boolean share : new boolean[] {false, true}) {
            try (ResidualVectorQuant layer = ResidualVectorQuant.builder(FEATURES, 21, 3)
                    .share(share)
                    .dim(-1)
                    .ema(DECAY)
                    .backend(backend)
                    .build()) {
                follow(layer, residual, false);
            }
        }
    }

    /** Codebooks, averages and counters after a few batches, with expiry, on every backend. */
    @Test
    void everyLayerHasTheSameBitsOnEveryBackend() {
        for (ReplacementPolicy policy : ReplacementPolicy.values()) {
            for (boolean share : new boolean[] {false, true}) {
                float[][] group = new float[Backends.all().size()][];
                float[][] residual = new float[Backends.all().size()][];
                for (int i = 0; i < group.length; i++) {
                    GroupVectorQuant.Builder groups = GroupVectorQuant.builder(FEATURES, 21, 3)
                            .share(share)
                            .kmeansInit(true);
                    ResidualVectorQuant.Builder stages =
                            ResidualVectorQuant.builder(FEATURES, 21, 3).share(share);
                    group[i] = trained(groups, policy, Backends.all().get(i));
                    residual[i] = trained(stages, policy, Backends.all().get(i));
                    assertArrayEquals(group[0], group[i]);
                    assertArrayEquals(residual[0], residual[i]);
                }
            }
        }
    }

    private static float[] trained(QuantizerBuilder<?> builder, ReplacementPolicy policy, Backend backend) {
        builder.dim(-1)
                .ema(DECAY)
                .emaExpiry(40)
                .replaceFreq(2)
                .replacementPolicy(policy)
                .backend(backend);
        try (Quantizer layer = builder instanceof GroupVectorQuant.Builder groups
                ? groups.build()
                : ((ResidualVectorQuant.Builder) builder).build()) {
            int replaced = 0;
            for (int step = 0; step < STEPS; step++) {
                float[] z = normal(10 + step, ROWS * FEATURES);
                try (Quantized q = layer.forward(Tensor.of(z, ROWS, FEATURES))) {
                    replaced += q.replacedCodes();
                }
            }
            assertTrue(replaced > 0, "some codes were replaced");
            return state(layer);
        }
    }

    // ---- forward and backward ------------------------------------------------------------------------------------

    @ParameterizedTest
    @MethodSource("backends")
    void outputsAndGradientsAreThoseOfTheCodebookBeforeTheStep(Backend backend) {
        for (CodebookNorm norm : CodebookNorm.values()) {
            try (VectorQuant averaged = VectorQuant.builder(FEATURES, 13)
                            .codebookNorm(norm)
                            .ema(DECAY)
                            .emaExpiry(30)
                            .backend(backend)
                            .build();
                    VectorQuant plain = VectorQuant.builder(FEATURES, 13)
                            .codebookNorm(norm)
                            .backend(backend)
                            .build()) {
                Tensor z = Tensor.of(normal(1, 4 * FEATURES * 9), 4, FEATURES, 9);
                Tensor g = Tensor.of(normal(2, 4 * FEATURES * 9), 4, FEATURES, 9);
                try (Quantized expected = plain.forward(z);
                        Quantized q = averaged.forward(z);
                        Gradients expectedGradients = plain.backward(g, 3);
                        Gradients gradients = averaged.backward(g, 3)) {
                    assertArrayEquals(
                            expected.output().toFloatArray(), q.output().toFloatArray());
                    assertEquals(expected.loss(), q.loss());
                    assertTrue(q.replacedCodes() > 0, "some codes have expired");
                    assertArrayEquals(
                            expectedGradients.input().toFloatArray(),
                            gradients.input().toFloatArray());
                }
                assertFalse(Arrays.equals(
                        plain.codebook().toFloatArray(), averaged.codebook().toFloatArray()));
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void theCodebookIsNoParameter(Backend backend) {
        List<Supplier<Quantizer>> layers = List.of(
                () -> VectorQuant.builder(FEATURES, 6)
                        .dim(-1)
                        .ema(DECAY)
                        .norm(Norm.BATCH)
                        .backend(backend)
                        .build(),
                () -> GroupVectorQuant.builder(FEATURES, 6, 2)
                        .dim(-1)
                        .ema(DECAY)
                        .norm(Norm.BATCH)
                        .backend(backend)
                        .build(),
                () -> ResidualVectorQuant.builder(FEATURES, 6, 2)
                        .stageLosses(true)
                        .dim(-1)
                        .ema(DECAY)
                        .norm(Norm.BATCH)
                        .backend(backend)
                        .build());
        for (Supplier<Quantizer> supplier : layers) {
            try (Quantizer layer = supplier.get();
                    Optimizer optimizer = Optimizer.adam(0.1)) {
                assertEquals(
                        List.of("norm.scale", "norm.shift"),
                        layer.parameters().stream().map(Parameter::name).toList());
                layer.forward(Tensor.of(normal(1, ROWS * FEATURES), ROWS, FEATURES))
                        .close();
                float[] before = layer.codebook(0).toFloatArray();
                layer.backward(Tensor.of(normal(2, ROWS * FEATURES), ROWS, FEATURES), 1)
                        .close();
                optimizer.step(layer);
                assertArrayEquals(before, layer.codebook(0).toFloatArray());
                assertArrayEquals(
                        new float[before.length],
                        layer.codebooks.get(0).parameter().gradient().toFloatArray(),
                        "no gradient");
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void inferenceChangesNothing(Backend backend) {
        try (VectorQuant layer = VectorQuant.builder(FEATURES, 13)
                .dim(-1)
                .ema(DECAY)
                .emaExpiry(1)
                .backend(backend)
                .build()) {
            layer.eval();
            float[] before = state(layer);
            layer.forward(Tensor.of(normal(1, ROWS * FEATURES), ROWS, FEATURES)).close();
            assertArrayEquals(before, state(layer));
        }
    }

    /** Codes move to where the rows are: the error of a batch seen again and again falls. */
    @ParameterizedTest
    @MethodSource("backends")
    void theErrorFalls(Backend backend) {
        try (VectorQuant layer = VectorQuant.builder(FEATURES, 13)
                .dim(-1)
                .ema(DECAY)
                .backend(backend)
                .build()) {
            Tensor z = Tensor.of(normal(1, ROWS * FEATURES), ROWS, FEATURES);
            double first = Double.NaN;
            double last = Double.NaN;
            for (int step = 0; step < 30; step++) {
                try (Quantized q = layer.forward(z)) {
                    first = step == 0 ? q.loss() : first;
                    last = q.loss();
                }
            }
            assertTrue(last < 0.8 * first, first + " to " + last);
        }
    }

    // ---- starts ----------------------------------------------------------------------------------------------------

    @ParameterizedTest
    @MethodSource("backends")
    void afterKmeansTheAveragesStartFromItsClusters(Backend backend) {
        // Two clusters of 30 and 10 rows, and their means.
        float[] z = new float[40];
        for (int n = 0; n < 40; n++) {
            z[n] = (n < 30 ? 100 : -100) + n % 2;
        }
        try (VectorQuant layer = VectorQuant.builder(1, 2)
                .dim(-1)
                .kmeansInit(true)
                .ema(DECAY)
                .backend(backend)
                .build()) {
            layer.forward(Tensor.of(z, 40, 1)).close();
            float[] codebook = layer.codebook().toFloatArray();
            float[] sizes = read(layer, layer.codebooks.get(0).averages().sizes(), 2);
            int large = codebook[0] > 0 ? 0 : 1;
            assertArrayEquals(new float[] {30, 10}, new float[] {sizes[large], sizes[1 - large]}, 1e-4f);
            assertEquals(100.5, codebook[large], 1e-3);
            assertEquals(-99.5, codebook[1 - large], 1e-3);
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void aCodebookThatIsSetStartsTheAveragesAnew(Backend backend) {
        float[] values = normal(3, 13 * FEATURES);
        try (VectorQuant layer = VectorQuant.builder(FEATURES, 13)
                        .dim(-1)
                        .ema(DECAY)
                        .backend(backend)
                        .build();
                VectorQuant other = VectorQuant.builder(FEATURES, 13)
                        .dim(-1)
                        .ema(DECAY)
                        .backend(backend)
                        .build()) {
            layer.forward(Tensor.of(normal(1, ROWS * FEATURES), ROWS, FEATURES)).close();
            for (VectorQuant each : List.of(layer, other)) {
                each.setCodebook(Tensor.of(values, 13, FEATURES));
                each.forward(Tensor.of(normal(2, ROWS * FEATURES), ROWS, FEATURES))
                        .close();
            }
            assertArrayEquals(state(other), state(layer));
        }
    }

    // ---- expiry ----------------------------------------------------------------------------------------------------

    @ParameterizedTest
    @MethodSource("backends")
    void codesThatGetTooFewRowsExpireAndStartAnewOnARow(Backend backend) {
        try (VectorQuant layer = VectorQuant.builder(2, 4)
                .dim(-1)
                .ema(0.5)
                .emaExpiry(2)
                .backend(backend)
                .build()) {
            layer.setCodebook(Tensor.of(new float[] {0, 0, 10, 10, 50, 50, 90, 90}, 4, 2));
            // Three rows of code 0, one of code 1, none of the others: N = 0.5 * 2 + 0.5 * n.
            float[] z = {1, 0, 0, 1, 1, 1, 11, 10};
            try (Quantized q = layer.forward(Tensor.of(z, 4, 2))) {
                assertEquals(3, q.replacedCodes());
            }
            assertArrayEquals(new int[] {1, 2, 3}, layer.replacedCodes());
            assertArrayEquals(
                    new float[] {2.5f, 2, 2, 2},
                    read(layer, layer.codebooks.get(0).averages().sizes(), 4),
                    1e-6f);
            double[][] codebook = matrix(layer.codebook().toFloatArray(), 2);
            double[][] rows = matrix(z, 2);
            for (int k = 1; k < 4; k++) {
                double[] code = codebook[k];
                double least = Arrays.stream(rows)
                        .mapToDouble(row -> Math.sqrt(ReferenceVectorQuant.squared(row, code)
                                / ReferenceVectorQuant.squared(row, new double[2])))
                        .min()
                        .orElseThrow();
                assertTrue(least < 0.05, "code " + k + " is a row with noise of a hundredth: " + Arrays.toString(code));
            }
            float[] sums = read(layer, layer.codebooks.get(0).averages().sums(), 8);
            float[] stored = layer.codebook().toFloatArray();
            for (int i = 2; i < 8; i++) {
                assertEquals(2 * stored[i], sums[i], "m = N * C");
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void codesReplacedForTheirLifetimeStartTheirAveragesAnewToo(Backend backend) {
        try (VectorQuant layer = VectorQuant.builder(2, 3)
                .dim(-1)
                .ema(0.5)
                .replaceFreq(2)
                .backend(backend)
                .build()) {
            layer.setCodebook(Tensor.of(new float[] {0, 0, 50, 50, 90, 90}, 3, 2));
            Tensor z = Tensor.of(new float[] {1, 0, 0, 1}, 2, 2);
            layer.forward(z).close();
            assertEquals(0.5f, read(layer, layer.codebooks.get(0).averages().sizes(), 3)[1]);
            layer.forward(z).close();
            assertArrayEquals(new int[] {1, 2}, layer.replacedCodes());
            float[] stored = layer.codebook().toFloatArray();
            float[] sums = read(layer, layer.codebooks.get(0).averages().sums(), 6);
            assertEquals(1f, read(layer, layer.codebooks.get(0).averages().sizes(), 3)[1]);
            assertArrayEquals(Arrays.copyOfRange(stored, 2, 6), Arrays.copyOfRange(sums, 2, 6));
            assertTrue(stored[2] < 2 && stored[4] < 2, "the codes are rows: " + Arrays.toString(stored));
        }
    }

    /** What replaces a code that expires has the whole lifetime before it. */
    @ParameterizedTest
    @MethodSource("backends")
    void theLifeOfACodeThatExpiresStartsAnew(Backend backend) {
        try (VectorQuant layer = VectorQuant.builder(2, 3)
                .dim(-1)
                .ema(0.5)
                .emaExpiry(2)
                .replaceFreq(3)
                .backend(backend)
                .build()) {
            layer.setCodebook(Tensor.of(new float[] {0, 0, 50, 50, 90, 90}, 3, 2));
            layer.forward(Tensor.of(new float[] {1, 0, 0, 1}, 2, 2)).close();
            assertArrayEquals(new int[] {1, 2}, layer.replacedCodes());
            assertArrayEquals(new int[] {3, 3, 3}, layer.lifeCounters());
        }
    }

    // ---- failures --------------------------------------------------------------------------------------------------

    @ParameterizedTest
    @MethodSource("backends")
    void aForwardThatFailsChangesNothing(Backend backend) {
        try (ResidualVectorQuant layer = ResidualVectorQuant.builder(2, 8, 2)
                .dim(-1)
                .norm(Norm.NONE)
                .ema(DECAY)
                .emaExpiry(1)
                .replaceFreq(3)
                .backend(backend)
                .build()) {
            layer.forward(Tensor.of(normal(1, 20), 10, 2)).close();
            float[] before = state(layer);
            assertThrows(
                    NotFiniteException.class, () -> layer.forward(Tensor.of(new float[] {1, Float.NaN, 1, 1}, 2, 2)));
            assertArrayEquals(before, state(layer));
            // Finite rows whose sum is not.
            NotFiniteException overflow = assertThrows(
                    NotFiniteException.class,
                    () -> layer.forward(Tensor.of(new float[] {3e38f, 0, 3e38f, 0, 3e38f, 0}, 3, 2)));
            assertTrue(overflow.getMessage().contains("moving average"), overflow.getMessage());
            assertArrayEquals(before, state(layer));
        }
    }

    @Test
    void optionsThatNeedAGradientOrMoveCodesAreRefused() {
        refused(layer().affineLr(1), "affine", "ema");
        refused(layer().statisticsAffine(true), "affine", "ema");
        refused(layer().syncNu(0.5), "syncNu", "0.5");
        refused(layer().alternated(Optimizer.sgd(1), 1, false), "alternated");
        refused(VectorQuant.builder(2, 3).emaExpiry(1), "emaExpiry = 1.0", "ema");
        for (double decay : new double[] {0, 1, -0.1, Double.NaN}) {
            String message = assertThrows(IllegalArgumentException.class, () -> layer().ema(decay))
                    .getMessage();
            assertTrue(message.contains("decay") && message.contains("" + decay), message);
        }
        assertThrows(IllegalArgumentException.class, () -> layer().emaExpiry(-1));
    }

    private static VectorQuant.Builder layer() {
        return VectorQuant.builder(2, 3).ema(0.9).backend(Backend.cpu());
    }

    private static void refused(VectorQuant.Builder builder, String... parts) {
        String message =
                assertThrows(IllegalArgumentException.class, builder::build).getMessage();
        for (String part : parts) {
            assertTrue(message.contains(part), "\"" + part + "\" in: " + message);
        }
    }

    /** Codebooks, averages and counters. */
    private static float[] state(Quantizer layer) {
        List<float[]> parts = new ArrayList<>();
        for (Codebook codebook : layer.codebooks) {
            parts.add(codebook.parameter().value().toFloatArray());
            parts.add(read(layer, codebook.averages().sizes(), codebook.codes()));
            parts.add(read(layer, codebook.averages().sums(), codebook.codes() * codebook.features()));
            if (codebook.replacement() != null) {
                int[] counters = codebook.replacement().counters();
                float[] floats = new float[counters.length];
                IntStream.range(0, counters.length).forEach(k -> floats[k] = counters[k]);
                parts.add(floats);
            }
        }
        float[] all = new float[parts.stream().mapToInt(part -> part.length).sum()];
        int at = 0;
        for (float[] part : parts) {
            System.arraycopy(part, 0, all, at, part.length);
            at += part.length;
        }
        return all;
    }

    private static float[] unit(float[] values) {
        double[][] rows = matrix(values, FEATURES);
        float[] scaled = new float[values.length];
        for (int i = 0; i < values.length; i++) {
            double[] row = rows[i / FEATURES];
            scaled[i] = (float) (values[i] / Math.sqrt(ReferenceVectorQuant.squared(row, new double[FEATURES])));
        }
        return scaled;
    }

    private static float[] toFloats(double[] values) {
        return ReferenceVectorQuant.floats(values);
    }

    private static double[] toDoubles(float[] values) {
        return IntStream.range(0, values.length).mapToDouble(i -> values[i]).toArray();
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
