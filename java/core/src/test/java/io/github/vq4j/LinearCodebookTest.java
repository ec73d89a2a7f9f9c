package io.github.vq4j;

import static io.github.vq4j.GroupVectorQuantTest.normal;
import static io.github.vq4j.GroupVectorQuantTest.refused;
import static io.github.vq4j.VectorQuantPropertyTest.close;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A frozen basis under a learned linear map, against the layer of the codes C = B W' in float64. */
class LinearCodebookTest {
    private static final int FEATURES = 7;
    private static final int CODES = 30;
    private static final int ROWS = 290;
    private static final double ALPHA = 3;
    private static final Layout LAYOUT = new Layout(new long[] {2, FEATURES, ROWS / 2}, 1);

    static List<Backend> backends() {
        return Backends.all();
    }

    static double[][] matrix(float[] values, int columns) {
        return new Layout(new long[] {values.length / columns, columns}, 1).rowsOf(values);
    }

    /** B W'. */
    static double[][] mapped(double[][] basis, double[][] weight) {
        double[][] codes = new double[basis.length][weight.length];
        for (int k = 0; k < basis.length; k++) {
            for (int o = 0; o < weight.length; o++) {
                for (int d = 0; d < basis[k].length; d++) {
                    codes[k][o] += weight[o][d] * basis[k][d];
                }
            }
        }
        return codes;
    }

    /** dC' B. */
    static double[][] ofWeight(double[][] ofCodes, double[][] basis) {
        double[][] gradient = new double[ofCodes[0].length][basis[0].length];
        for (int k = 0; k < basis.length; k++) {
            for (int o = 0; o < gradient.length; o++) {
                for (int d = 0; d < basis[k].length; d++) {
                    gradient[o][d] += ofCodes[k][o] * basis[k][d];
                }
            }
        }
        return gradient;
    }

    @ParameterizedTest
    @MethodSource("backends")
    void theBasisHasVarianceOneOverDAndTheMapStartsAsTheIdentity(Backend backend) {
        try (VectorQuant layer = VectorQuant.builder(16, 2000)
                .linearCodebook(true)
                .backend(backend)
                .build()) {
            double square = 0;
            for (float value : layer.codebook().toFloatArray()) {
                square += value * value / 32000;
            }
            assertEquals(1.0 / 16, square, 0.02 / 16 * 2);
            assertArrayEquals(
                    layer.codebook().toFloatArray(), layer.effectiveCodebook().toFloatArray());
            assertEquals("[linear.weight [16, 16]]", layer.parameters().toString());
        }
    }

    private static final List<ReferenceVectorQuant.Options> OPTIONS = List.of(
            new ReferenceVectorQuant.Options(
                    Norm.NONE, CodebookNorm.NONE, 0, false, 1, 0.95, 0, GradientEstimator.STRAIGHT_THROUGH),
            new ReferenceVectorQuant.Options(
                    Norm.UNIT, CodebookNorm.NONE, 2, false, 3, 0.25, 0.5, GradientEstimator.ROTATION),
            new ReferenceVectorQuant.Options(
                    Norm.BATCH, CodebookNorm.NONE, 0, true, 2, 0.5, 0, GradientEstimator.DIVEQ));

    @ParameterizedTest
    @MethodSource("backends")
    void forwardAndGradientsAreThoseOfTheCodesAndTheirDifferences(Backend backend) {
        float[] z = normal(1, ROWS * FEATURES);
        float[] g = normal(2, ROWS * FEATURES);
        float[] map = normal(3, FEATURES * FEATURES);
        for (ReferenceVectorQuant.Options options : OPTIONS) {
            try (VectorQuant layer = VectorQuant.builder(FEATURES, CODES)
                    .linearCodebook(true)
                    .norm(options.norm())
                    .affineLr(options.affineLr())
                    .statisticsAffine(options.statisticsAffine())
                    .affineGroups(options.affineGroups())
                    .beta(options.beta())
                    .syncNu(options.syncNu())
                    .gradientEstimator(options.estimator())
                    .backend(backend)
                    .build()) {
                Parameter weight = layer.parameters().get(0);
                Backends.write(weight, map);
                double[][] basis = matrix(layer.codebook().toFloatArray(), FEATURES);
                double[][] w = matrix(map, FEATURES);
                ReferenceVectorQuant reference = new ReferenceVectorQuant(options, mapped(basis, w));
                double[][] rows = LAYOUT.rowsOf(z);
                double[][] upstream = LAYOUT.rowsOf(g);
                ReferenceVectorQuant.Forward nearest = reference.forward(rows, 2, true);
                try (Quantized q = layer.forward(Tensor.of(z, LAYOUT.shape()));
                        Gradients gradients = layer.backward(Tensor.of(g, LAYOUT.shape()), ALPHA)) {
                    ReferenceVectorQuant.Forward expected =
                            reference.withCodes(nearest, q.codes().toIntArray(), 2);
                    close("codes", ReferenceVectorQuant.flat(nearest.effective()), effective(layer));
                    assertEquals(nearest.loss(), q.loss(), 1e-5 * nearest.loss());
                    ReferenceVectorQuant.Gradient gradient = reference.backward(expected, upstream, ALPHA, 2, true);
                    close(
                            "z",
                            LAYOUT.valuesOf(gradient.input()),
                            gradients.input().toFloatArray());
                    double[][] ofWeight = ofWeight(gradient.parameters().get(0), basis);
                    close(
                            "W",
                            ReferenceVectorQuant.flat(ofWeight),
                            weight.gradient().toFloatArray());
                    for (int p = 1; p < layer.parameters().size(); p++) {
                        close(
                                layer.parameters().get(p).name(),
                                ReferenceVectorQuant.flat(gradient.parameters().get(p)),
                                layer.parameters().get(p).gradient().toFloatArray());
                    }
                    for (int i = 0; i < FEATURES * FEATURES; i += 5) {
                        double step = 1e-5;
                        double[] value = w[i / FEATURES];
                        double difference = 0;
                        for (int sign : new int[] {1, -1}) {
                            value[i % FEATURES] += sign * step;
                            reference.codebook = mapped(basis, w);
                            difference +=
                                    sign * reference.objective(expected, rows, upstream, ALPHA, 2, true) / (2 * step);
                            value[i % FEATURES] -= sign * step;
                        }
                        assertEquals(
                                difference,
                                ofWeight[i / FEATURES][i % FEATURES],
                                1e-5 * Math.max(1, Math.abs(difference)));
                    }
                }
            }
        }
    }

    /** Of the statistics affine, those of the batch: both moments have just been copied from it. */
    private static float[] effective(VectorQuant layer) {
        try (Tensor effective = layer.effectiveCodebook()) {
            return effective.toFloatArray();
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void oneUsedCodeMovesAllAndTheBasisStays(Backend backend) {
        try (VectorQuant layer = VectorQuant.builder(FEATURES, CODES)
                        .dim(-1)
                        .linearCodebook(true)
                        .backend(backend)
                        .build();
                Optimizer optimizer = Optimizer.adam(0.01)) {
            float[] basis = layer.codebook().toFloatArray();
            float[] before = effective(layer);
            double first = 0;
            double last = 0;
            for (int step = 0; step < 20; step++) {
                try (Quantized q = layer.forward(Tensor.of(normal(5, FEATURES), 1, FEATURES))) {
                    first = step == 0 ? q.loss() : first;
                    last = q.loss();
                    layer.backward(null, 1).close();
                }
                optimizer.step(layer);
            }
            assertTrue(last < 0.8 * first, last + " after " + first);
            assertArrayEquals(basis, layer.codebook().toFloatArray());
            float[] after = effective(layer);
            for (int k = 0; k < CODES; k++) {
                assertNotEquals(before[k * FEATURES], after[k * FEATURES]);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void aMapThatIsNotFiniteIsNamed(Backend backend) {
        boolean[] mask = new boolean[ROWS];
        mask[200] = true;
        Tensor z = Tensor.of(normal(6, ROWS * FEATURES), ROWS, FEATURES);
        try (VectorQuant layer = linear().dim(-1).backend(backend).build()) {
            float[] map = normal(7, FEATURES * FEATURES);
            map[3 * FEATURES + 1] = Float.NaN;
            Backends.write(layer.parameters().get(0), map);
            NotFiniteException failure =
                    assertThrows(NotFiniteException.class, () -> layer.forward(z, RowMask.of(mask, ROWS)));
            assertEquals("weight", failure.tensor());
            assertEquals(3, failure.row());
        }
    }

    @Test
    void everyCodebookHasAMap() {
        try (ResidualVectorQuant layer = ResidualVectorQuant.builder(4, 12, 3)
                        .linearCodebook(true)
                        .build();
                GroupVectorQuant shared = GroupVectorQuant.builder(4, 12, 2)
                        .share(true)
                        .linearCodebook(true)
                        .build()) {
            assertEquals(
                    "[0.linear.weight [4, 4], 1.linear.weight [4, 4], 2.linear.weight [4, 4]]",
                    layer.parameters().toString());
            assertEquals("[linear.weight [2, 2]]", shared.parameters().toString());
        }
    }

    @Test
    void whatMovesCodesOneByOneIsRefused() {
        refused(() -> linear().ema(0.9).build(), "linearCodebook without ema", "the basis is frozen");
        refused(() -> linear().replaceFreq(2).build(), "linearCodebook without replaceFreq");
        refused(() -> linear().kmeansInit(true).build(), "linearCodebook without kmeansInit");
        refused(
                () -> linear().alternated(Optimizer.sgd(1), 1, false).build(),
                "linearCodebook without alternated optimisation");
        refused(() -> linear().codebookNorm(CodebookNorm.UNIT).build(), "no codebookNorm with linearCodebook", "UNIT");
    }

    @Test
    void theReferencePackageHasNoPlaceForIt() {
        try (VectorQuant layer = linear().build()) {
            String message = assertThrows(
                            IllegalArgumentException.class, () -> ReferenceStateDict.save(Path.of("never"), "", layer))
                    .getMessage();
            assertTrue(message.contains("linearCodebook = true"), message);
        }
    }

    private static VectorQuant.Builder linear() {
        return VectorQuant.builder(FEATURES, CODES).linearCodebook(true);
    }
}
