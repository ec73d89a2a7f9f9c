package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.LongRange;

/** The layer against the float64 reference: two training batches and one in inference, of random shapes and options. */
class VectorQuantPropertyTest {
    private static final double TOLERANCE = 3e-5;
    private static final double ALPHA = 1.5;

    @Property(tries = 300, seed = "1")
    void agreesWithTheReferenceOnTheCpu(@ForAll @LongRange(min = 0, max = 1_000_000) long seed) {
        compare(seed, Backend.cpu());
    }

    @Property(tries = 60, seed = "2")
    void agreesWithTheReferenceOnEveryBackend(@ForAll @LongRange(min = 0, max = 1_000_000) long seed) {
        Backends.all().forEach(backend -> compare(seed, backend));
    }

    private static void compare(long seed, Backend backend) {
        LayerCase layerCase = LayerCase.random(seed);
        Layout layout = layerCase.layout();
        Layout codebookLayout = new Layout(new long[] {layerCase.codes(), layout.features()}, 1);
        ReferenceVectorQuant reference =
                new ReferenceVectorQuant(layerCase.options(), codebookLayout.rowsOf(layerCase.codebook()));
        try (VectorQuant layer = layerCase.builder().backend(backend).build()) {
            layer.setCodebook(Tensor.of(layerCase.codebook(), codebookLayout.shape()));
            setOtherParameters(layerCase, layer, reference);
            for (int batch = 0; batch < 3; batch++) {
                boolean training = batch < 2;
                if (!training) {
                    layer.eval();
                }
                step(layerCase, layer, reference, batch, training);
            }
            layer.runningMoments().ifPresent(moments -> {
                RunningMoments expected = reference.runningMoments();
                closeMoments("input mean", expected.inputMean(), moments.inputMean());
                closeMoments("input variance", expected.inputVariance(), moments.inputVariance());
                closeMoments("codebook mean", expected.codebookMean(), moments.codebookMean());
                closeMoments("codebook variance", expected.codebookVariance(), moments.codebookVariance());
            });
            assertEquals(
                    layerCase.options().statisticsAffine(),
                    layer.runningMoments().isPresent());
        }
    }

    private static void setOtherParameters(LayerCase layerCase, VectorQuant layer, ReferenceVectorQuant reference) {
        List<Parameter> parameters = layer.parameters();
        assertEquals(reference.parameters().size(), parameters.size());
        for (int p = 1; p < parameters.size(); p++) {
            boolean nearOne = parameters.get(p).name().equals("norm.scale");
            float[] start = layerCase.parameter(
                    p, nearOne, (int) parameters.get(p).value().size());
            Backends.write(parameters.get(p), start);
            double[][] rows = reference.parameters().get(p);
            for (int i = 0; i < start.length; i++) {
                rows[i / rows[0].length][i % rows[0].length] = start[i];
            }
        }
    }

    private static void step(
            LayerCase layerCase, VectorQuant layer, ReferenceVectorQuant reference, int batch, boolean training) {
        Layout layout = layerCase.layout();
        int samples = layout.samples();
        Tensor z = Tensor.of(layerCase.batch(batch), layout.shape());
        ReferenceVectorQuant.Forward nearest =
                reference.forward(layout.rowsOf(layerCase.batch(batch)), samples, training);
        try (Quantized q = layer.forward(z)) {
            int[] codes = q.codes().toIntArray();
            assertNearest(nearest, codes);
            ReferenceVectorQuant.Forward expected = reference.withCodes(nearest, codes, samples);
            double[][] output = new double[codes.length][];
            double[] distances = new double[codes.length];
            for (int n = 0; n < codes.length; n++) {
                output[n] = expected.effective()[codes[n]];
                distances[n] = ReferenceVectorQuant.squared(expected.rows()[n], output[n]);
            }
            close("output", layout.valuesOf(output), q.output().toFloatArray());
            close("distances", distances, q.distances().toFloatArray());
            assertEquals(expected.loss(), q.loss(), TOLERANCE * expected.loss() + 1e-7, "loss");
            assertArrayEquals(expected.sampleLosses(), q.sampleLosses(), TOLERANCE * expected.loss() * samples + 1e-7);
            assertArrayEquals(layout.shape(), q.output().shape());
            assertEquals(layout.shape().length - 1, q.codes().rank());

            Tensor gradOutput = Tensor.of(layerCase.gradient(batch), layout.shape());
            double[][] g = layout.rowsOf(layerCase.gradient(batch));
            ReferenceVectorQuant.Gradient gradient = reference.backward(expected, g, ALPHA, samples, training);
            try (Gradients gradients = layer.backward(gradOutput, ALPHA)) {
                close(
                        "gradient of z",
                        layout.valuesOf(gradient.input()),
                        gradients.input().toFloatArray());
            }
            List<Parameter> parameters = layer.parameters();
            for (int p = 0; p < parameters.size(); p++) {
                close(
                        "gradient of " + parameters.get(p),
                        ReferenceVectorQuant.flat(gradient.parameters().get(p)),
                        parameters.get(p).gradient().toFloatArray());
            }
            close(
                    "codebook",
                    ReferenceVectorQuant.flat(reference.codebook),
                    layer.codebook().toFloatArray());
        }
    }

    /** The codes are the reference's but for ties within rounding. */
    private static void assertNearest(ReferenceVectorQuant.Forward nearest, int[] codes) {
        assertEquals(nearest.codes().length, codes.length);
        for (int n = 0; n < codes.length; n++) {
            double least = ReferenceVectorQuant.squared(nearest.rows()[n], nearest.effective()[nearest.codes()[n]]);
            double found = ReferenceVectorQuant.squared(nearest.rows()[n], nearest.effective()[codes[n]]);
            double size = ReferenceVectorQuant.squared(nearest.rows()[n], new double[nearest.rows()[n].length]);
            assertTrue(found <= least + 1e-5 * (size + least), "row " + n + ": " + found + " instead of " + least);
        }
    }

    /** Means may be zero by cancellation: compared on the scale of the data, 1 or more. */
    private static void closeMoments(String name, float[] expected, float[] found) {
        float largest = 1;
        for (float value : expected) {
            largest = Math.max(largest, Math.abs(value));
        }
        assertArrayEquals(expected, found, (float) TOLERANCE * largest, name);
    }

    static void close(String name, double[] expected, float[] found) {
        assertEquals(expected.length, found.length, name);
        double largest = 0;
        for (double value : expected) {
            largest = Math.max(largest, Math.abs(value));
        }
        for (int i = 0; i < expected.length; i++) {
            assertEquals(expected[i], found[i], TOLERANCE * largest + 1e-7, name + " at " + i);
        }
    }
}
