package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What lookup-free quantization does besides its formulas, and what it refuses. */
class LookupFreeQuantTest {
    static List<Backend> backends() {
        return Backends.all();
    }

    @ParameterizedTest
    @MethodSource("backends")
    void aBitIsOneAboveZero(Backend backend) {
        try (LookupFreeQuant layer =
                LookupFreeQuant.builder(3).dim(-1).backend(backend).build()) {
            float[] z = {1, -2, 3, 0, -0f, 1e-30f};
            try (LookupFreeQuantized q = layer.forward(Tensor.of(z, 2, 3))) {
                assertArrayEquals(new int[] {0b101, 0b100}, q.codes().toIntArray());
                assertArrayEquals(new float[] {1, -1, 1, -1, -1, 1}, q.output().toFloatArray());
                assertEquals(2, q.activeCodes());
                assertEquals(2, q.perplexity(), 1e-12);
                // (1 - 1)^2, (-2 + 1)^2, (3 - 1)^2; 1, 1 and 1 for the second row.
                assertEquals((0 + 1 + 4 + 1 + 1 + 1) / 6.0, q.commitmentLoss(), 1e-12);
            }
            assertEquals(8, layer.numCodes());
            assertEquals(1, layer.scale());
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void sphericalOutputsHaveLengthOneAndNotTheInputs(Backend backend) {
        try (LookupFreeQuant layer = LookupFreeQuant.builder(18)
                .spherical(true)
                .dim(-1)
                .backend(backend)
                .build()) {
            float[] z = normal(1, 5 * 18);
            float[] longer = z.clone();
            for (int i = 0; i < z.length; i++) {
                longer[i] *= 64;
            }
            try (LookupFreeQuantized q = layer.forward(Tensor.of(z, 5, 18));
                    LookupFreeQuantized same = layer.forward(Tensor.of(longer, 5, 18))) {
                float[] output = q.output().toFloatArray();
                for (int n = 0; n < 5; n++) {
                    double squared = 0;
                    for (int d = 0; d < 18; d++) {
                        squared += (double) output[n * 18 + d] * output[n * 18 + d];
                    }
                    assertEquals(1, squared, 1e-6);
                }
                assertArrayEquals(output, same.output().toFloatArray());
                assertEquals(q.loss(), same.loss(), 1e-6);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void thirtyOneBitsUseAllOfAnInt(Backend backend) {
        try (LookupFreeQuant layer =
                LookupFreeQuant.builder(31).dim(-1).backend(backend).build()) {
            float[] z = new float[2 * 31];
            Arrays.fill(z, 31, 62, 1f);
            try (LookupFreeQuantized q = layer.forward(Tensor.of(z, 2, 31));
                    Tensor decoded = layer.decode(q.codes())) {
                assertArrayEquals(new int[] {0, Integer.MAX_VALUE}, q.codes().toIntArray());
                assertArrayEquals(q.output().toFloatArray(), decoded.toFloatArray());
                assertEquals(1L << 31, layer.numCodes());
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void entropiesTellCertainRowsAndUsedCodesApart(Backend backend) {
        try (LookupFreeQuant layer =
                LookupFreeQuant.builder(1).dim(-1).backend(backend).build()) {
            try (LookupFreeQuantized collapsed = layer.forward(Tensor.of(new float[] {1, 1, 1, 1}, 4, 1));
                    LookupFreeQuantized spread = layer.forward(Tensor.of(new float[] {1, -1, 1, -1}, 4, 1));
                    LookupFreeQuantized unsure = layer.forward(Tensor.of(new float[] {0, 0, 0, 0}, 4, 1))) {
                assertEquals(0, collapsed.sampleEntropy(), 1e-12);
                assertEquals(0, collapsed.batchEntropy(), 1e-12);
                assertEquals(0, spread.sampleEntropy(), 1e-12);
                assertEquals(Math.log(2), spread.batchEntropy(), 1e-12);
                assertEquals(Math.log(2), unsure.sampleEntropy(), 1e-12);
                assertEquals(Math.log(2), unsure.batchEntropy(), 1e-12);
                assertEquals(-0.1 * Math.log(2), spread.loss(), 1e-12);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void stepsAlongTheGradientLowerTheLoss(Backend backend) {
        for (boolean spherical : new boolean[] {false, true}) {
            try (LookupFreeQuant layer = LookupFreeQuant.builder(6)
                    .spherical(spherical)
                    .inverseTemperature(spherical ? 6 : 1)
                    .entropyWeight(1)
                    .dim(-1)
                    .backend(backend)
                    .build()) {
                float[] z = normal(2, 300 * 6);
                double before = Double.POSITIVE_INFINITY;
                for (int step = 0; step < 5; step++) {
                    try (LookupFreeQuantized q = layer.forward(Tensor.of(z, 300, 6));
                            Gradients gradients = layer.backward(null, 1)) {
                        assertTrue(q.loss() < before, q.loss() + " after " + before);
                        before = q.loss();
                        float[] gradient = gradients.input().toFloatArray();
                        for (int i = 0; i < z.length; i++) {
                            z[i] -= 20 * gradient[i];
                        }
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void outputAndGradientGoIntoTheCallersMemory(Backend backend) {
        for (boolean spherical : new boolean[] {false, true}) {
            try (LookupFreeQuant layer = LookupFreeQuant.builder(3)
                    .spherical(spherical)
                    .backend(backend)
                    .build()) {
                Tensor z = Tensor.of(normal(3, 2 * 3 * 7), 2, 3, 7);
                float[] output = new float[2 * 3 * 7];
                float[] gradient = normal(4, 2 * 3 * 7);
                try (LookupFreeQuantized expected = layer.forward(z);
                        Gradients expectedGradient = layer.backward(Tensor.of(gradient, 2, 3, 7), 2)) {
                    layer.forward(z, Tensor.of(output, 2, 3, 7)).close();
                    Tensor inPlace = Tensor.of(gradient, 2, 3, 7);
                    layer.backward(inPlace, 2, inPlace).close();
                    assertArrayEquals(expected.output().toFloatArray(), output);
                    assertArrayEquals(expectedGradient.input().toFloatArray(), gradient);
                }
            }
        }
    }

    @Test
    void theModeChangesNoResult() {
        try (LookupFreeQuant layer =
                LookupFreeQuant.builder(3).backend(Backend.cpu()).build()) {
            Tensor z = Tensor.of(normal(5, 42), 2, 3, 7);
            double loss = layer.forward(z).loss();
            assertTrue(layer.isTraining());
            assertSame(layer, layer.eval());
            assertFalse(layer.isTraining());
            assertEquals(loss, layer.forward(z).loss());
            assertTrue(layer.train().isTraining());
        }
    }

    // ---- refusals ----------------------------------------------------------------------------------------------

    @Test
    void optionsOutOfRange() {
        refused(() -> LookupFreeQuant.builder(0), "featureSize <= 31", "0");
        refused(() -> LookupFreeQuant.builder(32), "featureSize <= 31", "32");
        refused(() -> LookupFreeQuant.builder(3).inverseTemperature(0), "inverseTemperature", "0.0");
        refused(() -> LookupFreeQuant.builder(3).inverseTemperature(Double.NaN), "inverseTemperature", "NaN");
        refused(() -> LookupFreeQuant.builder(3).commitmentWeight(-1), "commitmentWeight", "-1.0");
        refused(() -> LookupFreeQuant.builder(3).entropyWeight(Double.NaN), "entropyWeight", "NaN");
        refused(() -> LookupFreeQuant.builder(3).diversityGamma(-0.5), "diversityGamma", "-0.5");
    }

    @Test
    void tensorsThatDoNotFit() {
        try (LookupFreeQuant layer =
                LookupFreeQuant.builder(2).backend(Backend.cpu()).build()) {
            refused(() -> layer.forward(floats(2, 3)), "featureSize = 2 on axis 1", "[2, 3]");
            refused(() -> layer.encode(floats(0, 2)), "at least one row", "[0, 2]");
            layer.forward(floats(3, 2)).close();
            refused(() -> layer.backward(floats(2, 3), 1), "gradOutput", "[3, 2]", "[2, 3]");
            refused(() -> layer.backward(null, 1, floats(2, 3)), "gradInput", "[3, 2]", "[2, 3]");
            refused(() -> layer.backward(null, Double.NaN), "alpha", "NaN");
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void codesOutOfRange(Backend backend) {
        try (LookupFreeQuant layer = LookupFreeQuant.builder(2).backend(backend).build()) {
            refused(() -> layer.decode(Tensor.of(new int[] {0, 3, 4}, 3)), "code 4 of row 2", "< 4");
            refused(() -> layer.decode(Tensor.of(new int[] {0, -1}, 2)), "code -1 of row 1");
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void valuesThatAreNotFinite(Backend backend) {
        for (boolean spherical : new boolean[] {false, true}) {
            for (float value : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
                try (LookupFreeQuant layer = LookupFreeQuant.builder(2)
                        .spherical(spherical)
                        .backend(backend)
                        .build()) {
                    float[] good = normal(6, 3 * 2 * 50);
                    float[] bad = good.clone();
                    bad[(1 * 2 + 1) * 50 + 27] = value;
                    bad[(2 * 2) * 50] = value;
                    layer.forward(Tensor.of(good, 3, 2, 50)).close();
                    for (Executable use : List.<Executable>of(
                            () -> layer.forward(Tensor.of(bad, 3, 2, 50)),
                            () -> layer.encode(Tensor.of(bad, 3, 2, 50)))) {
                        NotFiniteException exception = assertThrows(NotFiniteException.class, use);
                        assertEquals("z", exception.tensor());
                        assertEquals(77, exception.row());
                    }
                    NotFiniteException exception =
                            assertThrows(NotFiniteException.class, () -> layer.backward(Tensor.of(bad, 3, 2, 50), 1));
                    assertEquals("gradient", exception.tensor());
                    assertEquals(77, exception.row());
                    // The pending backward has survived all of them.
                    layer.backward(Tensor.of(good, 3, 2, 50), 1).close();
                }
            }
        }
    }

    @Test
    void callsOutOfOrder() {
        LookupFreeQuant layer =
                LookupFreeQuant.builder(2).backend(Backend.cpu()).build();
        refusedNow(() -> layer.backward(null, 1), "backward needs a forward");
        layer.forward(floats(3, 2)).close();
        layer.backward(null, 1).close();
        refusedNow(() -> layer.backward(null, 1), "backward needs a forward");
        layer.close();
        layer.close();
        for (Executable use : List.<Executable>of(
                () -> layer.forward(floats(3, 2)),
                () -> layer.backward(null, 1),
                () -> layer.encode(floats(3, 2)),
                () -> layer.decode(Tensor.of(new int[1], 1)),
                layer::train,
                layer::eval)) {
            refusedNow(use, "LookupFreeQuant of 2 bits on cpu is closed");
        }
    }

    private static void refused(Executable call, String... parts) {
        String message = assertThrows(IllegalArgumentException.class, call).getMessage();
        for (String part : parts) {
            assertTrue(message.contains(part), "\"" + part + "\" in: " + message);
        }
    }

    private static void refusedNow(Executable call, String part) {
        String message = assertThrows(IllegalStateException.class, call).getMessage();
        assertTrue(message.contains(part), "\"" + part + "\" in: " + message);
    }

    private static Tensor floats(long... shape) {
        int size = 1;
        for (long axis : shape) {
            size *= (int) axis;
        }
        return Tensor.of(new float[size], shape);
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
