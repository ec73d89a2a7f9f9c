package io.github.vq4j;

import static io.github.vq4j.GroupVectorQuantTest.normal;
import static io.github.vq4j.GroupVectorQuantTest.refused;
import static io.github.vq4j.GroupVectorQuantTest.swapped;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The residual layer against its formulas in float64, stage by stage. */
class ResidualVectorQuantTest {
    static final int ROWS = 300;
    static final int FEATURES = 12;
    static final int STAGES = 3;
    static final int CODES = 30;
    static final double ALPHA = 5;
    static final double BETA = 0.6;
    private static final double NU = 0.3;
    static final double RATE = 2;

    static List<Backend> backends() {
        return Backends.all();
    }

    static Stream<Arguments> cases() {
        return backends().stream()
                .flatMap(backend -> Stream.of(
                        Arguments.of(backend, false, false, GradientEstimator.STRAIGHT_THROUGH),
                        Arguments.of(backend, false, true, GradientEstimator.ROTATION),
                        Arguments.of(backend, false, false, GradientEstimator.DIVEQ),
                        Arguments.of(backend, true, false, GradientEstimator.ROTATION),
                        Arguments.of(backend, true, true, GradientEstimator.STRAIGHT_THROUGH),
                        Arguments.of(backend, true, true, GradientEstimator.DIVEQ)));
    }

    @ParameterizedTest
    @MethodSource("cases")
    void valuesAndGradientsFollowTheFormulas(
            Backend backend, boolean share, boolean stageLosses, GradientEstimator estimator) {
        double nu = estimator == GradientEstimator.DIVEQ ? 0 : NU;
        try (ResidualVectorQuant layer = ResidualVectorQuant.builder(FEATURES, CODES, STAGES)
                .share(share)
                .stageLosses(stageLosses)
                .dim(-1)
                .beta(BETA)
                .syncNu(nu)
                .gradientEstimator(estimator)
                .affineLr(RATE)
                .backend(backend)
                .build()) {
            followsTheFormulas(layer, share, stageLosses, estimator, nu, true);
        }
    }

    /**
     * One training step of a layer with the constants of this class.
     *
     * @param greedy whether each code is to be the nearest to what the codes before have left
     * @return the codes
     */
    static int[] followsTheFormulas(
            ResidualVectorQuant layer,
            boolean share,
            boolean stageLosses,
            GradientEstimator estimator,
            double nu,
            boolean greedy) {
        float[] z = normal(1, ROWS * FEATURES);
        float[] g = normal(2, ROWS * FEATURES);
        for (Parameter parameter : layer.parameters()) {
            if (parameter.name().contains("affine")) {
                float[] start = normal(parameter.name().hashCode(), FEATURES);
                for (int d = 0; d < FEATURES; d++) {
                    start[d] *= 0.1f;
                }
                Backends.write(parameter, start);
            }
        }
        try (Quantized q = layer.forward(Tensor.of(z, ROWS, FEATURES));
                Gradients gradients = layer.backward(Tensor.of(g, ROWS, FEATURES), ALPHA)) {
            int[] codes = q.codes().toIntArray();
            Expected expected = new Expected(layer, z, g, codes, share, stageLosses, estimator, nu, greedy);
            assertArrayEquals(new long[] {ROWS, STAGES}, q.codes().shape());
            close(expected.output, q.output().toFloatArray());
            close(expected.distances, q.distances().toFloatArray());
            assertEquals(expected.loss, q.loss(), 1e-5);
            double mean = 0;
            for (int n = 0; n < ROWS; n++) {
                assertEquals(expected.rowLosses[n], q.sampleLosses()[n], 1e-5);
                mean += expected.rowLosses[n] / ROWS;
            }
            assertEquals(mean, q.loss(), 1e-5);
            close(expected.input, gradients.input().toFloatArray());
            for (int c = 0; c < layer.codebookCount(); c++) {
                String prefix = share ? "" : c + ".";
                close(expected.codebooks.get(c), gradient(layer, prefix + "codebook"));
                close(expected.scales.get(c), gradient(layer, prefix + "affine.scale"));
                close(expected.biases.get(c), gradient(layer, prefix + "affine.bias"));
            }
            return codes;
        }
    }

    /** Forward and gradients for codes; a stage of code -1 is not there for the row. */
    private static final class Expected {
        final double[] output = new double[ROWS * FEATURES];
        final double[] distances = new double[ROWS * STAGES];
        final double[] input = new double[ROWS * FEATURES];
        final List<double[]> codebooks = new ArrayList<>();
        final List<double[]> scales = new ArrayList<>();
        final List<double[]> biases = new ArrayList<>();
        final double[] rowLosses = new double[ROWS];
        double loss;

        Expected(
                ResidualVectorQuant layer,
                float[] z,
                float[] g,
                int[] codes,
                boolean share,
                boolean stageLosses,
                GradientEstimator estimator,
                double nu,
                boolean greedy) {
            int books = layer.codebookCount();
            int size = CODES / books;
            double mean = 2 * ALPHA / (ROWS * FEATURES) / (stageLosses ? STAGES : 1);
            List<float[]> stored = new ArrayList<>();
            List<float[]> effective = new ArrayList<>();
            List<double[]> effectiveGradients = new ArrayList<>();
            for (int c = 0; c < books; c++) {
                stored.add(layer.codebook(c).toFloatArray());
                try (Tensor copy = layer.effectiveCodebook(c)) {
                    effective.add(copy.toFloatArray());
                }
                effectiveGradients.add(new double[size * FEATURES]);
            }
            for (int n = 0; n < ROWS; n++) {
                double[] left = new double[FEATURES];
                double[][] after = new double[STAGES][];
                for (int d = 0; d < FEATURES; d++) {
                    left[d] = z[n * FEATURES + d];
                }
                for (int i = 0; i < STAGES; i++) {
                    int c = share ? 0 : i;
                    int code = codes[n * STAGES + i] - c * size;
                    if (codes[n * STAGES + i] < 0) {
                        assertEquals(-1, codes[n * STAGES + i]);
                        after[i] = left.clone();
                        continue;
                    }
                    float[] book = effective.get(c);
                    double distance = distance(left, book, code);
                    for (int k = 0; greedy && k < size; k++) {
                        assertTrue(distance <= distance(left, book, k) + 1e-5, "row " + n + ", stage " + i);
                    }
                    distances[n * STAGES + i] = distance;
                    for (int d = 0; d < FEATURES; d++) {
                        left[d] -= book[code * FEATURES + d];
                        output[n * FEATURES + d] += book[code * FEATURES + d];
                    }
                    after[i] = left.clone();
                }
                double[] row = row(z, n);
                double[] sum = Arrays.copyOfRange(output, n * FEATURES, (n + 1) * FEATURES);
                double[] ofRow = ReferenceEstimator.ofRow(estimator, row, sum, row(g, n));
                double[] ofCodes = ReferenceEstimator.ofCode(estimator, nu, row, sum, row(g, n));
                for (int i = 0; i < STAGES; i++) {
                    int c = share ? 0 : i;
                    int code = codes[n * STAGES + i] - c * size;
                    boolean used = codes[n * STAGES + i] >= 0;
                    boolean term = stageLosses ? used : i == STAGES - 1;
                    for (int d = 0; d < FEATURES; d++) {
                        double own = stageLosses ? after[i][d] : after[STAGES - 1][d];
                        if (used) {
                            effectiveGradients.get(c)[code * FEATURES + d] += ofCodes[d] - mean * BETA * own;
                        }
                        if (term) {
                            input[n * FEATURES + d] += mean * (1 - BETA) * after[i][d];
                            rowLosses[n] += after[i][d] * after[i][d] / FEATURES / (stageLosses ? STAGES : 1);
                        }
                    }
                }
                loss += rowLosses[n] / ROWS;
                for (int d = 0; d < FEATURES; d++) {
                    input[n * FEATURES + d] += ofRow[d];
                }
            }
            for (int c = 0; c < books; c++) {
                throughAffine(layer, share ? "" : c + ".", stored.get(c), effectiveGradients.get(c));
            }
        }

        private void throughAffine(ResidualVectorQuant layer, String prefix, float[] stored, double[] gradient) {
            float[] a =
                    Backends.parameter(layer, prefix + "affine.scale").value().toFloatArray();
            double[] codebook = new double[gradient.length];
            double[] scale = new double[FEATURES];
            double[] bias = new double[FEATURES];
            for (int i = 0; i < gradient.length; i++) {
                int d = i % FEATURES;
                codebook[i] = (1 + RATE * a[d]) * gradient[i];
                scale[d] += RATE * gradient[i] * stored[i];
                bias[d] += RATE * gradient[i];
            }
            codebooks.add(codebook);
            scales.add(scale);
            biases.add(bias);
        }

        private static double[] row(float[] values, int n) {
            double[] row = new double[FEATURES];
            for (int d = 0; d < FEATURES; d++) {
                row[d] = values[n * FEATURES + d];
            }
            return row;
        }

        private static double distance(double[] row, float[] book, int code) {
            double sum = 0;
            for (int d = 0; d < FEATURES; d++) {
                sum += Math.pow(row[d] - book[code * FEATURES + d], 2);
            }
            return sum;
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void oneStageIsAVectorQuantBitForBit(Backend backend) {
        for (GradientEstimator estimator : GradientEstimator.values()) {
            oneStageIsAVectorQuant(backend, estimator);
        }
    }

    private static void oneStageIsAVectorQuant(Backend backend, GradientEstimator estimator) {
        float[] z = normal(3, ROWS * FEATURES);
        float[] g = normal(4, ROWS * FEATURES);
        try (ResidualVectorQuant layer = ResidualVectorQuant.builder(FEATURES, CODES, 1)
                        .dim(-1)
                        .gradientEstimator(estimator)
                        .backend(backend)
                        .build();
                VectorQuant single = VectorQuant.builder(FEATURES, CODES)
                        .dim(-1)
                        .gradientEstimator(estimator)
                        .backend(backend)
                        .build();
                Quantized a = layer.forward(Tensor.of(z, ROWS, FEATURES));
                Quantized b = single.forward(Tensor.of(z, ROWS, FEATURES));
                Gradients ofA = layer.backward(Tensor.of(g, ROWS, FEATURES), ALPHA);
                Gradients ofB = single.backward(Tensor.of(g, ROWS, FEATURES), ALPHA)) {
            assertArrayEquals(b.output().toFloatArray(), a.output().toFloatArray());
            assertArrayEquals(b.codes().toIntArray(), a.codes().toIntArray());
            assertEquals(b.loss(), a.loss());
            assertArrayEquals(ofB.input().toFloatArray(), ofA.input().toFloatArray());
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void stagesAreInitialisedFromTheResidualsThatTheyWillSee(Backend backend) {
        float[] z = normal(5, 2000 * FEATURES);
        double before = Double.MAX_VALUE;
        try (ResidualVectorQuant layer = ResidualVectorQuant.builder(FEATURES, 4 * 16, 4)
                        .dim(-1)
                        .kmeansInit(true)
                        .backend(backend)
                        .build();
                Quantized q = layer.forward(Tensor.of(z, 2000, FEATURES))) {
            float[] distances = q.distances().toFloatArray();
            for (int stage = 0; stage < 4; stage++) {
                double sum = 0;
                for (int n = 0; n < 2000; n++) {
                    sum += distances[n * 4 + stage];
                }
                assertTrue(sum < 0.9 * before, "stage " + stage + " leaves " + sum + " of " + before);
                before = sum;
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void decodeGivesTheOutputBackBitForBit(Backend backend) {
        for (boolean share : new boolean[] {false, true}) {
            try (ResidualVectorQuant layer = ResidualVectorQuant.builder(FEATURES, CODES, STAGES)
                    .share(share)
                    .affineLr(1)
                    .backend(backend)
                    .build()) {
                layer.eval();
                float[] rows = normal(6, 4 * 7 * FEATURES);
                Tensor z = Tensor.of(swapped(rows, 4, 7, FEATURES), 4, FEATURES, 7);
                try (Quantized q = layer.forward(z);
                        Tensor codes = layer.encode(z);
                        Tensor decoded = layer.decode(codes)) {
                    assertArrayEquals(new long[] {4, STAGES, 7}, codes.shape());
                    assertArrayEquals(q.codes().toIntArray(), codes.toIntArray());
                    assertArrayEquals(q.output().toFloatArray(), decoded.toFloatArray());
                }
            }
        }
    }

    @Test
    void optionsThatContradictEachOtherAreRefused() {
        refused(() -> ResidualVectorQuant.builder(4, 10, 3).build(), "stages", "numCodes = 10", "3");
        refused(() -> ResidualVectorQuant.builder(4, 10, 0), "stages", "0");
        refused(
                () -> ResidualVectorQuant.builder(4, 10, 3)
                        .share(true)
                        .statisticsAffine(true)
                        .build(),
                "statisticsAffine",
                "share = true");
        refused(
                () -> ResidualVectorQuant.builder(4, 10, 3)
                        .share(true)
                        .alternated(Optimizer.sgd(1), 1, false)
                        .build(),
                "alternated",
                "share = true");
    }

    static float[] gradient(Quantizer layer, String name) {
        return Backends.parameter(layer, name).gradient().toFloatArray();
    }

    static void close(double[] expected, float[] found) {
        assertEquals(expected.length, found.length);
        double largest = 0;
        for (double value : expected) {
            largest = Math.max(largest, Math.abs(value));
        }
        for (int i = 0; i < found.length; i++) {
            assertEquals(expected[i], found[i], 1e-5 * largest, "at " + i);
        }
    }
}
