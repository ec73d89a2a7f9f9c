package io.github.vq4j;

import static io.github.vq4j.GroupVectorQuantTest.normal;
import static io.github.vq4j.GroupVectorQuantTest.refused;
import static io.github.vq4j.VectorQuantPropertyTest.close;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A lookup in fewer dimensions, against projections in float64 around the layer in float64. */
class ProjectionTest {
    private static final int FEATURES = 12;
    private static final int LOOKUP = 5;
    private static final int CODES = 30;
    private static final int ROWS = 290;
    private static final int SAMPLES = 2;
    private static final double ALPHA = 300;

    static List<Backend> backends() {
        return Backends.all();
    }

    /** W x + b of every row. */
    private static double[][] mapped(double[][] rows, double[][] weight, double[] bias) {
        double[][] out = LinearCodebookTest.mapped(rows, weight);
        for (double[] row : out) {
            for (int o = 0; o < row.length; o++) {
                row[o] += bias[o];
            }
        }
        return out;
    }

    private static double[][] transposed(double[][] matrix) {
        double[][] turned = new double[matrix[0].length][matrix.length];
        for (int i = 0; i < matrix.length; i++) {
            for (int j = 0; j < matrix[i].length; j++) {
                turned[j][i] = matrix[i][j];
            }
        }
        return turned;
    }

    private static double[] sum(double[][] rows) {
        double[] sums = new double[rows[0].length];
        for (double[] row : rows) {
            for (int d = 0; d < row.length; d++) {
                sums[d] += row[d];
            }
        }
        return sums;
    }

    /** The projections of a layer in float64, around the reference of what is between them. */
    private static final class Reference {
        final ReferenceVectorQuant inner;
        final double[][] inWeight;
        final double[][] inBias;
        final double[][] outWeight;
        final double[][] outBias;

        Reference(ReferenceVectorQuant.Options options, VectorQuant layer) {
            inner = new ReferenceVectorQuant(options, values(layer, "codebook", LOOKUP));
            inWeight = values(layer, "projection.in.weight", FEATURES);
            inBias = values(layer, "projection.in.bias", LOOKUP);
            outWeight = values(layer, "projection.out.weight", LOOKUP);
            outBias = values(layer, "projection.out.bias", FEATURES);
        }

        private static double[][] values(VectorQuant layer, String name, int columns) {
            return LinearCodebookTest.matrix(
                    Backends.parameter(layer, name).value().toFloatArray(), columns);
        }

        double[][] in(double[][] z) {
            return mapped(z, inWeight, inBias[0]);
        }

        /** task(output) + alpha * loss with codes and stop-gradients as they are at {@code at}. */
        double objective(ReferenceVectorQuant.Forward at, double[][] z, double[][] g) {
            double[][] ofCodes = LinearCodebookTest.mapped(g, transposed(outWeight));
            double ofBias = 0;
            for (double[] row : g) {
                for (int d = 0; d < row.length; d++) {
                    ofBias += row[d] * outBias[0][d];
                }
            }
            // g.(W e + b) = (W' g).e + g.b
            return inner.objective(at, in(z), ofCodes, ALPHA, SAMPLES, true) + ofBias;
        }
    }

    private static final List<ReferenceVectorQuant.Options> OPTIONS = List.of(
            new ReferenceVectorQuant.Options(
                    Norm.NONE, CodebookNorm.NONE, 0, false, 1, 0.95, 0, GradientEstimator.STRAIGHT_THROUGH),
            new ReferenceVectorQuant.Options(
                    Norm.UNIT, CodebookNorm.UNIT, 0, false, 1, 0.25, 0.5, GradientEstimator.ROTATION),
            new ReferenceVectorQuant.Options(
                    Norm.BATCH, CodebookNorm.MAX_NORM, 2, false, 3, 0.5, 0, GradientEstimator.DIVEQ));

    private static VectorQuant layer(ReferenceVectorQuant.Options options, int dim, Backend backend) {
        VectorQuant layer = VectorQuant.builder(FEATURES, CODES)
                .lookupSize(LOOKUP)
                .dim(dim)
                .norm(options.norm())
                .codebookNorm(options.codebookNorm())
                .affineLr(options.affineLr())
                .affineGroups(options.affineGroups())
                .beta(options.beta())
                .syncNu(options.syncNu())
                .gradientEstimator(options.estimator())
                .backend(backend)
                .build();
        Backends.write(Backends.parameter(layer, "projection.in.bias"), normal(11, LOOKUP));
        Backends.write(Backends.parameter(layer, "projection.out.bias"), normal(12, FEATURES));
        return layer;
    }

    @ParameterizedTest
    @MethodSource("backends")
    void forwardAndGradientsAreThoseOfFloat64AndItsDifferences(Backend backend) {
        for (ReferenceVectorQuant.Options options : OPTIONS) {
            for (int axis : new int[] {1, 2}) {
                long[] shape = axis == 1
                        ? new long[] {SAMPLES, FEATURES, ROWS / SAMPLES}
                        : new long[] {SAMPLES, ROWS / SAMPLES, FEATURES};
                try (VectorQuant layer = layer(options, axis, backend)) {
                    compare(layer, options, new Layout(shape, axis));
                }
            }
        }
    }

    private static void compare(VectorQuant layer, ReferenceVectorQuant.Options options, Layout layout) {
        Reference reference = new Reference(options, layer);
        double[][] z = layout.rowsOf(normal(1, layout.size()));
        double[][] g = layout.rowsOf(normal(2, layout.size()));
        ReferenceVectorQuant.Forward nearest = reference.inner.forward(reference.in(z), SAMPLES, true);
        Tensor batch = Tensor.of(normal(1, layout.size()), layout.shape());
        try (Quantized q = layer.forward(batch);
                Gradients gradients = layer.backward(Tensor.of(normal(2, layout.size()), layout.shape()), ALPHA)) {
            ReferenceVectorQuant.Forward at =
                    reference.inner.withCodes(nearest, q.codes().toIntArray(), SAMPLES);
            assertEquals(nearest.loss(), at.loss(), 1e-5 * nearest.loss());
            assertEquals(at.loss(), q.loss(), 1e-5 * at.loss());
            double[][] e = Arrays.stream(at.codes())
                    .mapToObj(code -> at.effective()[code])
                    .toArray(double[][]::new);
            double[][] output = mapped(e, reference.outWeight, reference.outBias[0]);
            close("output", layout.valuesOf(output), q.output().toFloatArray());

            double[][] ofCodes = LinearCodebookTest.mapped(g, transposed(reference.outWeight));
            ReferenceVectorQuant.Gradient inner = reference.inner.backward(at, ofCodes, ALPHA, SAMPLES, true);
            List<double[][]> expected = new ArrayList<>(inner.parameters());
            expected.add(LinearCodebookTest.ofWeight(inner.input(), z));
            expected.add(new double[][] {sum(inner.input())});
            expected.add(LinearCodebookTest.ofWeight(g, e));
            expected.add(new double[][] {sum(g)});
            double[][] ofInput = LinearCodebookTest.mapped(inner.input(), transposed(reference.inWeight));
            close("z", layout.valuesOf(ofInput), gradients.input().toFloatArray());
            assertEquals(expected.size(), layer.parameters().size());
            for (int p = 0; p < expected.size(); p++) {
                String name = layer.parameters().get(p).name();
                float[] found = layer.parameters().get(p).gradient().toFloatArray();
                if (options.norm() == Norm.BATCH && name.equals("projection.in.bias")) {
                    // The norm takes the mean away: the gradient is zero, by cancellation.
                    assertArrayEquals(new float[LOOKUP], found, 1e-4f);
                } else {
                    close(name, ReferenceVectorQuant.flat(expected.get(p)), found);
                }
            }
            List<double[][]> values = new ArrayList<>(reference.inner.parameters());
            values.addAll(List.of(reference.inWeight, reference.inBias, reference.outWeight, reference.outBias, z));
            expected.add(ofInput);
            for (int p = 0; p < expected.size(); p++) {
                differences(reference, at, z, g, values.get(p), expected.get(p), "parameter " + p);
            }
        }
    }

    private static void differences(
            Reference reference,
            ReferenceVectorQuant.Forward at,
            double[][] z,
            double[][] g,
            double[][] values,
            double[][] gradient,
            String what) {
        double step = 1e-5;
        for (int i = 0; i < values.length * values[0].length; i += 1 + values.length * values[0].length / 12) {
            double[] row = values[i / values[0].length];
            int d = i % values[0].length;
            double value = row[d];
            row[d] = value + step;
            double above = reference.objective(at, z, g);
            row[d] = value - step;
            double below = reference.objective(at, z, g);
            row[d] = value;
            double difference = (above - below) / (2 * step);
            assertEquals(difference, gradient[i / values[0].length][d], 1e-5 * Math.max(1, Math.abs(difference)), what);
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void theProjectionsStartByKeepingTheSizeOfRows(Backend backend) {
        try (VectorQuant layer =
                VectorQuant.builder(256, 8).lookupSize(64).backend(backend).build()) {
            assertEquals(
                    "[codebook [8, 64], projection.in.weight [64, 256], projection.in.bias [64],"
                            + " projection.out.weight [256, 64], projection.out.bias [256]]",
                    layer.parameters().toString());
            for (String name : List.of("in", "out")) {
                Tensor weight = Backends.parameter(layer, "projection." + name + ".weight")
                        .value();
                double square = 0;
                for (float value : weight.toFloatArray()) {
                    square += value * value / weight.size(0);
                }
                assertEquals(1, square, 0.05, name);
                for (float value : Backends.parameter(layer, "projection." + name + ".bias")
                        .value()
                        .toFloatArray()) {
                    assertEquals(0, value);
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void codesAreDecodedAndFrozenToTheBitsOfTheOutput(Backend backend) {
        Tensor z = Tensor.of(normal(3, ROWS * FEATURES), ROWS, FEATURES);
        List<QuantizerBuilder<?>> builders = List.of(
                VectorQuant.builder(FEATURES, 20).lookupSize(4).kmeansInit(true).replaceFreq(1),
                VectorQuant.builder(FEATURES, 20).lookupSize(20).linearCodebook(true),
                GroupVectorQuant.builder(FEATURES, 20, 2).lookupSize(6).ema(0.9),
                GroupVectorQuant.builder(FEATURES, 20, 5).lookupSize(5).share(true),
                ResidualVectorQuant.builder(FEATURES, 30, 3).lookupSize(4).beamWidth(2));
        for (QuantizerBuilder<?> builder : builders) {
            try (Quantizer layer = builder.dim(-1).backend(backend).build()) {
                layer.forward(z).close();
                try (Quantized q = layer.eval().forward(z);
                        FrozenQuantizer frozen = layer.freeze()) {
                    assertArrayEquals(new long[] {ROWS, FEATURES}, q.output().shape());
                    float[] output = q.output().toFloatArray();
                    assertArrayEquals(q.codes().toIntArray(), layer.encode(z).toIntArray());
                    assertArrayEquals(output, layer.decode(q.codes()).toFloatArray());
                    assertArrayEquals(q.codes().toIntArray(), frozen.encode(z).toIntArray());
                    assertArrayEquals(output, frozen.decode(q.codes()).toFloatArray());
                }
            }
        }
    }

    /** Stages and groups are between one pair of projections: the output is a map of the sum of what they give. */
    @ParameterizedTest
    @MethodSource("backends")
    void oneProjectionIsAroundAllStages(Backend backend) {
        float[] z = normal(4, 50 * FEATURES);
        try (ResidualVectorQuant layer = ResidualVectorQuant.builder(FEATURES, 30, 3)
                        .dim(-1)
                        .lookupSize(4)
                        .backend(backend)
                        .build();
                ResidualVectorQuant inner = ResidualVectorQuant.builder(4, 30, 3)
                        .dim(-1)
                        .backend(backend)
                        .build()) {
            double[][] inWeight = LinearCodebookTest.matrix(
                    Backends.parameter(layer, "projection.in.weight").value().toFloatArray(), FEATURES);
            double[][] outWeight = LinearCodebookTest.matrix(
                    Backends.parameter(layer, "projection.out.weight").value().toFloatArray(), 4);
            float[] y = ReferenceVectorQuant.floats(ReferenceVectorQuant.flat(
                    LinearCodebookTest.mapped(LinearCodebookTest.matrix(z, FEATURES), inWeight)));
            try (Quantized q = layer.forward(Tensor.of(z, 50, FEATURES));
                    Quantized expected = inner.forward(Tensor.of(y, 50, 4))) {
                assertArrayEquals(expected.codes().toIntArray(), q.codes().toIntArray());
                assertEquals(expected.loss(), q.loss(), 1e-5 * expected.loss());
                double[][] e = LinearCodebookTest.matrix(expected.output().toFloatArray(), 4);
                close(
                        "output",
                        ReferenceVectorQuant.flat(LinearCodebookTest.mapped(e, outWeight)),
                        q.output().toFloatArray());
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void gradientsMayLieInTheMemoryOfTheTasksAndTheTaskMayHaveNone(Backend backend) {
        Tensor z = Tensor.of(normal(5, ROWS * FEATURES), ROWS, FEATURES);
        float[] g = normal(6, ROWS * FEATURES);
        try (VectorQuant layer = layer(OPTIONS.get(0), -1, backend)) {
            layer.forward(z).close();
            float[] apart;
            try (Gradients gradients = layer.backward(Tensor.of(g, ROWS, FEATURES), ALPHA)) {
                apart = gradients.input().toFloatArray();
            }
            layer.forward(z).close();
            Tensor inPlace = Tensor.of(g.clone(), ROWS, FEATURES);
            layer.backward(inPlace, ALPHA, inPlace).close();
            assertArrayEquals(apart, inPlace.toFloatArray());

            layer.forward(z).close();
            layer.backward(null, ALPHA).close();
            for (String name : List.of("projection.out.weight", "projection.out.bias")) {
                for (float value : Backends.parameter(layer, name).gradient().toFloatArray()) {
                    assertEquals(0, value);
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void badRowsAreNamed(Backend backend) {
        float[] z = normal(7, ROWS * FEATURES);
        float[] g = normal(8, ROWS * FEATURES);
        try (VectorQuant layer = layer(OPTIONS.get(0), -1, backend)) {
            layer.forward(Tensor.of(z, ROWS, FEATURES)).close();
            g[77 * FEATURES + 3] = Float.NaN;
            NotFiniteException ofGradient =
                    assertThrows(NotFiniteException.class, () -> layer.backward(Tensor.of(g, ROWS, FEATURES), ALPHA));
            assertEquals("gradient", ofGradient.tensor());
            assertEquals(77, ofGradient.row());
            z[101 * FEATURES] = Float.POSITIVE_INFINITY;
            NotFiniteException ofRow =
                    assertThrows(NotFiniteException.class, () -> layer.forward(Tensor.of(z, ROWS, FEATURES)));
            assertEquals("z", ofRow.tensor());
            assertEquals(101, ofRow.row());
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void badRowsUnderAMaskHaveTheirNumberInTheInput(Backend backend) {
        boolean[] mask = new boolean[ROWS];
        Arrays.fill(mask, 50, 120, true);
        float[] z = normal(9, ROWS * FEATURES);
        z[101 * FEATURES] = Float.NaN;
        z[7] = Float.NaN;
        try (VectorQuant layer = layer(OPTIONS.get(0), -1, backend)) {
            NotFiniteException failure = assertThrows(
                    NotFiniteException.class,
                    () -> layer.forward(Tensor.of(z, ROWS, FEATURES), RowMask.of(mask, ROWS)));
            assertEquals("z", failure.tensor());
            assertEquals(101, failure.row());
        }
    }

    @Test
    void sizesThatDoNotFitAreRefused() {
        refused(() -> VectorQuant.builder(8, 4).lookupSize(-1), "lookupSize", "-1");
        refused(() -> GroupVectorQuant.builder(8, 4, 2).lookupSize(5).build(), "groups", "lookupSize = 5");
        refused(() -> VectorQuant.builder(32, 4).lookupSize(8).norm(Norm.GROUP).build(), "lookupSize", "norm GROUP");
        refused(
                () -> VectorQuant.builder(100_000, 4).lookupSize(100_000).build(),
                "featureSize * lookupSize",
                "100000");
        // The features of groups are those between the projections.
        GroupVectorQuant.builder(7, 4, 2).lookupSize(6).build().close();
    }

    @Test
    void theReferencePackageHasNoPlaceForIt() {
        try (VectorQuant layer = VectorQuant.builder(8, 4).lookupSize(2).build()) {
            String message = assertThrows(
                            IllegalArgumentException.class, () -> ReferenceStateDict.save(Path.of("never"), "", layer))
                    .getMessage();
            assertTrue(message.contains("lookupSize = 2"), message);
        }
    }
}
