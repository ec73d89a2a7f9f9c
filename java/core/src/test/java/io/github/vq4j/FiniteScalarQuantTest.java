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
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What finite scalar quantization does besides its formulas, and what it refuses. */
class FiniteScalarQuantTest {
    static List<Backend> backends() {
        return Backends.all();
    }

    @ParameterizedTest
    @MethodSource("backends")
    void theFirstFeatureIsTheLowestDigit(Backend backend) {
        try (FiniteScalarQuant layer =
                FiniteScalarQuant.builder(3, 4).dim(-1).backend(backend).build()) {
            float far = 100;
            float[] z = {-far, -far, 0, -far, far, -far, -far, 0, far, far};
            try (FiniteScalarQuantized q = layer.forward(Tensor.of(z, 5, 2))) {
                assertArrayEquals(new int[] {0, 1, 2, 6, 11}, q.codes().toIntArray());
                assertArrayEquals(
                        new float[] {-1, -1, 0, -1, 1, -1, -1, 0, 1, 0.5f},
                        q.output().toFloatArray());
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void everyCodeIsTheCodeOfItsOwnValues(Backend backend) {
        try (FiniteScalarQuant layer =
                FiniteScalarQuant.builder(7, 5, 3).dim(-1).backend(backend).build()) {
            int[] all = IntStream.range(0, 105).toArray();
            try (Tensor values = layer.decode(Tensor.of(all, 105))) {
                // With odd levels a value v is the level of artanh(v / 1.001).
                float[] z = values.toFloatArray();
                for (int i = 0; i < z.length; i++) {
                    double ratio = z[i] / 1.001;
                    z[i] = (float) (0.5 * Math.log((1 + ratio) / (1 - ratio)));
                }
                assertArrayEquals(all, layer.encode(Tensor.of(z, 105, 3)).toIntArray());
            }
            assertEquals(105, layer.numCodes());
            assertEquals(3, layer.featureSize());
            assertArrayEquals(new int[] {7, 5, 3}, layer.levels());
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void perplexityCountsCodesOfAHugeCodebook(Backend backend) {
        int[] levels = new int[30];
        Arrays.fill(levels, 2);
        try (FiniteScalarQuant layer =
                FiniteScalarQuant.builder(levels).dim(-1).backend(backend).build()) {
            float[] z = new float[4 * 30];
            Arrays.fill(z, -9f);
            Arrays.fill(z, 0, 30, 9f);
            try (FiniteScalarQuantized q = layer.forward(Tensor.of(z, 4, 30))) {
                assertEquals(1 << 30, layer.numCodes());
                assertArrayEquals(new int[] {(1 << 30) - 1, 0, 0, 0}, q.codes().toIntArray());
                assertEquals(2, q.activeCodes());
                assertEquals(Math.exp(0.25 * Math.log(4) + 0.75 * Math.log(4.0 / 3)), q.perplexity(), 1e-12);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void outputAndGradientGoIntoTheCallersMemory(Backend backend) {
        try (FiniteScalarQuant layer =
                FiniteScalarQuant.builder(8, 5, 5).backend(backend).build()) {
            Tensor z = Tensor.of(normal(1, 2 * 3 * 7), 2, 3, 7);
            float[] output = new float[2 * 3 * 7];
            float[] gradient = normal(2, 2 * 3 * 7);
            try (FiniteScalarQuantized expected = layer.forward(z);
                    Gradients expectedGradient = layer.backward(Tensor.of(gradient, 2, 3, 7))) {
                layer.forward(z, Tensor.of(output, 2, 3, 7)).close();
                Tensor inPlace = Tensor.of(gradient, 2, 3, 7);
                layer.backward(inPlace, inPlace).close();
                assertArrayEquals(expected.output().toFloatArray(), output);
                assertArrayEquals(expectedGradient.input().toFloatArray(), gradient);
            }
        }
    }

    @Test
    void theModeChangesNoResult() {
        try (FiniteScalarQuant layer =
                FiniteScalarQuant.builder(8, 5, 5).backend(Backend.cpu()).build()) {
            Tensor z = Tensor.of(normal(3, 42), 2, 3, 7);
            int[] codes = layer.encode(z).toIntArray();
            assertTrue(layer.isTraining());
            assertSame(layer, layer.eval());
            assertFalse(layer.isTraining());
            assertArrayEquals(codes, layer.forward(z).codes().toIntArray());
            assertTrue(layer.train().isTraining());
        }
    }

    // ---- refusals ----------------------------------------------------------------------------------------------

    @Test
    void levelsThatMakeNoCode() {
        refused(FiniteScalarQuant::builder, "at least one feature", "none");
        refused(() -> FiniteScalarQuant.builder(8, 1), "at least 2 levels", "[8, 1]");
        refused(() -> FiniteScalarQuant.builder(65536, 32768), "2147483647", "[65536, 32768]");
        refused(() -> FiniteScalarQuant.builder(Integer.MAX_VALUE, Integer.MAX_VALUE, 4), "2147483647");
    }

    @Test
    void tensorsThatDoNotFit() {
        try (FiniteScalarQuant layer =
                        FiniteScalarQuant.builder(8, 5).backend(Backend.cpu()).build();
                FiniteScalarQuant fromTheEnd = FiniteScalarQuant.builder(8, 5)
                        .dim(-3)
                        .backend(Backend.cpu())
                        .build()) {
            refused(() -> layer.forward(floats(2, 3)), "featureSize = 2 on axis 1", "[2, 3]");
            refused(() -> layer.encode(floats(2)), "axis 1", "[2]");
            refused(() -> layer.forward(floats(0, 2)), "at least one row", "[0, 2]");
            refused(() -> layer.forward(Tensor.of(new int[4], 2, 2)), "z", "FLOAT32", "INT32");
            refused(() -> layer.forward(floats(3, 2), floats(2, 3)), "output", "[3, 2]", "[2, 3]");
            float[] same = new float[4];
            refused(() -> layer.forward(Tensor.of(same, 2, 2), Tensor.of(same, 2, 2)), "output overlaps z");
            refused(() -> layer.decode(floats(2)), "codes", "INT32");
            refused(() -> layer.decode(Tensor.of(new int[0], 0)), "at least one code", "[0]");
            refused(() -> fromTheEnd.decode(Tensor.of(new int[1], 1)), "axis -3", "[1]");
            layer.forward(floats(3, 2)).close();
            refused(() -> layer.backward(floats(2, 3)), "gradOutput", "[3, 2]", "[2, 3]");
            refused(() -> layer.backward(floats(3, 2), floats(2, 3)), "gradInput", "[3, 2]", "[2, 3]");
            assertThrows(NullPointerException.class, () -> layer.backward(null));
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void codesOutOfRange(Backend backend) {
        try (FiniteScalarQuant layer =
                FiniteScalarQuant.builder(3, 4).backend(backend).build()) {
            refused(() -> layer.decode(Tensor.of(new int[] {0, 11, 12}, 3)), "code 12 of row 2", "< 12");
            refused(() -> layer.decode(Tensor.of(new int[] {0, -1}, 2)), "code -1 of row 1");
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void valuesThatAreNotFinite(Backend backend) {
        for (float value : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
            try (FiniteScalarQuant layer =
                    FiniteScalarQuant.builder(8, 5).backend(backend).build()) {
                float[] good = normal(4, 3 * 2 * 50);
                float[] bad = good.clone();
                bad[(1 * 2 + 1) * 50 + 27] = value;
                bad[(2 * 2) * 50] = value;
                layer.forward(Tensor.of(good, 3, 2, 50)).close();
                for (Executable use : List.<Executable>of(
                        () -> layer.forward(Tensor.of(bad, 3, 2, 50)), () -> layer.encode(Tensor.of(bad, 3, 2, 50)))) {
                    NotFiniteException exception = assertThrows(NotFiniteException.class, use);
                    assertEquals("z", exception.tensor());
                    assertEquals(77, exception.row());
                }
                NotFiniteException exception =
                        assertThrows(NotFiniteException.class, () -> layer.backward(Tensor.of(bad, 3, 2, 50)));
                assertEquals("gradient", exception.tensor());
                assertEquals(77, exception.row());
                // The pending backward has survived all of them.
                layer.backward(Tensor.of(good, 3, 2, 50)).close();
            }
        }
    }

    @Test
    void callsOutOfOrder() {
        FiniteScalarQuant layer =
                FiniteScalarQuant.builder(8, 5).backend(Backend.cpu()).build();
        refusedNow(() -> layer.backward(floats(3, 2)), "backward needs a forward");
        layer.forward(floats(3, 2)).close();
        layer.backward(floats(3, 2)).close();
        refusedNow(() -> layer.backward(floats(3, 2)), "backward needs a forward");
        Tensor z = Tensor.allocate(DataType.FLOAT32, 3, 2);
        layer.forward(z).close();
        z.close();
        refusedNow(() -> layer.backward(floats(3, 2)), "z of the forward is closed");
        layer.close();
        layer.close();
        for (Executable use : List.<Executable>of(
                () -> layer.forward(floats(3, 2)),
                () -> layer.backward(floats(3, 2)),
                () -> layer.encode(floats(3, 2)),
                () -> layer.decode(Tensor.of(new int[1], 1)),
                layer::train,
                layer::eval)) {
            refusedNow(use, "FiniteScalarQuant of levels [8, 5] on cpu is closed");
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
