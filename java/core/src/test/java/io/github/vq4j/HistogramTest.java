package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

class HistogramTest {
    @Test
    void entropyOfEqualBinsIsTheLogarithmOfTheirNumber() {
        assertEquals(Math.log(4), Histogram.entropy(3L, 3L, 3L, 3L), 1e-15);
        assertEquals(Math.log(2), Histogram.entropy(0.0, 0.5, 0.0, 0.5), 1e-15);
    }

    @Test
    void entropyOfOneBinIsZero() {
        assertEquals(0.0, Histogram.entropy(0L, 7L, 0L));
    }

    @Test
    void entropyIsTheExpectedLogarithm() {
        double expected = -0.1 * Math.log(0.1) - 0.2 * Math.log(0.2) - 0.7 * Math.log(0.7);
        assertEquals(expected, Histogram.entropy(1L, 2L, 7L), 1e-15);
        assertEquals(expected, Histogram.entropy(0.5, 1.0, 3.5), 1e-15);
    }

    @Test
    void perplexityIsTheNumberOfEqualBins() {
        assertEquals(4, Histogram.perplexity(3, 3, 0, 3, 3), 1e-14);
        assertEquals(1, Histogram.perplexity(0, 7));
    }

    @Test
    void badHistogramsAreRefused() {
        refused(() -> Histogram.entropy(0L, 0L), "sum 0.0");
        refused(() -> Histogram.entropy(new long[0]), "0 bins");
        refused(() -> Histogram.entropy(4L, -1L), "weight 1", "-1");
        refused(() -> Histogram.entropy(1.0, Double.NaN), "weight 1", "NaN");
        refused(() -> Histogram.entropy(Double.MAX_VALUE, Double.MAX_VALUE), "sum Infinity");
    }

    private static void refused(Executable call, String... parts) {
        String message = assertThrows(IllegalArgumentException.class, call).getMessage();
        for (String part : parts) {
            assertTrue(message.contains(part), "\"" + part + "\" in: " + message);
        }
    }
}
