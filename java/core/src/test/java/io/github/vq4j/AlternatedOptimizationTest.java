package io.github.vq4j;

import static io.github.vq4j.GroupVectorQuantTest.normal;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.function.Supplier;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Alternated optimisation inside the forward: steps of the codebook along the gradient of mean((e - sg(z))^2). */
class AlternatedOptimizationTest {
    private static final int ROWS = 200;
    private static final int FEATURES = 6;
    private static final int CODES = 24;

    static List<Backend> backends() {
        return Backends.all();
    }

    private static Tensor batch(long seed) {
        return Tensor.of(normal(seed, ROWS * FEATURES), ROWS, FEATURES);
    }

    private static VectorQuant.Builder builder(Backend backend) {
        return VectorQuant.builder(FEATURES, CODES).dim(-1).backend(backend);
    }

    @ParameterizedTest
    @MethodSource("backends")
    void oneStepFollowsTheGradientThroughTheAffine(Backend backend) {
        double rate = 30;
        double affineLr = 2;
        try (VectorQuant layer = builder(backend)
                .affineLr(affineLr)
                .syncNu(1)
                .alternated(Optimizer.sgd(rate), 1, false)
                .build()) {
            float[] a = normal(1, FEATURES);
            for (int d = 0; d < FEATURES; d++) {
                a[d] *= 0.1f;
            }
            Backends.write(Backends.parameter(layer, "affine.scale"), a);
            float[] before = layer.codebook().toFloatArray();
            float[] effective = layer.effectiveCodebook().toFloatArray();
            Tensor z = batch(2);
            int[] nearest = layer.encode(z).toIntArray();
            try (Quantized q = layer.forward(z)) {
                assertArrayEquals(nearest, q.codes().toIntArray(), "the codes are those before the step");
                double[] expected = new double[before.length];
                for (int i = 0; i < before.length; i++) {
                    expected[i] = before[i];
                }
                float[] rows = z.toFloatArray();
                for (int i = 0; i < rows.length; i++) {
                    int at = nearest[i / FEATURES] * FEATURES + i % FEATURES;
                    double gradient = 2.0 / rows.length * (effective[at] - rows[i]);
                    expected[at] -= rate * (1 + affineLr * a[i % FEATURES]) * gradient;
                }
                float[] after = layer.codebook().toFloatArray();
                for (int i = 0; i < after.length; i++) {
                    assertEquals(expected[i], after[i], 1e-5);
                }
                // The output comes from the updated codebook, moved by the same affine.
                float[] output = q.output().toFloatArray();
                float[] updated = layer.effectiveCodebook().toFloatArray();
                for (int i = 0; i < output.length; i++) {
                    assertEquals(updated[nearest[i / FEATURES] * FEATURES + i % FEATURES], output[i]);
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void moreStepsLowerTheLossInEveryLayer(Backend backend) {
        List<Supplier<QuantizerBuilder<?>>> layers = List.of(
                () -> VectorQuant.builder(FEATURES, CODES),
                () -> GroupVectorQuant.builder(FEATURES, CODES, 2),
                () -> GroupVectorQuant.builder(FEATURES, CODES, 2).share(true),
                () -> ResidualVectorQuant.builder(FEATURES, CODES, 2));
        for (Supplier<QuantizerBuilder<?>> kind : layers) {
            double previous = Double.MAX_VALUE;
            for (int steps : new int[] {0, 1, 4, 16}) {
                QuantizerBuilder<?> builder =
                        kind.get().dim(-1).affineLr(1).syncNu(0.5).backend(backend);
                if (steps > 0) {
                    builder.alternated(Optimizer.adam(0.02), steps, true);
                }
                try (Quantizer layer = build(builder);
                        Quantized q = layer.forward(batch(3))) {
                    assertTrue(q.loss() < previous, layer + " after " + steps + " steps: " + q.loss());
                    previous = q.loss();
                }
            }
        }
    }

    /** With a codebook norm each step leaves from the projected codebook, in whichever forward. */
    @ParameterizedTest
    @MethodSource("backends")
    void stepsOfOneForwardAreThoseOfAsManyForwards(Backend backend) {
        Tensor z = batch(3);
        for (CodebookNorm norm : CodebookNorm.values()) {
            try (VectorQuant once = single(backend, norm, 3);
                    VectorQuant often = single(backend, norm, 1)) {
                once.forward(z).close();
                for (int step = 0; step < 3; step++) {
                    often.forward(z).close();
                }
                // What is projected once more may differ in its last bit.
                assertArrayEquals(
                        often.effectiveCodebook().toFloatArray(),
                        once.effectiveCodebook().toFloatArray(),
                        1e-6f);
            }
        }
    }

    /** Of one code, to which all rows belong whatever it is. */
    private static VectorQuant single(Backend backend, CodebookNorm norm, int steps) {
        VectorQuant layer = VectorQuant.builder(FEATURES, 1)
                .dim(-1)
                .codebookNorm(norm)
                .alternated(Optimizer.sgd(2, 0.9), steps, false)
                .backend(backend)
                .build();
        layer.setCodebook(Tensor.of(new float[] {9, -9, 9, -9, 9, -9}, 1, FEATURES));
        return layer;
    }

    @ParameterizedTest
    @MethodSource("backends")
    void reassignmentGivesTheNearestOfTheUpdatedCodes(Backend backend) {
        try (VectorQuant layer =
                        builder(backend).alternated(Optimizer.sgd(200), 1, true).build();
                Quantized q = layer.forward(batch(4))) {
            layer.eval();
            assertArrayEquals(layer.encode(batch(4)).toIntArray(), q.codes().toIntArray());
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void gradientsOfTheInnerStepReachNobodyElse(Backend backend) {
        try (VectorQuant layer = builder(backend)
                .affineLr(2)
                .alternated(Optimizer.adamW(0.1), 2, false)
                .build()) {
            layer.forward(batch(5)).close();
            layer.backward(null, 1).close();
            List<float[]> gradients = layer.parameters().stream()
                    .map(each -> each.gradient().toFloatArray())
                    .toList();
            float[] bias = Backends.parameter(layer, "affine.bias").value().toFloatArray();
            layer.forward(batch(6)).close();
            for (int i = 0; i < gradients.size(); i++) {
                assertArrayEquals(
                        gradients.get(i), layer.parameters().get(i).gradient().toFloatArray());
            }
            assertArrayEquals(
                    bias, Backends.parameter(layer, "affine.bias").value().toFloatArray());
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void inferenceTakesNoStep(Backend backend) {
        try (VectorQuant layer =
                builder(backend).alternated(Optimizer.sgd(10), 1, false).build()) {
            layer.eval();
            float[] before = layer.codebook().toFloatArray();
            layer.forward(batch(7)).close();
            layer.encode(batch(7)).close();
            assertArrayEquals(before, layer.codebook().toFloatArray());
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void aForwardThatFailsLeavesCodebookAndMomentumAsTheyWere(Backend backend) {
        float[][] results = new float[2][];
        for (int run = 0; run < 2; run++) {
            try (GroupVectorQuant layer = GroupVectorQuant.builder(FEATURES, CODES, 2)
                    .dim(-1)
                    .alternated(Optimizer.sgd(5, 0.9), 2, false)
                    .backend(backend)
                    .build()) {
                layer.forward(batch(8)).close();
                if (run == 1) {
                    float[] bad = normal(9, ROWS * FEATURES);
                    bad[7 * FEATURES + 5] = Float.NaN; // in the second group: the first has made its steps by then
                    NotFiniteException failure =
                            assertThrows(NotFiniteException.class, () -> layer.forward(Tensor.of(bad, ROWS, FEATURES)));
                    assertEquals(7, failure.row());
                }
                layer.forward(batch(10)).close();
                results[run] = layer.codebook(0).toFloatArray();
            }
        }
        assertArrayEquals(results[0], results[1]);
    }

    @ParameterizedTest
    @MethodSource("backends")
    void theMomentumOfAReplacedCodeStartsAnew(Backend backend) {
        // One feature, two codes; the far one is replaced at once and then moves without the momentum it had.
        try (VectorQuant layer = VectorQuant.builder(1, 2)
                .dim(-1)
                .replaceFreq(1)
                .alternated(Optimizer.sgd(0.5, 0.9), 1, false)
                .backend(backend)
                .build()) {
            layer.setCodebook(Tensor.of(new float[] {0, 10}, 2, 1));
            layer.forward(Tensor.of(new float[] {1, 1, 14, 14}, 4, 1)).close();
            float[] moved = layer.codebook().toFloatArray();
            assertFalse(Arrays.equals(new float[] {0, 10}, moved));
            layer.forward(Tensor.of(new float[] {1, 1, 1, 1}, 4, 1)).close();
            assertArrayEquals(new int[] {1}, layer.replacedCodes());
            layer.setCodebook(Tensor.of(new float[] {1, 20}, 2, 1));
            layer.forward(Tensor.of(new float[] {20, 20, 20, 20}, 4, 1)).close();
            assertEquals(20, layer.codebook().toFloatArray()[1]);
        }
    }

    private static Quantizer build(QuantizerBuilder<?> builder) {
        if (builder instanceof GroupVectorQuant.Builder group) {
            return group.build();
        }
        if (builder instanceof ResidualVectorQuant.Builder residual) {
            return residual.build();
        }
        return ((VectorQuant.Builder) builder).build();
    }
}
