package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.vq4j.internal.CudaKernels;
import java.util.Random;
import java.util.function.UnaryOperator;
import org.bytedeco.javacpp.LongPointer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Passes of device tensors: the host does not wait, graphs are used again, and failures arrive later, but arrive. */
class AsynchronousPassTest {
    private static final int FEATURES = 16;
    private static final int CODES = 40;
    private static final int ROWS = 300;

    /** What batches have done in this process. */
    private record Counts(long graphsMade, long graphsLaunched, long waits) {
        static Counts now() {
            try (LongPointer counts = new LongPointer(6)) {
                CudaKernels.batchCounts(counts);
                return new Counts(counts.get(0), counts.get(1), counts.get(4));
            }
        }
    }

    @BeforeEach
    void needsCuda() {
        assumeTrue(Backend.whyNoCuda().isEmpty(), () -> Backend.whyNoCuda().orElse(""));
    }

    private static VectorQuant layer(Backend backend, UnaryOperator<VectorQuant.Builder> options) {
        return options.apply(
                        VectorQuant.builder(FEATURES, CODES).dim(-1).seed(3).backend(backend))
                .build();
    }

    private static float[] numbers(int seed) {
        Random random = new Random(seed);
        float[] values = new float[ROWS * FEATURES];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }

    private static Tensor onDevice(float[] values) {
        Tensor tensor = Tensor.allocate(Backend.cuda(0).kernels(), DataType.FLOAT32, ROWS, FEATURES);
        Tensor.of(values, ROWS, FEATURES).copyTo(Backend.cuda(0).kernels(), tensor.floats());
        return tensor;
    }

    @Test
    void forwardAndBackwardWaitForNothing() {
        try (VectorQuant layer = layer(Backend.cuda(0), b -> b.affineLr(1).syncNu(2));
                Optimizer optimizer = Optimizer.adam(0.01);
                Tensor z = onDevice(numbers(1));
                Tensor gradient = onDevice(numbers(2))) {
            for (int step = 0; step < 4; step++) {
                long waits = Counts.now().waits();
                Quantized result = layer.forward(z);
                Gradients gradients = layer.backward(gradient, 1);
                assertEquals(waits, Counts.now().waits(), "waits inside of forward and backward");
                optimizer.step(layer);
                assertTrue(Counts.now().waits() <= waits + 2, "the optimiser waits for the two passes alone");
                result.loss();
                result.perplexity();
                result.close();
                gradients.close();
                assertTrue(Counts.now().waits() <= waits + 2, "numbers that have arrived are not waited for");
            }
        }
    }

    @Test
    void passesOfAShapeThatComesAgainAreAGraphEach() {
        try (VectorQuant layer = layer(Backend.cuda(0), b -> b);
                Tensor z = onDevice(numbers(1));
                Tensor gradient = onDevice(numbers(2))) {
            for (int step = 0; step < 2; step++) {
                layer.forward(z).close();
                layer.backward(gradient, 1).close();
            }
            Counts before = Counts.now();
            for (int step = 0; step < 3; step++) {
                layer.forward(z).close();
                layer.backward(gradient, 1).close();
            }
            assertEquals(before.graphsMade(), Counts.now().graphsMade());
            assertEquals(before.graphsLaunched() + 6, Counts.now().graphsLaunched());
        }
    }

    @Test
    void theNumbersAndTheParametersAreThoseOfTheCpu() {
        try (VectorQuant onCpu = layer(Backend.cpu(), b -> b.affineLr(1).syncNu(2));
                VectorQuant onCuda = layer(Backend.cuda(0), b -> b.affineLr(1).syncNu(2));
                Optimizer ofCpu = Optimizer.adamW(0.05);
                Optimizer ofCuda = Optimizer.adamW(0.05)) {
            for (int step = 0; step < 4; step++) {
                float[] rows = numbers(10 + step);
                float[] gradient = numbers(20 + step);
                try (Tensor z = onDevice(rows);
                        Tensor deviceGradient = onDevice(gradient);
                        Quantized expected = onCpu.forward(Tensor.of(rows, ROWS, FEATURES));
                        Quantized result = onCuda.forward(z);
                        Gradients expectedGradients = onCpu.backward(Tensor.of(gradient, ROWS, FEATURES), 2);
                        Gradients gradients = onCuda.backward(deviceGradient, 2)) {
                    ofCpu.step(onCpu);
                    ofCuda.step(onCuda);
                    assertEquals(expected.loss(), result.loss());
                    assertArrayEquals(expected.sampleLosses(), result.sampleLosses());
                    assertEquals(expected.perplexity(), result.perplexity());
                    assertEquals(expected.activeCodes(), result.activeCodes());
                    assertArrayEquals(
                            expected.output().toFloatArray(), result.output().toFloatArray());
                    assertArrayEquals(
                            expectedGradients.input().toFloatArray(),
                            gradients.input().toFloatArray());
                }
                assertArrayEquals(
                        onCpu.codebook().toFloatArray(), onCuda.codebook().toFloatArray());
            }
        }
    }

    @Test
    void aNumberOfTheResultThrowsWhatWasWrongWithZ() {
        float[] rows = numbers(1);
        rows[7 * FEATURES + 3] = Float.NaN;
        try (VectorQuant layer = layer(Backend.cuda(0), b -> b);
                Tensor z = onDevice(rows);
                Quantized result = layer.forward(z)) {
            NotFiniteException failure = assertThrows(NotFiniteException.class, result::loss);
            assertEquals("z", failure.tensor());
            assertEquals(7, failure.row());
            assertThrows(NotFiniteException.class, result::perplexity);
        }
    }

    @Test
    void theOptimiserThrowsWhatWasWrongAndChangesNothing() {
        float[] gradient = numbers(2);
        gradient[9 * FEATURES] = Float.POSITIVE_INFINITY;
        float[] rows = numbers(1);
        rows[5 * FEATURES] = Float.NaN;
        try (VectorQuant layer = layer(Backend.cuda(0), b -> b);
                Optimizer optimizer = Optimizer.sgd(0.1);
                Tensor z = onDevice(numbers(1));
                Tensor badZ = onDevice(rows);
                Tensor good = onDevice(numbers(2));
                Tensor bad = onDevice(gradient)) {
            float[] before = layer.codebook().toFloatArray();
            layer.forward(z).close();
            layer.backward(bad, 1).close();
            NotFiniteException ofGradient = assertThrows(NotFiniteException.class, () -> optimizer.step(layer));
            assertEquals("gradient", ofGradient.tensor());
            assertEquals(9, ofGradient.row());
            assertThrows(IllegalStateException.class, () -> optimizer.step(layer), "there is no gradient");

            layer.forward(badZ).close();
            layer.backward(good, 1).close();
            NotFiniteException ofForward = assertThrows(NotFiniteException.class, () -> optimizer.step(layer));
            assertEquals("z", ofForward.tensor());
            assertArrayEquals(before, layer.codebook().toFloatArray());

            layer.forward(z).close();
            layer.backward(good, 1).close();
            optimizer.step(layer);
        }
    }

    @Test
    void aFailureThatNobodyAsksForIsThrownByALaterPassOnce() {
        float[] rows = numbers(1);
        rows[5 * FEATURES] = Float.NaN;
        try (VectorQuant layer = layer(Backend.cuda(0), b -> b).eval();
                Tensor z = onDevice(numbers(1));
                Tensor badZ = onDevice(rows)) {
            layer.forward(badZ).close();
            int thrown = 0;
            for (int pass = 0; pass < 30; pass++) {
                try {
                    layer.forward(z).close();
                } catch (NotFiniteException failure) {
                    thrown++;
                }
            }
            assertEquals(1, thrown);

            assertThrows(NotFiniteException.class, layer.forward(badZ)::loss);
            for (int pass = 0; pass < 30; pass++) {
                layer.forward(z).close();
            }
        }
    }

    @Test
    void layersThatChangeThemselvesThrowAtOnceAndHaveNotChanged() {
        float[] rows = numbers(1);
        rows[5 * FEATURES] = Float.NaN;
        try (VectorQuant layer = layer(Backend.cuda(0), b -> b.ema(0.9));
                Tensor z = onDevice(numbers(1));
                Tensor badZ = onDevice(rows)) {
            layer.forward(z).close();
            float[] before = layer.codebook().toFloatArray();
            assertThrows(NotFiniteException.class, () -> layer.forward(badZ));
            assertArrayEquals(before, layer.codebook().toFloatArray());
        }
    }
}
