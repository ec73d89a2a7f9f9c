package io.github.vq4j;

import static io.github.vq4j.GroupVectorQuantTest.normal;
import static io.github.vq4j.GroupVectorQuantTest.refused;
import static io.github.vq4j.VectorQuantPropertyTest.close;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** |N N' - I|^2 / K^2 over the K x K matrix in float64, and its central differences. */
class OrthogonalRegularizationTest {
    private static final double WEIGHT = 40;

    static List<Backend> backends() {
        return Backends.all();
    }

    private static double[][] codebook(long seed, int codes, int features) {
        return new Layout(new long[] {codes, features}, 1).rowsOf(normal(seed, codes * features));
    }

    private static double loss(double[][] codebook) {
        int codes = codebook.length;
        double[] lengths = Arrays.stream(codebook)
                .mapToDouble(OrthogonalRegularizationTest::length)
                .toArray();
        double sum = 0;
        for (int i = 0; i < codes; i++) {
            for (int j = 0; j < codes; j++) {
                double product = 0;
                for (int d = 0; d < codebook[i].length; d++) {
                    product += codebook[i][d] * codebook[j][d];
                }
                double cosine = product / Math.max(1e-12, lengths[i]) / Math.max(1e-12, lengths[j]);
                double difference = cosine - (i == j ? 1 : 0);
                sum += difference * difference;
            }
        }
        return sum / ((double) codes * codes);
    }

    private static double length(double[] code) {
        return Math.sqrt(ReferenceVectorQuant.squared(code, new double[code.length]));
    }

    /** WEIGHT * the gradient of the loss. */
    private static double[] gradient(double[][] codebook) {
        double[][] gradient = new double[codebook.length][codebook[0].length];
        double step = 1e-5;
        for (int k = 0; k < codebook.length; k++) {
            for (int d = 0; d < codebook[k].length; d++) {
                double value = codebook[k][d];
                codebook[k][d] = value + step;
                double above = loss(codebook);
                codebook[k][d] = value - step;
                double below = loss(codebook);
                codebook[k][d] = value;
                gradient[k][d] = WEIGHT * (above - below) / (2 * step);
            }
        }
        return ReferenceVectorQuant.flat(gradient);
    }

    private static VectorQuant.Builder builder(int features, int codes, Backend backend) {
        return VectorQuant.builder(features, codes)
                .dim(-1)
                .orthogonalWeight(WEIGHT)
                .backend(backend);
    }

    private static void set(VectorQuant layer, double[][] codebook) {
        float[] values = ReferenceVectorQuant.floats(ReferenceVectorQuant.flat(codebook));
        layer.setCodebook(Tensor.of(values, codebook.length, codebook[0].length));
    }

    @ParameterizedTest
    @MethodSource("backends")
    void lossAndGradientAreThoseOfTheWholeMatrix(Backend backend) {
        for (int[] size : new int[][] {{1, 1}, {2, 1}, {1, 7}, {5, 3}, {7, 16}, {31, 4}, {300, 2}}) {
            double[][] codebook = codebook(size[0], size[0], size[1]);
            try (VectorQuant layer = builder(size[1], size[0], backend).build()) {
                set(layer, codebook);
                assertEquals(loss(codebook), layer.orthogonalLoss(), 1e-6);
                layer.forward(Tensor.of(normal(9, 3 * size[1]), 3, size[1])).close();
                layer.backward(null, 0).close();
                // Of one feature it is zero, by cancellation.
                float[] found = layer.parameters().get(0).gradient().toFloatArray();
                double[] expected = gradient(codebook);
                for (int i = 0; i < expected.length; i++) {
                    assertEquals(expected[i], found[i], 1e-5 * Math.abs(expected[i]) + 1e-6 * WEIGHT / size[0]);
                }
            }
        }
    }

    /** With an affine the codes before it are regularised. */
    @ParameterizedTest
    @MethodSource("backends")
    void itIsAddedToTheOtherGradients(Backend backend) {
        float[] z = normal(1, 200 * 6);
        float[] g = normal(2, 200 * 6);
        double[][] codebook = codebook(3, 20, 6);
        try (VectorQuant with = builder(6, 20, backend).affineLr(2).syncNu(1).build();
                VectorQuant without = builder(6, 20, backend)
                        .affineLr(2)
                        .syncNu(1)
                        .orthogonalWeight(0)
                        .build()) {
            for (VectorQuant layer : List.of(with, without)) {
                set(layer, codebook);
                Backends.write(layer.parameters().get(1), normal(4, 6));
                Backends.write(layer.parameters().get(2), normal(5, 6));
                layer.forward(Tensor.of(z, 200, 6)).close();
                layer.backward(Tensor.of(g, 200, 6), 3).close();
            }
            double[] expected = gradient(codebook);
            float[] others = without.parameters().get(0).gradient().toFloatArray();
            for (int i = 0; i < expected.length; i++) {
                expected[i] += others[i];
            }
            close("sum", expected, with.parameters().get(0).gradient().toFloatArray());
            for (int p = 1; p < 3; p++) {
                assertArrayEquals(
                        without.parameters().get(p).gradient().toFloatArray(),
                        with.parameters().get(p).gradient().toFloatArray());
            }
            assertEquals(loss(codebook), with.orthogonalLoss(), 1e-6);
            assertEquals(with.orthogonalLoss(), without.orthogonalLoss());
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void stepsMakeFewCodesOrthogonal(Backend backend) {
        try (VectorQuant layer = builder(8, 6, backend).build();
                Optimizer optimizer = Optimizer.adam(0.02)) {
            assertTrue(layer.orthogonalLoss() > 0.02);
            for (int step = 0; step < 300; step++) {
                layer.forward(Tensor.of(normal(step, 16), 2, 8)).close();
                layer.backward(null, 0).close();
                optimizer.step(layer);
            }
            assertEquals(0, layer.orthogonalLoss(), 1e-5);
        }
    }

    /** A linear map of the codes receives the gradient of those. */
    @ParameterizedTest
    @MethodSource("backends")
    void itGoesThroughALinearMap(Backend backend) {
        try (VectorQuant layer = builder(5, 9, backend).linearCodebook(true).build()) {
            Parameter weight = layer.parameters().get(0);
            Backends.write(weight, normal(6, 25));
            layer.forward(Tensor.of(normal(7, 10), 2, 5)).close();
            layer.backward(null, 0).close();
            Layout matrix = new Layout(new long[] {9, 5}, 1);
            double[][] basis = matrix.rowsOf(layer.codebook().toFloatArray());
            double[][] codes = LinearCodebookTest.mapped(basis, LinearCodebookTest.matrix(normal(6, 25), 5));
            assertEquals(loss(codes), layer.orthogonalLoss(), 1e-6);
            double[][] ofCodes = matrix.rowsOf(ReferenceVectorQuant.floats(gradient(codes)));
            close(
                    "gradient of W",
                    ReferenceVectorQuant.flat(LinearCodebookTest.ofWeight(ofCodes, basis)),
                    weight.gradient().toFloatArray());
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void everyCodebookHasItsOwn(Backend backend) {
        try (GroupVectorQuant layer = GroupVectorQuant.builder(6, 20, 2)
                .dim(-1)
                .orthogonalWeight(WEIGHT)
                .backend(backend)
                .build()) {
            layer.forward(Tensor.of(normal(8, 30), 5, 6)).close();
            layer.backward(null, 0).close();
            double sum = 0;
            for (int i = 0; i < 2; i++) {
                double[][] codebook = new Layout(new long[] {10, 3}, 1)
                        .rowsOf(layer.codebook(i).toFloatArray());
                close(
                        "codebook " + i,
                        gradient(codebook),
                        layer.parameters().get(i).gradient().toFloatArray());
                sum += loss(codebook);
            }
            assertEquals(sum, layer.orthogonalLoss(), 1e-6);
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void aZeroCodeHasNoGradient(Backend backend) {
        float[] codes = normal(9, 12);
        Arrays.fill(codes, 4, 8, 0);
        try (VectorQuant layer = builder(4, 3, backend).build()) {
            layer.setCodebook(Tensor.of(codes, 3, 4));
            layer.forward(Tensor.of(normal(10, 8), 2, 4)).close();
            layer.backward(null, 0).close();
            float[] gradient = layer.parameters().get(0).gradient().toFloatArray();
            for (int d = 4; d < 8; d++) {
                assertEquals(0, gradient[d]);
            }
        }
    }

    @Test
    void movingAveragesAndBadWeightsAreRefused() {
        refused(
                () -> VectorQuant.builder(4, 8).ema(0.9).orthogonalWeight(2).build(),
                "orthogonalWeight = 0 with ema",
                "2.0");
        refused(() -> VectorQuant.builder(4, 8).orthogonalWeight(-1), "orthogonalWeight", "-1");
    }
}
