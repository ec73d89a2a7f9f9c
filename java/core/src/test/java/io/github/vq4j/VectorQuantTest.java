package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.FloatPointer;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What the layer does besides the formulas: modes, initialisation, replacement, tensors in and out. */
class VectorQuantTest {
    private static final long[] SHAPE = {4, 6, 5, 3};

    static List<Backend> backends() {
        return Backends.all();
    }

    @ParameterizedTest
    @MethodSource("backends")
    void perplexityAndActiveCodesDescribeTheHistogram(Backend backend) {
        try (VectorQuant layer =
                VectorQuant.builder(1, 5).dim(-1).backend(backend).build()) {
            layer.setCodebook(Tensor.of(new float[] {0, 10, 20, 30, 40}, 5, 1));
            try (Quantized q = layer.forward(Tensor.of(new float[] {1, 9, 11, 31}, 4, 1))) {
                assertArrayEquals(new int[] {0, 1, 1, 3}, q.codes().toIntArray());
                assertEquals(3, q.activeCodes());
                assertEquals(Math.exp(0.5 * Math.log(2) + 2 * 0.25 * Math.log(4)), q.perplexity(), 1e-12);
                assertArrayEquals(new float[] {1, 1, 1, 1}, q.distances().toFloatArray());
                assertEquals(1, q.loss());
            }
        }
    }

    /** Enough samples that they stay in native memory. */
    @ParameterizedTest
    @MethodSource("backends")
    void everyRowOfAMatrixIsASample(Backend backend) {
        try (VectorQuant layer =
                        VectorQuant.builder(3, 4).dim(-1).backend(backend).build();
                Quantized q = layer.forward(Tensor.of(normal(1, 3 * 2000), 2000, 3))) {
            float[] distances = q.distances().toFloatArray();
            double[] expected = IntStream.range(0, 2000)
                    .mapToDouble(n -> distances[n] / 3.0)
                    .toArray();
            assertArrayEquals(expected, q.sampleLosses());
            assertArrayEquals(expected, q.sampleLosses());
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void theLossesOfSamplesAreGoneAfterClose(Backend backend) {
        for (int rows : new int[] {2, 2000}) {
            try (VectorQuant layer =
                    VectorQuant.builder(3, 4).dim(-1).backend(backend).build()) {
                Quantized q = layer.forward(Tensor.of(normal(1, 3 * rows), rows, 3));
                double loss = q.loss();
                q.close();
                q.close();
                assertTrue(assertThrows(IllegalStateException.class, q::sampleLosses)
                        .getMessage()
                        .contains("closed"));
                assertEquals(loss, q.loss());
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void theLowestCodeWinsATie(Backend backend) {
        try (VectorQuant layer =
                VectorQuant.builder(2, 4).dim(-1).backend(backend).build()) {
            layer.setCodebook(Tensor.of(new float[] {5, 5, 1, 0, -1, 0, -5, -5}, 4, 2));
            assertArrayEquals(
                    new int[] {1},
                    layer.encode(Tensor.of(new float[] {0, 0}, 1, 2)).toIntArray());
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void inferenceChangesNothing(Backend backend) {
        for (Norm norm : List.of(Norm.NONE, Norm.BATCH)) {
            for (CodebookNorm codebookNorm : CodebookNorm.values()) {
                try (VectorQuant layer = VectorQuant.builder(6, 10)
                        .norm(norm)
                        .codebookNorm(codebookNorm)
                        .statisticsAffine(true)
                        .kmeansInit(true)
                        .replaceFreq(1)
                        .backend(backend)
                        .build()) {
                    layer.forward(batch(1)).close();
                    layer.eval();
                    float[] codebook = layer.codebook().toFloatArray();
                    float[] inputMean = layer.runningMoments().orElseThrow().inputMean();
                    int[] counters = layer.lifeCounters();
                    int[] codes = layer.encode(batch(2)).toIntArray();
                    try (Quantized first = layer.forward(batch(2));
                            Quantized between = layer.forward(batch(3));
                            Quantized second = layer.forward(batch(2))) {
                        assertArrayEquals(codes, first.codes().toIntArray());
                        assertArrayEquals(
                                first.output().toFloatArray(), second.output().toFloatArray());
                        assertEquals(0, between.replacedCodes());
                    }
                    assertArrayEquals(codebook, layer.codebook().toFloatArray());
                    assertArrayEquals(
                            inputMean, layer.runningMoments().orElseThrow().inputMean());
                    assertArrayEquals(counters, layer.lifeCounters());
                    assertFalse(layer.isTraining());
                    assertTrue(layer.train().isTraining());
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void encodeThenDecodeGivesTheOutputOfInference(Backend backend) {
        for (int dim : new int[] {0, 1, 2, -1}) {
            int axis = dim < 0 ? 3 + dim : dim;
            long[] shape = {5, 5, 5};
            shape[axis] = 6;
            try (VectorQuant layer = VectorQuant.builder(6, 10)
                    .dim(dim)
                    .affineLr(2)
                    .codebookNorm(CodebookNorm.UNIT)
                    .backend(backend)
                    .build()) {
                layer.eval();
                Tensor z = Tensor.of(normal(1, 150), shape);
                try (Quantized q = layer.forward(z);
                        Tensor codes = layer.encode(z);
                        Tensor rows = layer.decode(codes)) {
                    assertArrayEquals(new long[] {5, 5}, codes.shape());
                    assertArrayEquals(shape, rows.shape());
                    assertArrayEquals(q.codes().toIntArray(), codes.toIntArray());
                    assertArrayEquals(q.output().toFloatArray(), rows.toFloatArray());
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void outputIsTheEffectiveCodeBitForBit(Backend backend) {
        try (VectorQuant layer =
                VectorQuant.builder(6, 10).dim(-1).affineLr(3).backend(backend).build()) {
            Backends.write(Backends.parameter(layer, "affine.scale"), normal(3, 6));
            Backends.write(Backends.parameter(layer, "affine.bias"), normal(4, 6));
            try (Quantized q = layer.forward(Tensor.of(normal(1, 60), 10, 6));
                    Tensor effective = layer.effectiveCodebook()) {
                int[] codes = q.codes().toIntArray();
                float[] output = q.output().toFloatArray();
                float[] codebook = effective.toFloatArray();
                for (int n = 0; n < 10; n++) {
                    assertArrayEquals(
                            Arrays.copyOfRange(codebook, codes[n] * 6, codes[n] * 6 + 6),
                            Arrays.copyOfRange(output, n * 6, n * 6 + 6));
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void firstTrainingBatchInitialisesByKmeans(Backend backend) {
        try (VectorQuant layer = VectorQuant.builder(6, 8)
                        .kmeansInit(true)
                        .seed(5)
                        .backend(backend)
                        .build();
                KMeansResult expected =
                        KMeans.builder(8).seed(5).backend(backend).build().fit(batch(1), 1)) {
            float[] random = layer.codebook().toFloatArray();
            layer.eval().forward(batch(1)).close();
            assertArrayEquals(random, layer.codebook().toFloatArray(), "inference does not initialise");
            try (Quantized q = layer.train().forward(batch(1))) {
                assertArrayEquals(
                        expected.codebook().toFloatArray(), layer.codebook().toFloatArray());
                assertEquals(expected.objective(), q.loss());
                assertEquals(8, q.activeCodes());
            }
            layer.forward(batch(2)).close();
            assertArrayEquals(
                    expected.codebook().toFloatArray(), layer.codebook().toFloatArray(), "only once");
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void initialisationWithFewerRowsThanCodesGivesAllCodes(Backend backend) {
        try (VectorQuant layer = VectorQuant.builder(6, 50)
                .dim(-1)
                .kmeansInit(true)
                .backend(backend)
                .build()) {
            try (Quantized q = layer.forward(Tensor.of(normal(1, 18), 3, 6))) {
                assertEquals(3, q.activeCodes());
                assertTrue(q.loss() < 1e-4, "loss " + q.loss());
            }
            assertArrayEquals(new long[] {50, 6}, layer.codebook().shape());
        }
    }

    /** The replaced code's effective vector is a row of the batch, up to noise of a hundredth of its length. */
    @ParameterizedTest
    @MethodSource("backends")
    void replacedCodesLandOnRowsThroughTheAffine(Backend backend) {
        try (VectorQuant layer = VectorQuant.builder(6, 30)
                .dim(-1)
                .affineLr(2)
                .affineGroups(3)
                .replaceFreq(1)
                .backend(backend)
                .build()) {
            Backends.write(Backends.parameter(layer, "affine.scale"), normal(3, 18));
            Backends.write(Backends.parameter(layer, "affine.bias"), normal(4, 18));
            float[] before = layer.codebook().toFloatArray();
            float[] z = normal(1, 12);
            int[] codes;
            try (Quantized q = layer.forward(Tensor.of(z, 2, 6))) {
                codes = q.codes().toIntArray();
                assertEquals(30 - q.activeCodes(), q.replacedCodes());
            }
            double[][] rows = new Layout(new long[] {2, 6}, 1).rowsOf(z);
            double[][] effective = new Layout(new long[] {30, 6}, 1)
                    .rowsOf(layer.effectiveCodebook().toFloatArray());
            int[] replaced = layer.replacedCodes();
            int[] expected = IntStream.range(0, 30)
                    .filter(k -> Arrays.stream(codes).noneMatch(code -> code == k))
                    .toArray();
            assertArrayEquals(expected, replaced);
            boolean[] chosen = new boolean[2];
            for (int k : replaced) {
                double toFirst = ReferenceVectorQuant.squared(effective[k], rows[0]);
                double toSecond = ReferenceVectorQuant.squared(effective[k], rows[1]);
                int near = toFirst < toSecond ? 0 : 1;
                double length = Math.sqrt(ReferenceVectorQuant.squared(rows[near], new double[6]));
                double distance = Math.sqrt(Math.min(toFirst, toSecond));
                assertTrue(distance > 0 && distance < 0.05 * length, "code " + k + " is " + distance + " away");
                chosen[near] = true;
            }
            assertTrue(chosen[0] && chosen[1], "both rows are drawn");
            float[] after = layer.codebook().toFloatArray();
            for (int code : codes) {
                assertEquals(before[code * 6], after[code * 6], "used codes stay");
            }
        }
    }

    /** The gradients of a batch are those of the codebook that quantized it, though codes were replaced since. */
    @ParameterizedTest
    @MethodSource("backends")
    void replacementDoesNotDisturbTheBackward(Backend backend) {
        float[][] gradients = new float[2][];
        for (int replaceFreq = 0; replaceFreq < 2; replaceFreq++) {
            try (VectorQuant layer = VectorQuant.builder(6, 30)
                    .affineLr(1)
                    .syncNu(1)
                    .replaceFreq(replaceFreq)
                    .backend(backend)
                    .build()) {
                try (Quantized q = layer.forward(Tensor.of(normal(1, 60), 10, 6))) {
                    assertEquals(replaceFreq == 1, q.replacedCodes() > 0);
                }
                layer.backward(Tensor.of(normal(2, 60), 10, 6), 1).close();
                float[] codebook =
                        Backends.parameter(layer, "codebook").gradient().toFloatArray();
                float[] scale =
                        Backends.parameter(layer, "affine.scale").gradient().toFloatArray();
                gradients[replaceFreq] = Arrays.copyOf(codebook, codebook.length + scale.length);
                System.arraycopy(scale, 0, gradients[replaceFreq], codebook.length, scale.length);
            }
        }
        assertArrayEquals(gradients[0], gradients[1]);
    }

    /** A forward that fails leaves the pending backward of the one before as it was. */
    @ParameterizedTest
    @MethodSource("backends")
    void aFailedForwardDoesNotDisturbTheBackward(Backend backend) {
        try (VectorQuant layer =
                VectorQuant.builder(6, 10).norm(Norm.BATCH).backend(backend).build()) {
            layer.forward(batch(1)).close();
            float[] expected = layer.backward(batch(2), 1).input().toFloatArray();
            layer.forward(batch(1)).close();
            float[] bad = normal(3, 360);
            bad[100] = Float.POSITIVE_INFINITY;
            assertThrows(NotFiniteException.class, () -> layer.forward(Tensor.of(bad, SHAPE)));
            assertArrayEquals(expected, layer.backward(batch(2), 1).input().toFloatArray());
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void aNullGradientIsZero(Backend backend) {
        try (VectorQuant layer =
                VectorQuant.builder(6, 10).syncNu(2).backend(backend).build()) {
            layer.forward(batch(1)).close();
            float[] absent = layer.backward(null, 1).input().toFloatArray();
            float[] codebook = Backends.parameter(layer, "codebook").gradient().toFloatArray();
            layer.forward(batch(1)).close();
            float[] zero =
                    layer.backward(Tensor.of(new float[360], SHAPE), 1).input().toFloatArray();
            assertArrayEquals(zero, absent);
            assertArrayEquals(Backends.parameter(layer, "codebook").gradient().toFloatArray(), codebook);
        }
    }

    /** Heap arrays, direct buffers, pointers and addresses hold the same numbers: the same results, also as outputs. */
    @ParameterizedTest
    @MethodSource("backends")
    void everyKindOfTensorGivesTheSame(Backend backend) {
        float[] values = normal(1, 360);
        FloatBuffer buffer = direct(360).put(values).flip();
        try (FloatPointer pointer = new FloatPointer(values);
                VectorQuant layer = VectorQuant.builder(6, 10).backend(backend).build();
                Quantized expected = layer.forward(Tensor.of(values, SHAPE))) {
            float[] rows = expected.output().toFloatArray();
            float[] gradient =
                    layer.backward(Tensor.of(values, SHAPE), 1).input().toFloatArray();
            for (Tensor z : List.of(
                    Tensor.of(buffer, SHAPE),
                    Tensor.of(pointer, SHAPE),
                    Tensor.ofAddress(pointer.address(), Device.HOST, SHAPE))) {
                try (Quantized q = layer.forward(z)) {
                    assertArrayEquals(rows, q.output().toFloatArray());
                    assertEquals(Device.HOST, q.output().device());
                }
                assertArrayEquals(gradient, layer.backward(z, 1).input().toFloatArray());
            }
            float[] heap = new float[360];
            FloatBuffer off = direct(360);
            for (Tensor output : List.of(Tensor.of(heap, SHAPE), Tensor.of(off, SHAPE))) {
                layer.forward(Tensor.of(values, SHAPE), output).close();
                assertArrayEquals(rows, output.toFloatArray(), "an output of the caller's stays open");
                layer.backward(Tensor.of(values, SHAPE), 1, output).close();
                assertArrayEquals(gradient, output.toFloatArray());
            }
            assertEquals(gradient[7], off.get(7));
            assertEquals(gradient[7], heap[7]);
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void theGradientMayBeReplacedInPlace(Backend backend) {
        for (Norm norm : List.of(Norm.NONE, Norm.UNIT)) {
            try (VectorQuant layer = VectorQuant.builder(6, 10)
                    .norm(norm)
                    .syncNu(1)
                    .backend(backend)
                    .build()) {
                layer.forward(batch(1)).close();
                float[] expected = layer.backward(batch(2), 1).input().toFloatArray();
                float[] codebook =
                        Backends.parameter(layer, "codebook").gradient().toFloatArray();
                layer.forward(batch(1)).close();
                FloatBuffer memory = direct(360).put(normal(2, 360)).flip();
                Tensor gradient = Tensor.of(memory, SHAPE);
                layer.backward(gradient, 1, gradient).close();
                assertArrayEquals(expected, gradient.toFloatArray());
                assertArrayEquals(
                        codebook,
                        Backends.parameter(layer, "codebook").gradient().toFloatArray());
            }
        }
    }

    /** On a CUDA backend tensors in its memory are used in place and results stay there. */
    @ParameterizedTest
    @MethodSource("backends")
    void tensorsOfTheBackendsOwnMemoryStayThere(Backend backend) {
        try (VectorQuant layer = VectorQuant.builder(6, 10).backend(backend).build();
                Tensor z = Tensor.allocate(backend.kernels(), DataType.FLOAT32, SHAPE);
                Quantized expected = layer.forward(batch(1))) {
            backend.kernels().write(normal(1, 360), z.floats());
            try (Quantized q = layer.forward(z);
                    Tensor codes = layer.encode(z);
                    Tensor rows = layer.decode(codes)) {
                assertEquals(backend.device(), q.output().device());
                assertEquals(backend.device(), rows.device());
                assertEquals(backend.device(), layer.codebook().device());
                assertArrayEquals(expected.codes().toIntArray(), codes.toIntArray());
                assertArrayEquals(expected.output().toFloatArray(), rows.toFloatArray());
            }
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void severalThreadsMayEncode(Backend backend) throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(4);
        try (VectorQuant layer = VectorQuant.builder(6, 40)
                .norm(Norm.INSTANCE)
                .statisticsAffine(true)
                .backend(backend)
                .build()) {
            layer.forward(batch(0)).close();
            int[][] expected = new int[8][];
            for (int i = 0; i < 8; i++) {
                expected[i] = layer.encode(batch(i)).toIntArray();
            }
            List<Callable<int[]>> tasks = IntStream.range(0, 64)
                    .<Callable<int[]>>mapToObj(
                            i -> () -> layer.encode(batch(i % 8)).toIntArray())
                    .toList();
            List<Future<int[]>> found = threads.invokeAll(tasks);
            for (int i = 0; i < 64; i++) {
                assertArrayEquals(expected[i % 8], found.get(i).get());
            }
        } finally {
            threads.shutdown();
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void theCodebookStartsNormalAndSeeded(Backend backend) {
        try (VectorQuant first =
                        VectorQuant.builder(16, 1024).seed(7).backend(backend).build();
                VectorQuant second =
                        VectorQuant.builder(16, 1024).seed(8).backend(backend).build()) {
            float[] values = first.codebook().toFloatArray();
            assertNotEquals(values[0], second.codebook().toFloatArray()[0]);
            double sum = 0;
            double squares = 0;
            for (float value : values) {
                sum += value;
                squares += value * value;
            }
            // 16384 numbers: five standard errors.
            assertEquals(0, sum / values.length, 5 / 128.0);
            assertEquals(1, squares / values.length, 5 * Math.sqrt(2) / 128.0);
            assertSame(first.codebook(), first.parameters().get(0).value());
        }
    }

    private static Tensor batch(int seed) {
        return Tensor.of(normal(seed, 360), SHAPE);
    }

    private static FloatBuffer direct(int count) {
        return ByteBuffer.allocateDirect(count * Float.BYTES)
                .order(ByteOrder.nativeOrder())
                .asFloatBuffer();
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
