package io.github.vq4j;

import static io.github.vq4j.GroupVectorQuantTest.normal;
import static io.github.vq4j.GroupVectorQuantTest.refused;
import static io.github.vq4j.VectorQuantPropertyTest.close;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Codes that a training pass draws: how often, what is made of them, and that inference draws none. */
class CodeSamplingTest {
    private static final int FEATURES = 6;
    private static final int CODES = 13;
    private static final int ROWS = 300;

    static List<Backend> backends() {
        return Backends.all();
    }

    private static VectorQuant.Builder builder(Backend backend) {
        return VectorQuant.builder(FEATURES, CODES)
                .dim(-1)
                .samplingTemperature(8)
                .backend(backend);
    }

    private static Tensor batch(int number) {
        return Tensor.of(normal(number, ROWS * FEATURES), ROWS, FEATURES);
    }

    private static int[] codes(Quantizer layer, Tensor z) {
        try (Quantized q = layer.forward(z)) {
            return q.codes().toIntArray();
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void codesOccurAsOftenAsTheirDistancesSay(Backend backend) {
        int rows = 20000;
        float[] z = new float[rows];
        Arrays.fill(z, 0.25f);
        try (VectorQuant layer = VectorQuant.builder(1, 3)
                .dim(-1)
                .samplingTemperature(2)
                .backend(backend)
                .build()) {
            layer.setCodebook(Tensor.of(new float[] {0, 1, -2}, 3, 1));
            double[] weights = {Math.exp(-0.0625 / 2), Math.exp(-0.5625 / 2), Math.exp(-5.0625 / 2)};
            int[] codes = codes(layer, Tensor.of(z, rows, 1));
            for (int k = 0; k < 3; k++) {
                int code = k;
                double p = weights[k] / Arrays.stream(weights).sum();
                double seen = Arrays.stream(codes).filter(each -> each == code).count();
                assertEquals(rows * p, seen, 5 * Math.sqrt(rows * p * (1 - p)), "code " + k);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void outputLossAndGradientsAreThoseOfTheCodesDrawn(Backend backend) {
        Layout layout = new Layout(new long[] {ROWS, FEATURES}, 1);
        for (GradientEstimator estimator : GradientEstimator.values()) {
            double nu = estimator == GradientEstimator.DIVEQ ? 0 : 0.5;
            ReferenceVectorQuant.Options options =
                    new ReferenceVectorQuant.Options(Norm.UNIT, CodebookNorm.NONE, 2, false, 1, 0.25, nu, estimator);
            try (VectorQuant layer = builder(backend)
                    .norm(Norm.UNIT)
                    .affineLr(2)
                    .beta(0.25)
                    .syncNu(nu)
                    .gradientEstimator(estimator)
                    .build()) {
                double[][] codebook = new Layout(new long[] {CODES, FEATURES}, 1)
                        .rowsOf(layer.codebook().toFloatArray());
                ReferenceVectorQuant reference = new ReferenceVectorQuant(options, codebook);
                double[][] g = layout.rowsOf(normal(2, ROWS * FEATURES));
                ReferenceVectorQuant.Forward nearest =
                        reference.forward(layout.rowsOf(batch(1).toFloatArray()), ROWS, true);
                try (Quantized q = layer.forward(batch(1));
                        Gradients gradients =
                                layer.backward(Tensor.of(normal(2, ROWS * FEATURES), ROWS, FEATURES), 3)) {
                    int[] codes = q.codes().toIntArray();
                    assertFalse(Arrays.equals(nearest.codes(), codes));
                    ReferenceVectorQuant.Forward drawn = reference.withCodes(nearest, codes, ROWS);
                    assertEquals(drawn.loss(), q.loss(), 1e-5 * drawn.loss());
                    double[][] output = Arrays.stream(codes)
                            .mapToObj(code -> drawn.effective()[code])
                            .toArray(double[][]::new);
                    close("output", layout.valuesOf(output), q.output().toFloatArray());
                    ReferenceVectorQuant.Gradient expected = reference.backward(drawn, g, 3, ROWS, true);
                    close(
                            "gradient of z",
                            layout.valuesOf(expected.input()),
                            gradients.input().toFloatArray());
                    for (int p = 0; p < layer.parameters().size(); p++) {
                        close(
                                layer.parameters().get(p).name(),
                                ReferenceVectorQuant.flat(expected.parameters().get(p)),
                                layer.parameters().get(p).gradient().toFloatArray());
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void inferenceTakesTheNearestCodes(Backend backend) {
        try (VectorQuant layer = builder(backend).build();
                VectorQuant plain = builder(backend).samplingTemperature(0).build()) {
            int[] nearest = codes(plain, batch(3));
            assertArrayEquals(nearest, layer.encode(batch(3)).toIntArray());
            assertFalse(Arrays.equals(nearest, codes(layer, batch(3))));
            assertArrayEquals(nearest, codes(layer.eval(), batch(3)));
            try (FrozenQuantizer frozen = layer.freeze()) {
                assertArrayEquals(nearest, frozen.encode(batch(3)).toIntArray());
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void everySeedAndStepDrawsAnew(Backend backend) {
        try (VectorQuant layer = builder(backend).build();
                VectorQuant same = builder(Backend.cpu()).build();
                VectorQuant other = builder(backend).seed(1).build()) {
            int[] first = codes(layer, batch(4));
            int[] second = codes(layer, batch(4));
            assertFalse(Arrays.equals(first, second));
            assertArrayEquals(first, codes(same, batch(4)));
            assertArrayEquals(second, codes(same, batch(4)));
            other.setCodebook(same.codebook());
            assertFalse(Arrays.equals(first, codes(other, batch(4))));
        }
    }

    /** Codes that are all the same leave the choice to the noise alone. */
    @ParameterizedTest
    @MethodSource("backends")
    void stagesThatShareACodebookDrawForThemselves(Backend backend) {
        try (ResidualVectorQuant layer = ResidualVectorQuant.builder(2, 50, 3)
                .dim(-1)
                .share(true)
                .samplingTemperature(1)
                .backend(backend)
                .build()) {
            layer.setCodebook(0, Tensor.of(new float[100], 50, 2));
            int[] codes = codes(layer, Tensor.of(normal(5, 200), 100, 2));
            int equal = 0;
            for (int n = 0; n < 100; n++) {
                equal += codes[3 * n] == codes[3 * n + 1] || codes[3 * n + 1] == codes[3 * n + 2] ? 1 : 0;
            }
            assertTrue(equal < 20, equal + " of 100 rows");
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void movingAveragesFollowTheCodesDrawn(Backend backend) {
        try (VectorQuant layer = builder(backend).ema(0.75).build()) {
            int[] codes = codes(layer, batch(6));
            float[] sizes = new float[CODES];
            layer.kernels.read(layer.codebooks.get(0).averages().sizes(), sizes);
            for (int k = 0; k < CODES; k++) {
                int code = k;
                assertEquals(
                        0.75
                                + 0.25
                                        * Arrays.stream(codes)
                                                .filter(each -> each == code)
                                                .count(),
                        sizes[k],
                        1e-4);
            }
        }
    }

    /** The inner optimiser's codes are drawn by the noise of the pass a second time. */
    @ParameterizedTest
    @MethodSource("backends")
    void codesThatAreTakenAnewAreDrawnToo(Backend backend) {
        try (VectorQuant still =
                        builder(backend).alternated(Optimizer.sgd(0), 1, true).build();
                VectorQuant plain = builder(backend).build()) {
            assertArrayEquals(codes(plain, batch(7)), codes(still, batch(7)));
        }
    }

    @Test
    void whatDoesNotGoWithItIsRefused() {
        refused(
                () -> ResidualVectorQuant.builder(4, 8, 2)
                        .beamWidth(2)
                        .samplingTemperature(1)
                        .build(),
                "beamWidth = 1 with samplingTemperature",
                "got beamWidth = 2");
        refused(() -> VectorQuant.builder(4, 8).samplingTemperature(-1), "samplingTemperature", "-1");
        refused(() -> VectorQuant.builder(4, 8).samplingTemperature(Double.NaN), "samplingTemperature", "NaN");
    }
}
