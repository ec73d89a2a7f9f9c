package io.github.vq4j.benchmarks;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class MachineLimitsTest {
    @Test
    void thePeakOfMultiplyAddsIsAboveAnyScalarProcessors() {
        assertFalse(MachineLimits.instructionSet().isEmpty());
        double rate = MachineLimits.multiplyAddRate(1);
        assertTrue(rate > 1e8 && rate < 1e13, () -> "operations a second: " + rate);
    }

    @Test
    void aCopyIsCompleteForAnyNumberOfThreads() {
        for (int threads : new int[] {1, 2, 3, 7}) {
            try (Matrix from = Matrix.normal(1, 13, 11);
                    Matrix to = Matrix.normal(2, 13, 11)) {
                double rate = MachineLimits.copyRate(to.floats(), from.floats(), 13 * 11 * Float.BYTES, threads);
                assertTrue(rate > 0, () -> "bytes a second: " + rate);
                for (int row = 0; row < 13; row++) {
                    assertArrayEquals(from.row(row), to.row(row));
                }
            }
        }
    }

    @Test
    void growthOfTheResidentMemoryCountsWhatIsTouched() {
        long bytes = 64L << 20;
        Matrix[] kept = new Matrix[1];
        Long growth = ResidentMemory.growth(() -> kept[0] = Matrix.normal(1, 1, bytes / Float.BYTES));
        kept[0].close();
        // Null where the system does not tell.
        assertTrue(growth == null || growth >= bytes * 9 / 10, () -> growth + " of " + bytes);
    }
}
