package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Random;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;

/** The optimisers against PyTorch's formulas in float64, and what they do with replaced codes. */
class OptimizerTest {
    private static final int FEATURES = 5;
    private static final int CODES = 7;

    /** One element's trajectory: from the gradients of all steps to the parameter after them. */
    private interface Formula {
        double apply(double start, double[] gradients);
    }

    @Test
    void sgd() {
        check(Optimizer.sgd(0.5), (p, gradients) -> {
            for (double g : gradients) {
                p -= 0.5 * g;
            }
            return p;
        });
    }

    @Test
    void sgdWithMomentum() {
        check(Optimizer.sgd(0.5, 0.9), (p, gradients) -> {
            double v = 0;
            for (double g : gradients) {
                v = 0.9 * v + g;
                p -= 0.5 * v;
            }
            return p;
        });
    }

    @Test
    void adam() {
        check(Optimizer.adam(1e-2), (p, gradients) -> adamSteps(p, gradients, 1e-2, 0.9, 0.999, 1e-8, 0));
    }

    @Test
    void adamWithOtherBetasAndEpsilon() {
        check(
                Optimizer.adam(1e-2).betas(0.5, 0.7).epsilon(1e-3),
                (p, gradients) -> adamSteps(p, gradients, 1e-2, 0.5, 0.7, 1e-3, 0));
    }

    @Test
    void adamW() {
        check(Optimizer.adamW(1e-2, 0.3), (p, gradients) -> adamSteps(p, gradients, 1e-2, 0.9, 0.999, 1e-8, 0.3));
        check(Optimizer.adamW(1e-2), (p, gradients) -> adamSteps(p, gradients, 1e-2, 0.9, 0.999, 1e-8, 0.01));
    }

    @Test
    void theLearningRateCanChangeBetweenSteps() {
        for (Backend backend : Backends.all()) {
            try (VectorQuant layer = layer(backend, builder -> builder);
                    Optimizer optimizer = Optimizer.sgd(1)) {
                backward(layer, 1);
                float[] before = layer.codebook().toFloatArray();
                optimizer.setLearningRate(0);
                optimizer.step(layer);
                assertArrayEquals(before, layer.codebook().toFloatArray());
                assertEquals(0, optimizer.learningRate());
            }
        }
    }

    /** Each parameter has its own state and count of steps, whatever else the optimiser has stepped. */
    @Test
    void servesSeveralLayers() {
        try (VectorQuant other = layer(Backend.cpu(), builder -> builder);
                VectorQuant sharing = layer(Backend.cpu(), builder -> builder);
                VectorQuant alone = layer(Backend.cpu(), builder -> builder);
                Optimizer shared = Optimizer.adam(1e-2);
                Optimizer own = Optimizer.adam(1e-2)) {
            for (int step = 0; step < 3; step++) {
                backward(other, step);
                shared.step(other);
            }
            backward(sharing, 9);
            shared.step(sharing);
            backward(alone, 9);
            own.step(alone);
            assertArrayEquals(
                    alone.codebook().toFloatArray(), sharing.codebook().toFloatArray());
        }
    }

    /** A replaced code starts afresh: without a gradient it stays where it was put, whatever its moments were. */
    @Test
    void theStateOfAReplacedCodeIsCleared() {
        for (Backend backend : Backends.all()) {
            try (VectorQuant layer = layer(backend, builder -> builder.replaceFreq(2));
                    Optimizer optimizer = Optimizer.adam(0.1)) {
                int code = 3;
                trainOn(layer, optimizer, code, 1);
                // Others from now on: the code dies with the second unused batch.
                trainOn(layer, optimizer, 0, 2);
                assertTrue(Arrays.stream(layer.replacedCodes()).noneMatch(k -> k == code), "still alive");
                float[] moving = row(layer, code);
                Tensor z = Tensor.of(row(layer, 0), 1, FEATURES);
                layer.forward(z).close();
                assertTrue(Arrays.stream(layer.replacedCodes()).anyMatch(k -> k == code), "replaced");
                float[] replaced = row(layer, code);
                assertNotEquals(moving[0], replaced[0]);
                layer.backward(null, 1).close();
                optimizer.step(layer);
                assertArrayEquals(replaced, row(layer, code), "without state and gradient it stays");
            }
        }
    }

    @Test
    void stepBeforeBackwardIsRefusedAndChangesNothing() {
        try (VectorQuant layer = layer(Backend.cpu(), builder -> builder);
                Optimizer optimizer = Optimizer.sgd(1)) {
            float[] before = layer.codebook().toFloatArray();
            String message = assertThrows(IllegalStateException.class, () -> optimizer.step(layer))
                    .getMessage();
            assertTrue(message.contains("codebook") && message.contains("backward"), message);
            assertArrayEquals(before, layer.codebook().toFloatArray());
        }
    }

    @Test
    void useAfterCloseIsRefused() {
        VectorQuant layer = layer(Backend.cpu(), builder -> builder);
        Optimizer optimizer = Optimizer.adam(1);
        backward(layer, 1);
        optimizer.step(layer);
        optimizer.close();
        optimizer.close();
        assertThrows(IllegalStateException.class, () -> optimizer.step(layer));
        layer.close();
        try (Optimizer other = Optimizer.sgd(1)) {
            assertThrows(IllegalStateException.class, () -> other.step(layer));
        }
    }

    @Test
    void badHyperparametersAreRefused() {
        assertTrue(assertThrows(IllegalArgumentException.class, () -> Optimizer.sgd(-1))
                .getMessage()
                .contains("learningRate"));
        assertThrows(IllegalArgumentException.class, () -> Optimizer.sgd(Double.NaN));
        assertThrows(IllegalArgumentException.class, () -> Optimizer.sgd(1, 1));
        assertThrows(IllegalArgumentException.class, () -> Optimizer.adam(1).betas(1, 0.9));
        assertThrows(IllegalArgumentException.class, () -> Optimizer.adam(1).epsilon(-1));
        assertThrows(IllegalArgumentException.class, () -> Optimizer.adamW(1, -0.1));
    }

    private static double adamSteps(
            double p, double[] gradients, double rate, double beta1, double beta2, double epsilon, double decay) {
        double m = 0;
        double v = 0;
        for (int t = 1; t <= gradients.length; t++) {
            double g = gradients[t - 1];
            p -= rate * decay * p;
            m = beta1 * m + (1 - beta1) * g;
            v = beta2 * v + (1 - beta2) * g * g;
            p -= rate * (m / (1 - Math.pow(beta1, t))) / (Math.sqrt(v / (1 - Math.pow(beta2, t))) + epsilon);
        }
        return p;
    }

    private static void check(Optimizer optimizer, Formula formula) {
        try (optimizer) {
            for (Backend backend : Backends.all()) {
                try (VectorQuant layer = layer(backend, builder -> builder.affineLr(2))) {
                    int count = layer.parameters().size();
                    float[][] start = new float[count][];
                    float[][][] gradients = new float[count][5][];
                    for (int p = 0; p < count; p++) {
                        start[p] = layer.parameters().get(p).value().toFloatArray();
                    }
                    for (int step = 0; step < 5; step++) {
                        backward(layer, step);
                        for (int p = 0; p < count; p++) {
                            gradients[p][step] =
                                    layer.parameters().get(p).gradient().toFloatArray();
                        }
                        optimizer.step(layer);
                    }
                    for (int p = 0; p < count; p++) {
                        compare(layer.parameters().get(p), start[p], gradients[p], formula);
                    }
                }
            }
        }
    }

    private static void compare(Parameter parameter, float[] start, float[][] gradients, Formula formula) {
        float[] found = parameter.value().toFloatArray();
        for (int i = 0; i < found.length; i++) {
            int element = i;
            double[] own = Arrays.stream(gradients).mapToDouble(g -> g[element]).toArray();
            double expected = formula.apply(start[i], own);
            assertEquals(expected, found[i], 1e-5 * Math.max(1, Math.abs(expected)), parameter + " at " + i);
        }
    }

    private static VectorQuant layer(Backend backend, UnaryOperator<VectorQuant.Builder> options) {
        return options.apply(
                        VectorQuant.builder(FEATURES, CODES).dim(-1).seed(3).backend(backend))
                .build();
    }

    private static void backward(VectorQuant layer, int seed) {
        float[] z = normal(seed, 30 * FEATURES);
        layer.forward(Tensor.of(z, 30, FEATURES)).close();
        layer.backward(Tensor.of(normal(seed + 100, 30 * FEATURES), 30, FEATURES), 10)
                .close();
    }

    /** Steps on a batch of one row, the given code plus an offset, which that code is the nearest of. */
    private static void trainOn(VectorQuant layer, Optimizer optimizer, int code, int seed) {
        float[] z = row(layer, code);
        z[seed % FEATURES] += 0.1f;
        try (Quantized q = layer.forward(Tensor.of(z, 1, FEATURES))) {
            assertEquals(code, q.codes().toIntArray()[0]);
        }
        layer.backward(null, 1).close();
        optimizer.step(layer);
    }

    private static float[] row(VectorQuant layer, int code) {
        return Arrays.copyOfRange(layer.codebook().toFloatArray(), code * FEATURES, (code + 1) * FEATURES);
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
