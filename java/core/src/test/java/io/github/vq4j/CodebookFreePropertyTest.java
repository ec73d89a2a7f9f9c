package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.LongRange;

/**
 * The quantizers without a codebook against float64: random shapes of one to four axes with the features on any of
 * them, random options. Gradients are compared with central differences.
 */
class CodebookFreePropertyTest {
    private static final double STEP = 1e-5;

    @Property(tries = 200, seed = "1")
    void finiteScalarsAgreeWithTheReferenceOnTheCpu(@ForAll @LongRange(min = 0, max = 1_000_000) long seed) {
        compareFiniteScalars(seed, Backend.cpu());
    }

    @Property(tries = 40, seed = "2")
    void finiteScalarsAgreeWithTheReferenceOnEveryBackend(@ForAll @LongRange(min = 0, max = 1_000_000) long seed) {
        Backends.all().forEach(backend -> compareFiniteScalars(seed, backend));
    }

    @Property(tries = 200, seed = "3")
    void signCodesAgreeWithTheReferenceOnTheCpu(@ForAll @LongRange(min = 0, max = 1_000_000) long seed) {
        compareSignCodes(seed, Backend.cpu());
    }

    @Property(tries = 40, seed = "4")
    void signCodesAgreeWithTheReferenceOnEveryBackend(@ForAll @LongRange(min = 0, max = 1_000_000) long seed) {
        Backends.all().forEach(backend -> compareSignCodes(seed, backend));
    }

    private static void compareFiniteScalars(long seed, Backend backend) {
        Random random = new Random(seed);
        int[] levels = new int[1 + random.nextInt(6)];
        for (int d = 0; d < levels.length; d++) {
            levels[d] = pick(random, List.of(2, 3, 4, 5, 7, 8, 16, 35));
        }
        Layout layout = layout(random, levels.length);
        float[] z = normal(random, layout.size(), 2);
        float[] g = normal(random, layout.size(), 1);
        try (FiniteScalarQuant layer = FiniteScalarQuant.builder(levels)
                        .dim(dim(random, layout))
                        .backend(backend)
                        .build();
                FiniteScalarQuantized q = layer.forward(Tensor.of(z, layout.shape()));
                Gradients gradients = layer.backward(Tensor.of(g, layout.shape()))) {
            double[][] rows = layout.rowsOf(z);
            double[][] upstream = layout.rowsOf(g);
            double[][] output = new double[rows.length][levels.length];
            double[][] gradient = new double[rows.length][levels.length];
            int[] codes = new int[rows.length];
            for (int n = 0; n < rows.length; n++) {
                int place = 1;
                for (int d = 0; d < levels.length; d++) {
                    CodebookFreeReference.Axis axis = new CodebookFreeReference.Axis(levels[d]);
                    int digit = axis.digit(rows[n][d]);
                    output[n][d] = (float) axis.value(digit);
                    codes[n] += digit * place;
                    place *= levels[d];
                    double slope = axis.bounded(rows[n][d] + STEP) - axis.bounded(rows[n][d] - STEP);
                    gradient[n][d] = upstream[n][d] * slope / (2 * STEP) / axis.halfWidth();
                }
            }
            assertArrayEquals(codes, q.codes().toIntArray());
            close("output", layout.valuesOf(output), q.output().toFloatArray(), 0);
            close("gradient", layout.valuesOf(gradient), gradients.input().toFloatArray(), 1e-6);
            checkUsage(codes, q.perplexity(), q.activeCodes());
            checkShapes(layout, q.output(), q.codes());
            try (Tensor encoded = layer.encode(Tensor.of(z, layout.shape()));
                    Tensor decoded = layer.decode(encoded)) {
                assertArrayEquals(codes, encoded.toIntArray());
                assertArrayEquals(q.output().toFloatArray(), decoded.toFloatArray());
                checkShapes(layout, decoded, encoded);
            }
        }
    }

    private static void compareSignCodes(long seed, Backend backend) {
        Random random = new Random(seed);
        CodebookFreeReference.Signs reference = new CodebookFreeReference.Signs(
                random.nextBoolean(),
                pick(random, List.of(0.3, 1.0, 5.0)),
                pick(random, List.of(0.0, 0.25, 1.0)),
                pick(random, List.of(0.0, 0.1, 1.0)),
                pick(random, List.of(0.0, 1.0, 2.5)));
        // On the sphere of one feature the gradient is zero by cancellation: nothing to compare.
        int features = pick(random, reference.spherical() ? List.of(2, 3, 7, 16, 31) : List.of(1, 2, 3, 7, 16, 31));
        Layout layout = layout(random, features);
        float[] z = normal(random, layout.size(), 1);
        float[] g = normal(random, layout.size(), 0.1);
        double alpha = 1.5;
        try (LookupFreeQuant layer = LookupFreeQuant.builder(features)
                        .dim(dim(random, layout))
                        .spherical(reference.spherical())
                        .inverseTemperature(reference.inverseTemperature())
                        .commitmentWeight(reference.commitmentWeight())
                        .entropyWeight(reference.entropyWeight())
                        .diversityGamma(reference.diversityGamma())
                        .backend(backend)
                        .build();
                LookupFreeQuantized q = layer.forward(Tensor.of(z, layout.shape()));
                Gradients gradients = layer.backward(Tensor.of(g, layout.shape()), alpha)) {
            double[][] rows = layout.rowsOf(z);
            double[][] u = reference.normalised(rows);
            double[][] values = reference.codes(u);
            int[] codes = new int[rows.length];
            for (int n = 0; n < rows.length; n++) {
                for (int d = 0; d < features; d++) {
                    codes[n] |= rows[n][d] > 0 ? 1 << d : 0;
                }
            }
            assertArrayEquals(codes, q.codes().toIntArray());
            close("output", layout.valuesOf(values), q.output().toFloatArray(), 1e-7);
            closeLoss("commitment", reference.commitmentLoss(u, values), q.commitmentLoss());
            closeLoss("sample entropy", reference.sampleEntropy(u), q.sampleEntropy());
            closeLoss("batch entropy", reference.batchEntropy(u), q.batchEntropy());
            closeLoss("loss", reference.loss(u, values), q.loss());
            checkGradient(
                    reference,
                    layout,
                    rows,
                    layout.rowsOf(g),
                    values,
                    alpha,
                    gradients.input().toFloatArray());
            checkUsage(codes, q.perplexity(), q.activeCodes());
            checkShapes(layout, q.output(), q.codes());
            try (Tensor encoded = layer.encode(Tensor.of(z, layout.shape()));
                    Tensor decoded = layer.decode(encoded)) {
                assertArrayEquals(codes, encoded.toIntArray());
                assertArrayEquals(q.output().toFloatArray(), decoded.toFloatArray());
                checkShapes(layout, decoded, encoded);
            }
        }
    }

    /** Every element of small tensors, some of large ones. */
    private static void checkGradient(
            CodebookFreeReference.Signs reference,
            Layout layout,
            double[][] z,
            double[][] gradOutput,
            double[][] codes,
            double alpha,
            float[] found) {
        double[][] gradient = layout.rowsOf(found);
        int features = layout.features();
        int stride = Math.max(1, layout.size() / 40);
        for (int i = 0; i < layout.size(); i += stride) {
            int n = i / features;
            int d = i % features;
            double value = z[n][d];
            z[n][d] = value + STEP;
            double above = reference.objective(z, gradOutput, codes, alpha);
            z[n][d] = value - STEP;
            double below = reference.objective(z, gradOutput, codes, alpha);
            z[n][d] = value;
            double expected = (above - below) / (2 * STEP);
            assertEquals(
                    expected, gradient[n][d], 2e-5 * Math.max(0.1, Math.abs(expected)), "gradient at " + n + ", " + d);
        }
    }

    private static void checkUsage(int[] codes, double perplexity, long activeCodes) {
        Map<Integer, Integer> histogram = new HashMap<>();
        for (int code : codes) {
            histogram.merge(code, 1, Integer::sum);
        }
        double entropy = 0;
        for (int count : histogram.values()) {
            double share = (double) count / codes.length;
            entropy -= share * Math.log(share);
        }
        assertEquals(histogram.size(), activeCodes);
        assertEquals(Math.exp(entropy), perplexity, 1e-9 * Math.exp(entropy));
    }

    private static void checkShapes(Layout layout, Tensor output, Tensor codes) {
        List<Long> rest = new ArrayList<>();
        for (int i = 0; i < layout.shape().length; i++) {
            if (i != layout.axis()) {
                rest.add(layout.shape()[i]);
            }
        }
        assertArrayEquals(layout.shape(), output.shape());
        assertArrayEquals(rest.stream().mapToLong(Long::longValue).toArray(), codes.shape());
    }

    private static Layout layout(Random random, int features) {
        int rank = 1 + random.nextInt(4);
        int axis = random.nextInt(rank);
        long[] shape = new long[rank];
        for (int i = 0; i < rank; i++) {
            shape[i] = i == axis ? features : pick(random, List.of(1L, 2L, 3L, 5L, 7L, 11L));
        }
        return new Layout(shape, axis);
    }

    private static int dim(Random random, Layout layout) {
        return random.nextBoolean() ? layout.axis() : layout.axis() - layout.shape().length;
    }

    private static void closeLoss(String name, double expected, double found) {
        assertEquals(expected, found, 1e-5 * Math.max(1, Math.abs(expected)), name);
    }

    private static void close(String name, double[] expected, float[] found, double tolerance) {
        assertEquals(expected.length, found.length, name);
        for (int i = 0; i < expected.length; i++) {
            assertEquals(expected[i], found[i], tolerance * Math.max(1, Math.abs(expected[i])), name + " at " + i);
        }
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
