package io.github.vq4j;

import static io.github.vq4j.GroupVectorQuantTest.normal;
import static io.github.vq4j.GroupVectorQuantTest.refused;
import static io.github.vq4j.RowMaskTest.FEATURES;
import static io.github.vq4j.RowMaskTest.IMAGES;
import static io.github.vq4j.RowMaskTest.LAYOUT;
import static io.github.vq4j.RowMaskTest.PIXELS;
import static io.github.vq4j.RowMaskTest.ROWS;
import static io.github.vq4j.RowMaskTest.filled;
import static io.github.vq4j.RowMaskTest.floats;
import static io.github.vq4j.RowMaskTest.mask;
import static io.github.vq4j.RowMaskTest.numbers;
import static io.github.vq4j.RowMaskTest.spread;
import static io.github.vq4j.RowMaskTest.taken;
import static io.github.vq4j.RowMaskTest.withGarbage;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A quantizer without a codebook under a mask is the quantizer over the rows that the mask leaves, as a matrix. */
class CodebookFreeMaskTest {
    private static final int[] LEVELS = {2, 3, 5, 2, 3, 5, 2, 3, 4, 2, 3, 2};

    static List<Backend> backends() {
        return Backends.all();
    }

    private static LookupFreeQuant bits(boolean spherical, int dim, Backend backend) {
        return LookupFreeQuant.builder(FEATURES)
                .spherical(spherical)
                .dim(dim)
                .backend(backend)
                .build();
    }

    private static FiniteScalarQuant levels(int dim, Backend backend) {
        return FiniteScalarQuant.builder(LEVELS).dim(dim).backend(backend).build();
    }

    @ParameterizedTest
    @MethodSource("backends")
    void lookupFreeRowsThatAreLeft(Backend backend) {
        for (boolean spherical : new boolean[] {false, true}) {
            boolean[] mask = mask(1);
            int[] left = numbers(mask);
            float[] z = withGarbage(normal(2, ROWS * FEATURES), mask);
            float[] g = withGarbage(normal(3, ROWS * FEATURES), mask);
            RowMask rowMask = RowMask.of(mask, IMAGES, PIXELS);
            Tensor rows = Tensor.of(taken(z, FEATURES, left), left.length, FEATURES);
            Tensor gradient = Tensor.of(taken(g, FEATURES, left), left.length, FEATURES);
            try (LookupFreeQuant masked = bits(spherical, 1, backend);
                    LookupFreeQuant plain = bits(spherical, -1, backend);
                    LookupFreeQuantized a = masked.forward(Tensor.of(z, LAYOUT.shape()), rowMask);
                    LookupFreeQuantized b = plain.forward(rows);
                    Gradients ofA = masked.backward(Tensor.of(g, LAYOUT.shape()), 2);
                    Gradients ofB = plain.backward(gradient, 2);
                    Tensor codes = masked.encode(Tensor.of(z, LAYOUT.shape()), rowMask)) {
                spread(z, FEATURES, left, b.output().toFloatArray(), a.output().toFloatArray());
                spread(
                        g,
                        FEATURES,
                        left,
                        ofB.input().toFloatArray(),
                        ofA.input().toFloatArray());
                spread(filled(-1, 1), 1, left, floats(b.codes()), floats(a.codes()));
                assertArrayEquals(a.codes().toIntArray(), codes.toIntArray());
                assertEquals(b.loss(), a.loss());
                assertEquals(b.batchEntropy(), a.batchEntropy());
                assertEquals(b.perplexity(), a.perplexity());
                assertEquals(b.activeCodes(), a.activeCodes());
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void finiteScalarRowsThatAreLeft(Backend backend) {
        boolean[] mask = mask(4);
        int[] left = numbers(mask);
        float[] z = withGarbage(normal(5, ROWS * FEATURES), mask);
        float[] g = withGarbage(normal(6, ROWS * FEATURES), mask);
        RowMask rowMask = RowMask.of(mask, IMAGES, PIXELS);
        Tensor rows = Tensor.of(taken(z, FEATURES, left), left.length, FEATURES);
        float[] outputs = new float[z.length];
        try (FiniteScalarQuant masked = levels(1, backend);
                FiniteScalarQuant plain = levels(-1, backend);
                FiniteScalarQuantized a =
                        masked.forward(Tensor.of(z, LAYOUT.shape()), Tensor.of(outputs, LAYOUT.shape()), rowMask);
                FiniteScalarQuantized b = plain.forward(rows);
                Gradients ofA = masked.backward(Tensor.of(g, LAYOUT.shape()));
                Gradients ofB = plain.backward(Tensor.of(taken(g, FEATURES, left), left.length, FEATURES))) {
            spread(z, FEATURES, left, b.output().toFloatArray(), outputs);
            spread(g, FEATURES, left, ofB.input().toFloatArray(), ofA.input().toFloatArray());
            spread(filled(-1, 1), 1, left, floats(b.codes()), floats(a.codes()));
            assertEquals(b.perplexity(), a.perplexity());
            assertEquals(b.activeCodes(), a.activeCodes());
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void withAllRowsMaskedOutAllPassesThrough(Backend backend) {
        float[] z = normal(7, ROWS * FEATURES);
        float[] g = normal(8, ROWS * FEATURES);
        RowMask none = RowMask.of(new boolean[ROWS], IMAGES, PIXELS);
        try (LookupFreeQuant layer = bits(true, 1, backend);
                LookupFreeQuantized q = layer.forward(Tensor.of(z, LAYOUT.shape()), none);
                Gradients gradients = layer.backward(Tensor.of(g, LAYOUT.shape()), 2)) {
            assertArrayEquals(z, q.output().toFloatArray());
            assertArrayEquals(g, gradients.input().toFloatArray());
            assertTrue(Arrays.stream(q.codes().toIntArray()).allMatch(code -> code == -1));
            assertEquals(0, q.loss());
            assertEquals(1, q.perplexity());
            assertEquals(0, q.activeCodes());
        }
    }

    @Test
    void errorsNameTheRowOfTheInputAndMasksThatDoNotFit() {
        boolean[] mask = mask(9);
        int bad = numbers(mask)[50];
        double[][] rows = LAYOUT.rowsOf(withGarbage(normal(10, ROWS * FEATURES), mask));
        rows[bad][3] = Double.NaN;
        float[] z = new float[ROWS * FEATURES];
        double[] values = LAYOUT.valuesOf(rows);
        for (int i = 0; i < z.length; i++) {
            z[i] = (float) values[i];
        }
        try (LookupFreeQuant layer = bits(false, 1, Backend.cpu())) {
            Tensor spoiled = Tensor.of(z, LAYOUT.shape());
            RowMask rowMask = RowMask.of(mask, IMAGES, PIXELS);
            assertEquals(
                    bad,
                    assertThrows(NotFiniteException.class, () -> layer.forward(spoiled, rowMask))
                            .row());
            assertEquals(
                    bad,
                    assertThrows(NotFiniteException.class, () -> layer.encode(spoiled, rowMask))
                            .row());
            refused(() -> layer.forward(spoiled, RowMask.of(new boolean[ROWS], ROWS)), "mask", "[5, 67]", "[335]");
        }
    }
}
