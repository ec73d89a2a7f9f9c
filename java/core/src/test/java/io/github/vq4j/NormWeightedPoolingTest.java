package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.vq4j.internal.CpuKernels;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The golden files of pooling are compared by {@link GoldenTest}, its numbers by the native tests. */
class NormWeightedPoolingTest {
    static List<Backend> backends() {
        return Backends.all();
    }

    @ParameterizedTest
    @MethodSource("backends")
    void maxPicksWholeVectors(Backend backend) {
        // The pixels of a 2 x 2 image of two channels: (0, 3), (4, 0), (1, 1), (-3, 3).
        Tensor x = Tensor.of(new float[] {0, 4, 1, -3, 3, 0, 1, 3}, 1, 2, 2, 2);
        NormWeightedPooling pooling =
                NormWeightedPooling.max(2).backend(backend).build();
        try (Tensor y = pooling.forward(x);
                Tensor gradient = pooling.backward(x, Tensor.of(new float[] {5, 6}, 1, 2, 1, 1))) {
            assertArrayEquals(new long[] {1, 2, 1, 1}, y.shape());
            assertArrayEquals(new float[] {-3, 3}, y.toFloatArray());
            assertArrayEquals(new float[] {0, 0, 0, 5, 0, 0, 0, 6}, gradient.toFloatArray());
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void softmaxWeighsByTheLengths(Backend backend) {
        Tensor x = Tensor.of(new float[] {0, 4, 3, 0}, 1, 2, 1, 2);
        NormWeightedPooling pooling = NormWeightedPooling.softmax(2)
                .padding(1)
                .dilation(1)
                .stride(2)
                .backend(backend)
                .build();
        // The one row of two windows holds pixel 0, pixel 1, each beside zeros of the padding.
        double first = Math.exp(3) / (Math.exp(3) + 3);
        double second = Math.exp(4) / (Math.exp(4) + 3);
        try (Tensor y = pooling.forward(x)) {
            assertArrayEquals(new long[] {1, 2, 1, 2}, y.shape());
            assertArrayEquals(new float[] {0, (float) (4 * second), (float) (3 * first), 0}, y.toFloatArray(), 1e-6f);
        }
    }

    @Test
    void theOutputSizeUsesTheDilation() {
        NormWeightedPooling pooling = NormWeightedPooling.max(3)
                .stride(2)
                .padding(1)
                .dilation(2)
                .backend(Backend.cpu())
                .build();
        try (Tensor y = pooling.forward(Tensor.of(new float[2 * 9 * 12], 1, 2, 9, 12))) {
            assertArrayEquals(new long[] {1, 2, 4, 5}, y.shape());
        }
    }

    @Test
    void bitsDoNotDependOnBackendInstructionSetOrThreads() {
        float[][] expected = run(Backend.cpu());
        for (Backend backend : backends()) {
            assertArrayEquals(expected, run(backend));
        }
        int threads = Backend.cpuThreads();
        List<String> sets = Backends.instructionSets();
        try {
            for (String set : sets) {
                CpuKernels.setInstructionSet(set);
                for (int count : new int[] {1, 3}) {
                    Backend.setCpuThreads(count);
                    assertArrayEquals(expected, run(Backend.cpu()));
                }
            }
        } finally {
            CpuKernels.setInstructionSet(sets.get(0));
            Backend.setCpuThreads(threads);
        }
    }

    // ---- bad input ---------------------------------------------------------------------------------------------

    @Test
    void badOptionsAreRefused() {
        refused(() -> NormWeightedPooling.max(0), "kernel", "0");
        refused(() -> NormWeightedPooling.softmax(2).stride(0), "stride", "0");
        refused(() -> NormWeightedPooling.softmax(2).padding(-1), "padding", "-1");
        refused(() -> NormWeightedPooling.softmax(2).dilation(0), "dilation", "0");
        refused(
                () -> NormWeightedPooling.max(3)
                        .padding(2)
                        .backend(Backend.cpu())
                        .build(),
                "padding <= 1",
                "window of 3",
                "got 2");
    }

    @ParameterizedTest
    @MethodSource("backends")
    void badInputIsRefused(Backend backend) {
        NormWeightedPooling pooling =
                NormWeightedPooling.max(3).backend(backend).build();
        refused(() -> pooling.forward(Tensor.of(new float[27], 3, 3, 3)), "B x C x H x W", "[3, 3, 3]");
        refused(() -> pooling.forward(Tensor.of(new float[0], 0, 1, 3, 3)), "not empty", "[0, 1, 3, 3]");
        refused(() -> pooling.forward(Tensor.of(new float[6], 1, 1, 3, 2)), "at least 3", "[1, 1, 3, 2]");
        refused(() -> pooling.forward(Tensor.of(new int[9], 1, 1, 3, 3)), "x", "FLOAT32");
        float[] values = new float[2 * 2 * 9];
        Tensor x = Tensor.of(values, 2, 2, 3, 3);
        refused(
                () -> pooling.backward(x, Tensor.of(new float[4], 2, 1, 2, 1)),
                "gradOutput",
                "[2, 2, 1, 1]",
                "[2, 1, 2, 1]");
        float[] gradient = {0, 0, 0, Float.POSITIVE_INFINITY};
        NotFiniteException ofGradient =
                assertThrows(NotFiniteException.class, () -> pooling.backward(x, Tensor.of(gradient, 2, 2, 1, 1)));
        assertEquals("gradient", ofGradient.tensor());
        assertEquals(1, ofGradient.row());
        values[2 * 9 + 9 + 4] = Float.NaN;
        NotFiniteException ofInput = assertThrows(NotFiniteException.class, () -> pooling.forward(x));
        assertEquals("x", ofInput.tensor());
        assertEquals(13, ofInput.row());
    }

    private static float[][] run(Backend backend) {
        Random random = new Random(3);
        float[] x = new float[3 * 5 * 17 * 23];
        for (int i = 0; i < x.length; i++) {
            x[i] = (float) random.nextGaussian();
        }
        Tensor input = Tensor.of(x, 3, 5, 17, 23);
        NormWeightedPooling pooling = NormWeightedPooling.softmax(3)
                .stride(2)
                .padding(1)
                .backend(backend)
                .build();
        try (Tensor y = pooling.forward(input);
                Tensor gradient = pooling.backward(input, y)) {
            return new float[][] {y.toFloatArray(), gradient.toFloatArray()};
        }
    }

    private static void refused(Executable call, String... parts) {
        String message = assertThrows(IllegalArgumentException.class, call).getMessage();
        for (String part : parts) {
            assertTrue(message.contains(part), "\"" + part + "\" in: " + message);
        }
    }
}
