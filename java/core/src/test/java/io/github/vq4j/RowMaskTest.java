package io.github.vq4j;

import static io.github.vq4j.GroupVectorQuantTest.normal;
import static io.github.vq4j.GroupVectorQuantTest.refused;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** A layer under a mask is the layer over the rows that the mask leaves, as a matrix; the other rows pass through. */
class RowMaskTest {
    static final int IMAGES = 5;
    static final int PIXELS = 67;
    static final int FEATURES = 12;
    static final Layout LAYOUT = new Layout(new long[] {IMAGES, FEATURES, PIXELS}, 1);
    static final int ROWS = IMAGES * PIXELS;
    private static final double ALPHA = 3;

    /** Builders by the axis of the features. */
    private static final Map<String, IntFunction<QuantizerBuilder<?>>> LAYERS = new LinkedHashMap<>();

    static {
        LAYERS.put("plain", dim -> VectorQuant.builder(FEATURES, 21).dim(dim));
        LAYERS.put("k-means, replacement, affine, sync", dim -> VectorQuant.builder(FEATURES, 60)
                .dim(dim)
                .kmeansInit(true)
                .replaceFreq(1)
                .affineLr(2)
                .affineGroups(3)
                .syncNu(0.5));
        LAYERS.put("statistics, batch norm, rotation", dim -> VectorQuant.builder(FEATURES, 20)
                .dim(dim)
                .statisticsAffine(true)
                .norm(Norm.BATCH)
                .gradientEstimator(GradientEstimator.ROTATION));
        LAYERS.put("unit norm, inner optimiser", dim -> VectorQuant.builder(FEATURES, 20)
                .dim(dim)
                .norm(Norm.UNIT)
                .alternated(Optimizer.sgd(1), 2, true));
        LAYERS.put("moving averages", dim -> VectorQuant.builder(FEATURES, 40)
                .dim(dim)
                .ema(0.8)
                .emaExpiry(0.5)
                .kmeansInit(true)
                .gradientEstimator(GradientEstimator.ROTATION));
        LAYERS.put("groups", dim -> GroupVectorQuant.builder(FEATURES, 60, 3)
                .dim(dim)
                .replaceFreq(1)
                .gradientEstimator(GradientEstimator.DIVEQ));
        LAYERS.put("groups that share", dim -> GroupVectorQuant.builder(FEATURES, 20, 4)
                .share(true)
                .dim(dim)
                .kmeansInit(true)
                .syncNu(1)
                .gradientEstimator(GradientEstimator.ROTATION));
        LAYERS.put("residual", dim -> ResidualVectorQuant.builder(FEATURES, 60, 3)
                .dim(dim)
                .kmeansInit(true)
                .replaceFreq(1)
                .affineLr(1)
                .syncNu(1));
        LAYERS.put("residual, beams, dropout of the batch", dim -> ResidualVectorQuant.builder(FEATURES, 60, 3)
                .dim(dim)
                .beamWidth(3)
                .quantizerDropout(1, false)
                .replaceFreq(1)
                .replacementPolicy(ReplacementPolicy.FARTHEST_INPUT)
                .gradientEstimator(GradientEstimator.DIVEQ));
        LAYERS.put(
                "residual of moving averages, dropout of the batch", dim -> ResidualVectorQuant.builder(FEATURES, 60, 3)
                        .dim(dim)
                        .ema(0.8)
                        .quantizerDropout(1, false));
        LAYERS.put("residual that shares", dim -> ResidualVectorQuant.builder(FEATURES, 20, 3)
                .share(true)
                .stageLosses(true)
                .dim(dim)
                .replaceFreq(1));
        LAYERS.put(
                "codes drawn", dim -> VectorQuant.builder(FEATURES, 21).dim(dim).samplingTemperature(9));
        LAYERS.put("linear codebook, orthogonal", dim -> VectorQuant.builder(FEATURES, 21)
                .dim(dim)
                .linearCodebook(true)
                .orthogonalWeight(5));
        LAYERS.put("lookup in 5 dimensions, batch norm, k-means", dim -> VectorQuant.builder(FEATURES, 21)
                .dim(dim)
                .lookupSize(5)
                .norm(Norm.BATCH)
                .kmeansInit(true)
                .replaceFreq(1));
        LAYERS.put("groups in 6 dimensions that draw codes", dim -> GroupVectorQuant.builder(FEATURES, 20, 2)
                .dim(dim)
                .lookupSize(6)
                .samplingTemperature(3));
    }

    static List<Backend> backends() {
        return Backends.all();
    }

    static Stream<Arguments> cases() {
        return backends().stream()
                .flatMap(backend -> LAYERS.keySet().stream().map(name -> Arguments.of(backend, name)));
    }

    static boolean[] mask(long seed) {
        Random random = new Random(seed);
        boolean[] mask = new boolean[ROWS];
        for (int n = 0; n < ROWS; n++) {
            // The second image is masked out whole.
            mask[n] = n / PIXELS != 1 && random.nextInt(3) > 0;
        }
        return mask;
    }

    static int[] numbers(boolean[] mask) {
        return IntStream.range(0, mask.length).filter(n -> mask[n]).toArray();
    }

    /** The masked rows hold garbage, which nothing may see. */
    static float[] withGarbage(float[] values, boolean[] mask) {
        double[][] rows = LAYOUT.rowsOf(values);
        for (int n = 0; n < ROWS; n++) {
            if (!mask[n]) {
                Arrays.fill(rows[n], n % 2 == 0 ? Double.NaN : 1e30);
            }
        }
        return floats(LAYOUT.valuesOf(rows));
    }

    @ParameterizedTest(name = "{1}, {0}")
    @MethodSource("cases")
    void maskedTrainingIsTrainingOnTheRowsThatAreLeft(Backend backend, String name) {
        try (Quantizer masked = build(LAYERS.get(name).apply(1), backend);
                Quantizer plain = build(LAYERS.get(name).apply(-1), backend);
                Optimizer ofMasked = Optimizer.adamW(1e-2);
                Optimizer ofPlain = Optimizer.adamW(1e-2)) {
            for (int step = 0; step < 4; step++) {
                if (step == 3) {
                    masked.eval();
                    plain.eval();
                }
                boolean[] mask = mask(step);
                float[] z = withGarbage(normal(step, ROWS * FEATURES), mask);
                float[] g = withGarbage(normal(50 + step, ROWS * FEATURES), mask);
                int[] left = numbers(mask);
                Tensor rows = Tensor.of(taken(z, FEATURES, left), left.length, FEATURES);
                Tensor gradient = Tensor.of(taken(g, FEATURES, left), left.length, FEATURES);
                RowMask rowMask = RowMask.of(mask, IMAGES, PIXELS);
                try (Quantized a = masked.forward(Tensor.of(z, LAYOUT.shape()), rowMask);
                        Quantized b = plain.forward(rows);
                        Gradients ofA = masked.backward(Tensor.of(g, LAYOUT.shape()), ALPHA);
                        Gradients ofB = plain.backward(gradient, ALPHA);
                        Tensor codes = masked.encode(Tensor.of(z, LAYOUT.shape()), rowMask);
                        Tensor plainCodes = plain.encode(rows)) {
                    int width = b.codes().rank() == 1 ? 1 : (int) b.codes().size(1);
                    spread(
                            z,
                            FEATURES,
                            left,
                            b.output().toFloatArray(),
                            a.output().toFloatArray());
                    spread(
                            g,
                            FEATURES,
                            left,
                            ofB.input().toFloatArray(),
                            ofA.input().toFloatArray());
                    spread(filled(-1, width), width, left, floats(b.codes()), floats(a.codes()));
                    spread(filled(-1, width), width, left, floats(plainCodes), floats(codes));
                    spread(
                            filled(0, width),
                            width,
                            left,
                            b.distances().toFloatArray(),
                            a.distances().toFloatArray());
                    assertEquals(b.loss(), a.loss());
                    assertEquals(b.perplexity(), a.perplexity());
                    assertEquals(b.activeCodes(), a.activeCodes());
                    assertEquals(b.replacedCodes(), a.replacedCodes());
                }
                ofMasked.step(masked);
                ofPlain.step(plain);
                for (int p = 0; p < plain.parameters().size(); p++) {
                    assertArrayEquals(
                            plain.parameters().get(p).value().toFloatArray(),
                            masked.parameters().get(p).value().toFloatArray(),
                            plain.parameters().get(p).name());
                }
            }
        }
    }

    @ParameterizedTest(name = "{1}, {0}")
    @MethodSource("cases")
    void aSamplesLossIsTheMeanOverItsRowsThatTakePart(Backend backend, String name) {
        try (Quantizer layer = build(LAYERS.get(name).apply(1), backend)) {
            boolean[] mask = mask(7);
            float[] z = withGarbage(normal(8, ROWS * FEATURES), mask);
            layer.eval();
            try (Quantized q = layer.forward(Tensor.of(z, LAYOUT.shape()), RowMask.of(mask, IMAGES, PIXELS))) {
                int[] left = numbers(mask);
                for (int image = 0; image < IMAGES; image++) {
                    int sample = image;
                    int[] own = Arrays.stream(left)
                            .filter(n -> n / PIXELS == sample)
                            .toArray();
                    if (own.length == 0) {
                        assertEquals(1, image);
                        assertEquals(0, q.sampleLosses()[image]);
                        continue;
                    }
                    boolean[] ofImage = new boolean[ROWS];
                    Arrays.stream(own).forEach(n -> ofImage[n] = true);
                    RowMask single = RowMask.of(ofImage, IMAGES, PIXELS);
                    try (Quantized alone = layer.forward(Tensor.of(z, LAYOUT.shape()), single)) {
                        assertEquals(alone.loss(), q.sampleLosses()[image], 1e-12);
                        assertEquals(alone.loss(), alone.sampleLosses()[image], 1e-12);
                        assertTrue(alone.loss() > 0);
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void aMaskThatLeavesAllChangesNothing(Backend backend) {
        boolean[] all = new boolean[ROWS];
        Arrays.fill(all, true);
        try (Quantizer layer =
                        build(LAYERS.get("statistics, batch norm, rotation").apply(1), backend);
                Quantizer other =
                        build(LAYERS.get("statistics, batch norm, rotation").apply(1), backend)) {
            Tensor z = Tensor.of(normal(1, ROWS * FEATURES), LAYOUT.shape());
            Tensor g = Tensor.of(normal(2, ROWS * FEATURES), LAYOUT.shape());
            try (Quantized a = layer.forward(z);
                    Quantized b = other.forward(z, RowMask.of(all, IMAGES, PIXELS));
                    Gradients ofA = layer.backward(g, ALPHA);
                    Gradients ofB = other.backward(g, ALPHA)) {
                assertArrayEquals(a.output().toFloatArray(), b.output().toFloatArray());
                assertArrayEquals(a.sampleLosses(), b.sampleLosses());
                assertEquals(a.loss(), b.loss());
                assertArrayEquals(ofA.input().toFloatArray(), ofB.input().toFloatArray());
                assertArrayEquals(gradients(layer), gradients(other));
            }
        }
    }

    @ParameterizedTest(name = "{1}, {0}")
    @MethodSource("cases")
    void withAllRowsMaskedOutNothingIsTrained(Backend backend, String name) {
        float[] g = normal(3, ROWS * FEATURES);
        RowMask none = RowMask.of(new boolean[ROWS], IMAGES, PIXELS);
        try (Quantizer layer = build(LAYERS.get(name).apply(1), backend);
                Quantizer other = build(LAYERS.get(name).apply(1), backend);
                CodebookHealth health = CodebookHealth.of(layer, 1)) {
            Tensor first = Tensor.of(normal(1, ROWS * FEATURES), LAYOUT.shape());
            Tensor second = Tensor.of(normal(2, ROWS * FEATURES), LAYOUT.shape());
            layer.forward(first).close();
            layer.backward(second, ALPHA).close();
            try (Quantized q = layer.forward(second, none);
                    Tensor codes = layer.encode(second, none)) {
                assertArrayEquals(second.toFloatArray(), q.output().toFloatArray());
                assertTrue(Arrays.stream(q.codes().toIntArray()).allMatch(code -> code == -1));
                assertTrue(Arrays.stream(codes.toIntArray()).allMatch(code -> code == -1));
                assertArrayEquals(
                        new float[(int) q.distances().size()], q.distances().toFloatArray());
                assertEquals(0, q.loss());
                assertArrayEquals(new double[IMAGES], q.sampleLosses());
                assertEquals(1, q.perplexity());
                assertEquals(0, q.activeCodes());
                assertEquals(0, q.replacedCodes());
                assertEquals(List.of(), health.observe());
            }
            try (Gradients gradients = layer.backward(Tensor.of(g, LAYOUT.shape()), ALPHA)) {
                assertArrayEquals(g, gradients.input().toFloatArray());
            }
            for (float value : gradients(layer)) {
                assertEquals(0, value);
            }
            // What comes next is as if that batch had not been.
            other.forward(first).close();
            try (Quantized a = layer.forward(second);
                    Quantized b = other.forward(second)) {
                assertArrayEquals(b.output().toFloatArray(), a.output().toFloatArray());
                assertEquals(b.replacedCodes(), a.replacedCodes());
                assertArrayEquals(
                        layer.codebook(0).toFloatArray(), other.codebook(0).toFloatArray());
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void theGradientMayLieInTheTasksMemory(Backend backend) {
        boolean[] mask = mask(4);
        RowMask rowMask = RowMask.of(mask, IMAGES, PIXELS);
        try (Quantizer layer = build(LAYERS.get("residual").apply(1), backend)) {
            layer.eval();
            Tensor z = Tensor.of(normal(1, ROWS * FEATURES), LAYOUT.shape());
            float[] g = normal(2, ROWS * FEATURES);
            float[] outputs = new float[g.length];
            layer.forward(z, Tensor.of(outputs, LAYOUT.shape()), rowMask).close();
            float[] expected =
                    layer.backward(Tensor.of(g, LAYOUT.shape()), ALPHA).input().toFloatArray();
            layer.forward(z, rowMask).close();
            Tensor inPlace = Tensor.of(g, LAYOUT.shape());
            layer.backward(inPlace, ALPHA, inPlace).close();
            assertArrayEquals(expected, g);
            layer.forward(z, rowMask).close();
            double[][] absent =
                    LAYOUT.rowsOf(layer.backward(null, ALPHA).input().toFloatArray());
            for (int n = 0; n < ROWS; n++) {
                double size = ReferenceVectorQuant.squared(absent[n], new double[FEATURES]);
                assertEquals(mask[n], size > 0, "row " + n);
            }
            try (Quantized q = layer.forward(z, rowMask)) {
                assertArrayEquals(q.output().toFloatArray(), outputs);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void errorsNameTheRowOfTheInput(Backend backend) {
        boolean[] mask = mask(5);
        int bad = numbers(mask)[100];
        RowMask rowMask = RowMask.of(mask, IMAGES, PIXELS);
        for (String name : List.of("plain", "groups", "groups that share", "statistics, batch norm, rotation")) {
            try (Quantizer layer = build(LAYERS.get(name).apply(1), backend)) {
                double[][] rows = LAYOUT.rowsOf(withGarbage(normal(6, ROWS * FEATURES), mask));
                Tensor good = Tensor.of(floats(LAYOUT.valuesOf(rows)), LAYOUT.shape());
                rows[bad][FEATURES - 1] = Double.NEGATIVE_INFINITY;
                Tensor spoiled = Tensor.of(floats(LAYOUT.valuesOf(rows)), LAYOUT.shape());
                layer.forward(good, rowMask).close();
                NotFiniteException ofGradient =
                        assertThrows(NotFiniteException.class, () -> layer.backward(spoiled, ALPHA));
                assertEquals("gradient", ofGradient.tensor(), name);
                assertEquals(bad, ofGradient.row(), name);
                NotFiniteException ofForward =
                        assertThrows(NotFiniteException.class, () -> layer.forward(spoiled, rowMask));
                assertEquals("z", ofForward.tensor(), name);
                assertEquals(bad, ofForward.row(), name);
                NotFiniteException ofEncode =
                        assertThrows(NotFiniteException.class, () -> layer.encode(spoiled, rowMask));
                assertEquals(bad, ofEncode.row(), name);
            }
        }
    }

    @Test
    void lengthsLeaveTheFirstRowsOfEachSequence() {
        RowMask mask = RowMask.ofLengths(new int[] {2, 0, 3}, 3);
        assertArrayEquals(new int[] {1, 1, 0, 0, 0, 0, 1, 1, 1}, mask.rows().toIntArray());
        assertArrayEquals(new long[] {3, 3}, mask.rows().shape());
        refused(() -> RowMask.ofLengths(new int[] {2, 4}, 3), "need 0 <= lengths <= 3, got 4 at position 1");
        refused(() -> RowMask.ofLengths(new int[] {-1}, 3), "got -1 at position 0");
        refused(() -> RowMask.ofLengths(new int[] {0}, 0), "most");
        refused(
                () -> RowMask.ofLengths(new int[70_000], 1_000_000),
                "need at most 536870911 rows with their padding, got 70000 sequences of 1000000");
    }

    @Test
    void masksThatDoNotFitAreRefused() {
        Tensor z = Tensor.of(new float[ROWS * FEATURES], LAYOUT.shape());
        try (VectorQuant layer =
                VectorQuant.builder(FEATURES, 5).backend(Backend.cpu()).build()) {
            refused(
                    () -> layer.forward(z, RowMask.of(new boolean[ROWS], PIXELS, IMAGES)),
                    "mask",
                    "[5, 67]",
                    "[67, 5]");
            refused(() -> layer.encode(z, RowMask.of(new boolean[5], 5)), "mask", "[5, 67]", "[5]");
            refused(() -> RowMask.of(new boolean[5], 6), "6 elements", "5");
            refused(() -> RowMask.of(Tensor.of(new float[5], 5)), "INT32", "FLOAT32");
            boolean[] mask = mask(1);
            try (Tensor codes = layer.encode(z, RowMask.of(mask, IMAGES, PIXELS))) {
                refused(() -> layer.decode(codes), "code -1", "out of range");
            }
        }
        for (Norm norm : List.of(Norm.INSTANCE, Norm.GROUP)) {
            try (VectorQuant layer = VectorQuant.builder(32, 5)
                    .dim(-1)
                    .norm(norm)
                    .backend(Backend.cpu())
                    .build()) {
                Tensor rows = Tensor.of(new float[96], 3, 32);
                refused(() -> layer.forward(rows, RowMask.of(new boolean[3], 3)), "GROUP", "INSTANCE", "whole samples");
            }
        }
    }

    private static Quantizer build(QuantizerBuilder<?> builder, Backend backend) {
        builder.backend(backend);
        if (builder instanceof VectorQuant.Builder plain) {
            return plain.build();
        }
        if (builder instanceof GroupVectorQuant.Builder groups) {
            return groups.build();
        }
        return ((ResidualVectorQuant.Builder) builder).build();
    }

    private static float[] gradients(Quantizer layer) {
        float[] all = new float[0];
        for (Parameter parameter : layer.parameters()) {
            float[] gradient = parameter.gradient().toFloatArray();
            all = Arrays.copyOf(all, all.length + gradient.length);
            System.arraycopy(gradient, 0, all, all.length - gradient.length, gradient.length);
        }
        return all;
    }

    /** Rows with these numbers of a tensor of IMAGES x width x PIXELS. */
    static float[] taken(float[] values, int width, int[] numbers) {
        double[][] rows = new Layout(new long[] {IMAGES, width, PIXELS}, 1).rowsOf(values);
        float[] taken = new float[numbers.length * width];
        for (int i = 0; i < taken.length; i++) {
            taken[i] = (float) rows[numbers[i / width]][i % width];
        }
        return taken;
    }

    /** Found is {@code others}, but for the rows with these numbers, which hold {@code left}. */
    static void spread(float[] others, int width, int[] numbers, float[] left, float[] found) {
        Layout layout = new Layout(new long[] {IMAGES, width, PIXELS}, 1);
        double[][] rows = layout.rowsOf(others);
        for (int i = 0; i < left.length; i++) {
            rows[numbers[i / width]][i % width] = left[i];
        }
        assertArrayEquals(floats(layout.valuesOf(rows)), found);
    }

    static float[] filled(float value, int width) {
        float[] values = new float[ROWS * width];
        Arrays.fill(values, value);
        return values;
    }

    static float[] floats(Tensor codes) {
        return floats(Arrays.stream(codes.toIntArray()).asDoubleStream().toArray());
    }

    private static float[] floats(double[] values) {
        float[] floats = new float[values.length];
        for (int i = 0; i < values.length; i++) {
            floats[i] = (float) values[i];
        }
        return floats;
    }
}
