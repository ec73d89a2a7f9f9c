package io.github.vq4j;

import static io.github.vq4j.AsynchronousPassTest.FEATURES;
import static io.github.vq4j.AsynchronousPassTest.LEVELS;
import static io.github.vq4j.AsynchronousPassTest.ROWS;
import static io.github.vq4j.AsynchronousPassTest.numbers;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.vq4j.AsynchronousPassTest.Counts;
import io.github.vq4j.internal.Kernels;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Passes of device tensors under a mask on the host: nothing waits, and failures that are found later name rows of z. */
class RowMaskOnHostTest {
    private static final int CODES = 40;
    private static final int SAMPLES = 50;
    private static final int ROWS_OF_SAMPLE = ROWS / SAMPLES;
    private static final long[] SHAPE = {SAMPLES, ROWS_OF_SAMPLE, FEATURES};

    /** As many as are submitted before the layer looks at failures. */
    private static final int STEPS = UnfinishedBatches.MOST / 2;

    /** The steps whose masks leave all rows and none. */
    private static final int ALL = 1;

    private static final int NONE = 2;

    /** Layers by what might have to wait for the number of rows. */
    private static final Map<String, Function<Backend, Quantizer>> LAYERS = new LinkedHashMap<>();

    static {
        LAYERS.put("plain", backend -> VectorQuant.builder(FEATURES, CODES)
                .dim(-1)
                .affineLr(1)
                .syncNu(2)
                .backend(backend)
                .build());
        LAYERS.put("moving averages, replacement", backend -> VectorQuant.builder(FEATURES, CODES)
                .dim(-1)
                .ema(0.9)
                .emaExpiry(0.5)
                .replaceFreq(1)
                .samplingTemperature(1)
                .norm(Norm.UNIT)
                .backend(backend)
                .build());
        LAYERS.put("groups that share", backend -> GroupVectorQuant.builder(FEATURES, CODES, 4)
                .dim(-1)
                .share(true)
                .gradientEstimator(GradientEstimator.ROTATION)
                .lookupSize(8)
                .backend(backend)
                .build());
        LAYERS.put("dropout by sample", backend -> ResidualVectorQuant.builder(FEATURES, CODES, 4)
                .dim(-1)
                .quantizerDropout(1, true)
                .backend(backend)
                .build());
        LAYERS.put("beams, dropout by batch", backend -> ResidualVectorQuant.builder(FEATURES, CODES, 4)
                .dim(-1)
                .quantizerDropout(2, false)
                .beamWidth(3)
                .stageLosses(true)
                .backend(backend)
                .build());
    }

    static Stream<String> layers() {
        return LAYERS.keySet().stream();
    }

    @BeforeEach
    void needsCuda() {
        assumeTrue(Backend.whyNoCuda().isEmpty(), () -> Backend.whyNoCuda().orElse(""));
    }

    /** Marks of a step, different ones for each. */
    private static int[] marks(int step) {
        Random random = new Random(step);
        int[] marks = new int[ROWS];
        for (int n = 0; n < ROWS; n++) {
            boolean takesPart = step == ALL || (step != NONE && random.nextInt(3) > 0);
            marks[n] = takesPart ? 1 + random.nextInt(3) : -random.nextInt(3);
        }
        return marks;
    }

    private static RowMask mask(int[] marks) {
        return RowMask.of(Tensor.of(marks, SAMPLES, ROWS_OF_SAMPLE));
    }

    private static Tensor onHost(float[] values) {
        return Tensor.of(values, SHAPE);
    }

    private static Tensor onDevice(float[] values) {
        Tensor tensor = Tensor.allocate(Backend.cuda(0).kernels(), DataType.FLOAT32, SHAPE);
        onHost(values).copyTo(Backend.cuda(0).kernels(), tensor.floats());
        return tensor;
    }

    private static float[] withBad(float[] values, int row) {
        values[row * FEATURES + 3] = Float.NaN;
        return values;
    }

    /** The number of a row that takes part, or that does not. */
    private static int rowOf(int[] marks, boolean takesPart) {
        int row = ROWS / 2;
        while (marks[row] > 0 != takesPart) {
            row++;
        }
        return row;
    }

    /** What further passes throw, more of them than a layer lets be unknown. */
    private static List<String> failuresOf(Consumer<RowMask> pass) {
        List<String> failures = new ArrayList<>();
        for (int step = 1; step < 3 * UnfinishedBatches.MOST; step++) {
            try {
                pass.accept(mask(marks(step)));
            } catch (NotFiniteException failure) {
                failures.add(failure.tensor() + " " + failure.row());
            }
        }
        return failures;
    }

    @ParameterizedTest
    @MethodSource("layers")
    void forwardBackwardAndStepWaitForNothing(String name) {
        try (Quantizer layer = LAYERS.get(name).apply(Backend.cuda(0));
                Optimizer optimizer = Optimizer.adam(0.01);
                Tensor z = onDevice(numbers(1));
                Tensor gradient = onDevice(numbers(2))) {
            for (int step = 0; step < STEPS; step++) {
                long waits = Counts.now().waits();
                Quantized result = layer.forward(z, mask(marks(step)));
                Gradients gradients = layer.backward(gradient, 1);
                optimizer.step(layer);
                assertEquals(waits, Counts.now().waits(), "waits inside of forward, backward and step " + step);
                assertTrue(result.loss() >= 0);
                result.close();
                gradients.close();
            }
        }
    }

    @ParameterizedTest
    @MethodSource("layers")
    void theResultsAreThoseOfTheCpu(String name) {
        try (Quantizer onCpu = LAYERS.get(name).apply(Backend.cpu());
                Quantizer onCuda = LAYERS.get(name).apply(Backend.cuda(0));
                Optimizer ofCpu = Optimizer.adam(0.01);
                Optimizer ofCuda = Optimizer.adam(0.01)) {
            for (int step = 0; step < STEPS; step++) {
                float[] rows = numbers(10 + step);
                float[] gradient = numbers(20 + step);
                RowMask mask = mask(marks(step));
                try (Tensor z = onDevice(rows);
                        Tensor gradientOnDevice = onDevice(gradient);
                        Quantized expected = onCpu.forward(onHost(rows), mask);
                        Quantized result = onCuda.forward(z, mask);
                        Gradients expectedGradients = onCpu.backward(onHost(gradient), 2);
                        Gradients gradients = onCuda.backward(gradientOnDevice, 2)) {
                    ofCpu.step(onCpu);
                    ofCuda.step(onCuda);
                    assertSame(expected, result);
                    assertArrayEquals(
                            expectedGradients.input().toFloatArray(),
                            gradients.input().toFloatArray());
                    assertArrayEquals(
                            onCpu.encode(onHost(rows), mask).toIntArray(),
                            onCuda.encode(z, mask).toIntArray());
                }
                assertSameState(onCpu, onCuda);
            }
        }
    }

    private static void assertSame(Quantized expected, Quantized result) {
        assertEquals(expected.loss(), result.loss());
        assertArrayEquals(expected.sampleLosses(), result.sampleLosses());
        assertEquals(expected.perplexity(), result.perplexity());
        assertEquals(expected.activeCodes(), result.activeCodes());
        assertEquals(expected.replacedCodes(), result.replacedCodes());
        assertArrayEquals(expected.codes().toIntArray(), result.codes().toIntArray());
        assertArrayEquals(
                expected.distances().toFloatArray(), result.distances().toFloatArray());
        assertArrayEquals(expected.output().toFloatArray(), result.output().toFloatArray());
    }

    private static void assertSameState(Quantizer expected, Quantizer found) {
        assertEquals(expected.state().numbers(), found.state().numbers());
        for (int i = 0; i < expected.codebookCount(); i++) {
            assertArrayEquals(
                    expected.codebook(i).toFloatArray(), found.codebook(i).toFloatArray());
        }
    }

    @Test
    void theMarksMayBeWrittenAndGivenBackOnceForwardReturns() {
        int[] marks = marks(0);
        int bad = rowOf(marks, true);
        try (Quantizer onCpu = LAYERS.get("plain").apply(Backend.cpu());
                Quantizer onCuda = onCpu.copy(Backend.cuda(0));
                Tensor z = onDevice(numbers(1));
                Tensor gradient = onDevice(numbers(2));
                Tensor badGradient = onDevice(withBad(numbers(2), bad));
                Quantized expected = onCpu.forward(onHost(numbers(1)), mask(marks));
                Gradients expectedGradients = onCpu.backward(onHost(numbers(2)), 1)) {
            for (boolean isNative : new boolean[] {false, true}) {
                int[] array = marks.clone();
                try (Tensor memory = Tensor.allocate(DataType.INT32, SAMPLES, ROWS_OF_SAMPLE)) {
                    Kernels.cpu().write(marks, memory.ints());
                    RowMask mask = isNative ? RowMask.of(memory) : mask(array);
                    try (Quantized result = onCuda.forward(z, mask);
                            Gradients gradients = onCuda.backward(gradient, 1)) {
                        onCuda.forward(z, mask).close();
                        Arrays.fill(array, 0);
                        Kernels.cpu().clear(memory.ints(), ROWS * Integer.BYTES);
                        assertSame(expected, result);
                        assertArrayEquals(
                                expectedGradients.input().toFloatArray(),
                                gradients.input().toFloatArray());
                    }
                }
                onCuda.backward(badGradient, 1).close();
                NotFiniteException failure = assertThrows(
                        NotFiniteException.class,
                        () -> onCuda.parameters().get(0).gradient());
                assertEquals("gradient", failure.tensor());
                assertEquals(bad, failure.row());
            }
        }
    }

    /** A view shows what was written last. */
    @Test
    void everyForwardTakesTheMarksAsTheyAre() {
        int[] array = marks(0);
        RowMask mask = mask(array);
        try (Quantizer onCpu = LAYERS.get("plain").apply(Backend.cpu());
                Quantizer onCuda = onCpu.copy(Backend.cuda(0));
                Tensor z = onDevice(numbers(1))) {
            for (int step : new int[] {3, NONE, 0, ALL}) {
                System.arraycopy(marks(step), 0, array, 0, ROWS);
                try (Quantized expected = onCpu.forward(onHost(numbers(1)), mask);
                        Quantized result = onCuda.forward(z, mask)) {
                    assertSame(expected, result);
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("layers")
    void aBadRowThatTakesPartIsNamedByLaterPassesAndHasChangedNothing(String name) {
        int[] marks = marks(0);
        int bad = rowOf(marks, true);
        try (Quantizer layer = LAYERS.get(name).apply(Backend.cuda(0)).eval();
                Quantizer trained = LAYERS.get(name).apply(Backend.cuda(0));
                Tensor z = onDevice(numbers(1));
                Tensor badZ = onDevice(withBad(numbers(1), bad));
                Tensor gradient = onDevice(numbers(2));
                Tensor badGradient = onDevice(withBad(numbers(2), bad))) {
            long waits = Counts.now().waits();
            layer.forward(badZ, mask(marks)).close();
            assertEquals(waits, Counts.now().waits());
            layer.forward(z, mask(marks)).close();
            layer.backward(badGradient, 1).close();
            assertEquals(List.of("z " + bad, "gradient " + bad), failuresOf(mask -> layer.forward(z, mask)
                    .close()));

            LayerState before = trained.state();
            Quantized result = trained.forward(badZ, mask(marks));
            trained.backward(gradient, 1).close();
            NotFiniteException failure = assertThrows(NotFiniteException.class, result::loss);
            assertEquals("z", failure.tensor());
            assertEquals(bad, failure.row());
            LayerState after = trained.state();
            assertEquals(before.numbers(), after.numbers());
            before.tensors().forEach((tensor, values) -> {
                Tensor found = after.tensors().get(tensor);
                if (values.dataType() == DataType.INT32) {
                    assertArrayEquals(values.toIntArray(), found.toIntArray(), tensor);
                } else {
                    assertArrayEquals(values.toFloatArray(), found.toFloatArray(), tensor);
                }
            });
        }
    }

    @ParameterizedTest
    @MethodSource("layers")
    void aBadRowThatIsMaskedOutIsNoError(String name) {
        int[] marks = marks(0);
        int bad = rowOf(marks, false);
        try (Quantizer layer = LAYERS.get(name).apply(Backend.cuda(0));
                Quantizer other = LAYERS.get(name).apply(Backend.cuda(0));
                Tensor z = onDevice(numbers(1));
                Tensor badZ = onDevice(withBad(numbers(1), bad));
                Tensor gradient = onDevice(numbers(2));
                Tensor badGradient = onDevice(withBad(numbers(2), bad));
                Quantized expected = other.forward(z, mask(marks));
                Quantized result = layer.forward(badZ, mask(marks));
                Gradients expectedGradients = other.backward(gradient, 1);
                Gradients gradients = layer.backward(badGradient, 1)) {
            assertEquals(expected.loss(), result.loss());
            assertArrayEquals(expected.codes().toIntArray(), result.codes().toIntArray());
            assertArrayEquals(
                    withBad(expectedGradients.input().toFloatArray(), bad),
                    gradients.input().toFloatArray());
            assertSameState(other, layer);
        }
    }

    @Test
    void encodeWaitsOnce() {
        int[] marks = marks(0);
        int bad = rowOf(marks, true);
        try (Quantizer layer = LAYERS.get("dropout by sample").apply(Backend.cuda(0));
                Tensor z = onDevice(numbers(1));
                Tensor badZ = onDevice(withBad(numbers(1), bad))) {
            long waits = Counts.now().waits();
            layer.encode(z, mask(marks)).close();
            assertEquals(waits + 1, Counts.now().waits());
            NotFiniteException failure = assertThrows(NotFiniteException.class, () -> layer.encode(badZ, mask(marks)));
            assertEquals(bad, failure.row());
        }
    }

    @Test
    void layersWithoutACodebookWaitForNothing() {
        try (FiniteScalarQuant levels = FiniteScalarQuant.builder(LEVELS)
                        .dim(-1)
                        .backend(Backend.cuda(0))
                        .build();
                LookupFreeQuant signs = LookupFreeQuant.builder(FEATURES)
                        .dim(-1)
                        .spherical(true)
                        .backend(Backend.cuda(0))
                        .build();
                FiniteScalarQuant levelsOnCpu = levels.copy(Backend.cpu());
                LookupFreeQuant signsOnCpu = signs.copy(Backend.cpu());
                Tensor z = onDevice(numbers(1));
                Tensor gradient = onDevice(numbers(2))) {
            Tensor hostZ = onHost(numbers(1));
            Tensor hostGradient = onHost(numbers(2));
            for (int step = 0; step < STEPS; step++) {
                RowMask mask = mask(marks(step));
                long waits = Counts.now().waits();
                FiniteScalarQuantized ofLevels = levels.forward(z, mask);
                Gradients gradientsOfLevels = levels.backward(gradient);
                LookupFreeQuantized ofSigns = signs.forward(z, mask);
                Gradients gradientsOfSigns = signs.backward(gradient, 2);
                assertEquals(waits, Counts.now().waits(), "waits of step " + step);
                try (FiniteScalarQuantized expected = levelsOnCpu.forward(hostZ, mask);
                        Gradients expectedGradients = levelsOnCpu.backward(hostGradient)) {
                    assertEquals(expected.perplexity(), ofLevels.perplexity());
                    assertArrayEquals(
                            expected.output().toFloatArray(), ofLevels.output().toFloatArray());
                    assertArrayEquals(
                            expectedGradients.input().toFloatArray(),
                            gradientsOfLevels.input().toFloatArray());
                }
                try (LookupFreeQuantized expected = signsOnCpu.forward(hostZ, mask);
                        Gradients expectedGradients = signsOnCpu.backward(hostGradient, 2)) {
                    assertEquals(expected.loss(), ofSigns.loss());
                    assertEquals(expected.activeCodes(), ofSigns.activeCodes());
                    assertArrayEquals(
                            expected.codes().toIntArray(), ofSigns.codes().toIntArray());
                    assertArrayEquals(
                            expectedGradients.input().toFloatArray(),
                            gradientsOfSigns.input().toFloatArray());
                }
                ofLevels.close();
                gradientsOfLevels.close();
                ofSigns.close();
                gradientsOfSigns.close();
            }
        }
    }

    @Test
    void aLayerWithoutACodebookNamesABadRowLater() {
        int[] marks = marks(0);
        int bad = rowOf(marks, true);
        try (LookupFreeQuant layer = LookupFreeQuant.builder(FEATURES)
                        .dim(-1)
                        .spherical(true)
                        .backend(Backend.cuda(0))
                        .build();
                Tensor z = onDevice(numbers(1));
                Tensor badZ = onDevice(withBad(numbers(1), bad));
                Tensor badGradient = onDevice(withBad(numbers(2), bad))) {
            layer.forward(badZ, mask(marks)).close();
            layer.forward(z, mask(marks)).close();
            layer.backward(badGradient, 1).close();
            assertEquals(List.of("z " + bad, "gradient " + bad), failuresOf(mask -> layer.forward(z, mask)
                    .close()));
        }
    }
}
