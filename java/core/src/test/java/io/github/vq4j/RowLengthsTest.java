package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class RowLengthsTest {
    static List<Backend> backends() {
        return Backends.all();
    }

    @ParameterizedTest
    @MethodSource("backends")
    void rowsTakeTheLengthsOfTheTarget(Backend backend) {
        Tensor z = Tensor.of(new float[] {3, 4, 0, 0, -2, 0}, 3, 2);
        Tensor target = Tensor.of(new float[] {0, 10, 1, 1, 0, 1}, 3, 2);
        try (Tensor matched = RowLengths.match(z, target, -1, backend)) {
            assertArrayEquals(new float[] {6, 8, 0, 0, -1, 0}, matched.toFloatArray());
        }
        Tensor columns = Tensor.of(new float[] {3, 0, -2, 4, 0, 0}, 2, 3);
        Tensor targetColumns = Tensor.of(new float[] {0, 1, 0, 10, 1, 1}, 2, 3);
        try (Tensor matched = RowLengths.match(columns, targetColumns, 0, backend)) {
            assertArrayEquals(new float[] {6, 0, -1, 8, 0, 0}, matched.toFloatArray());
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void badInputIsRefused(Backend backend) {
        Tensor good = Tensor.of(new float[6], 3, 2);
        Tensor bad = Tensor.of(new float[] {0, 0, 0, Float.NaN, 0, 0}, 3, 2);
        refused(() -> RowLengths.match(good, Tensor.of(new float[6], 2, 3), 1, backend), "[3, 2]", "[2, 3]");
        refused(() -> RowLengths.match(good, good, 2, backend), "axis 2", "[3, 2]");
        refused(() -> RowLengths.match(Tensor.of(new float[0], 0, 2), good, 1, backend), "at least one row");
        NotFiniteException ofRows =
                assertThrows(NotFiniteException.class, () -> RowLengths.match(bad, good, 1, backend));
        assertEquals("z", ofRows.tensor());
        assertEquals(1, ofRows.row());
        NotFiniteException ofTarget =
                assertThrows(NotFiniteException.class, () -> RowLengths.match(good, bad, 1, backend));
        assertEquals("target", ofTarget.tensor());
    }

    private static void refused(Executable call, String... parts) {
        String message = assertThrows(IllegalArgumentException.class, call).getMessage();
        for (String part : parts) {
            assertTrue(message.contains(part), "\"" + part + "\" in: " + message);
        }
    }
}
