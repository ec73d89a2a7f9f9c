package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.vq4j.internal.CudaKernels;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.UnaryOperator;
import org.bytedeco.javacpp.LongPointer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Passes of device tensors: the host does not wait, graphs are used again, and failures arrive later, but arrive. */
class AsynchronousPassTest {
    static final int FEATURES = 16;
    private static final int CODES = 40;
    static final int ROWS = 300;
    static final int[] LEVELS = {4, 3, 5, 2, 2, 2, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2};

    /** What batches of the test's thread have done; the garbage collector has one of its own. */
    record Counts(long graphsMade, long graphsLaunched, long waits) {
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

    static float[] numbers(int seed) {
        Random random = new Random(seed);
        float[] values = new float[ROWS * FEATURES];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }

    static Tensor onDevice(float[] values) {
        return onDevice(values, ROWS);
    }

    private static Tensor onDevice(float[] values, int rows) {
        return onDevice(Backend.cuda(0), values, rows);
    }

    private static Tensor onDevice(Backend backend, float[] values, int rows) {
        Tensor tensor = Tensor.allocate(backend.kernels(), DataType.FLOAT32, rows, FEATURES);
        Tensor.of(values, rows, FEATURES).copyTo(backend.kernels(), tensor.floats());
        return tensor;
    }

    @Test
    void forwardBackwardAndStepWaitForNothing() {
        try (VectorQuant layer = layer(Backend.cuda(0), b -> b.affineLr(1).syncNu(2));
                Optimizer optimizer = Optimizer.adam(0.01);
                Tensor z = onDevice(numbers(1));
                Tensor gradient = onDevice(numbers(2))) {
            for (int step = 0; step < 4; step++) {
                long waits = Counts.now().waits();
                Quantized result = layer.forward(z);
                Gradients gradients = layer.backward(gradient, 1);
                optimizer.step(layer);
                assertEquals(waits, Counts.now().waits(), "waits inside of forward, backward and step");
                result.loss();
                result.perplexity();
                result.close();
                gradients.close();
                assertTrue(Counts.now().waits() <= waits + 2, "numbers that have arrived are not waited for");
            }
        }
    }

    /** The default stream by its other name, which makes it a stream of the caller's. */
    private static Backend onAnotherStream() {
        return Backend.cuda(0).onStream(1);
    }

    @Test
    void passesOnAnotherStreamWaitForNothingNorDoTheirResults() {
        Backend stream = onAnotherStream();
        try (VectorQuant layer = layer(stream, b -> b.affineLr(1).syncNu(2));
                Optimizer optimizer = Optimizer.adam(0.01);
                Tensor z = onDevice(stream, numbers(1), ROWS);
                Tensor gradient = onDevice(stream, numbers(2), ROWS)) {
            for (int step = 0; step < 4; step++) {
                long waits = Counts.now().waits();
                Quantized result = layer.forward(z);
                Gradients gradients = layer.backward(gradient, 1);
                optimizer.step(layer);
                result.close();
                gradients.close();
                assertEquals(waits, Counts.now().waits(), "waits of step " + step);
            }
        }
        stream.forgetStream();
    }

    @Test
    void resultsThatAnotherStreamTakesGoBackWhenTheDeviceIsDone() {
        try (VectorQuant first = layer(Backend.cuda(0), b -> b);
                VectorQuant second = layer(onAnotherStream(), b -> b);
                Tensor z = onDevice(numbers(1))) {
            Tensor output = first.forward(z).output();
            second.forward(output).close();
            long waits = Counts.now().waits();
            output.close();
            assertEquals(waits + 1, Counts.now().waits());
        }
        onAnotherStream().forgetStream();
    }

    @Test
    void resultsWhoseAddressIsTakenGoBackWhenTheDeviceIsDone() {
        Backend stream = onAnotherStream();
        Tensor tensor = onDevice(stream, numbers(1), ROWS);
        tensor.reshape(FEATURES, ROWS).address();
        long waits = Counts.now().waits();
        tensor.close();
        assertEquals(waits + 1, Counts.now().waits());
        stream.forgetStream();
    }

    @Test
    void resultsAreClosedAfterTheirStreamIsForgotten() {
        Backend stream = onAnotherStream();
        Tensor tensor = onDevice(stream, numbers(1), ROWS);
        stream.forgetStream();
        long waits = Counts.now().waits();
        tensor.close();
        assertEquals(waits + 1, Counts.now().waits());
    }

    @Test
    void passesOfAShapeThatComesAgainAreAGraphEach() {
        try (VectorQuant layer = layer(Backend.cuda(0), b -> b);
                Tensor z = onDevice(numbers(1));
                Tensor gradient = onDevice(numbers(2))) {
            assertAGraphForEachPassAfter(2, layer, z, gradient);
        }
    }

    @Test
    void passesThatReplaceCodesAndMoveAveragesAreAGraphEachToo() {
        UnaryOperator<VectorQuant.Builder> options = b -> b.ema(0.9)
                .emaExpiry(1)
                .replaceFreq(1)
                .replacementPolicy(ReplacementPolicy.FARTHEST_INPUT)
                .norm(Norm.BATCH);
        try (VectorQuant layer = layer(Backend.cuda(0), options);
                Tensor z = onDevice(numbers(1));
                Tensor gradient = onDevice(numbers(2))) {
            assertAGraphForEachPassAfter(4, layer, z, gradient);
        }
    }

    private static void assertAGraphForEachPassAfter(int steps, VectorQuant layer, Tensor z, Tensor gradient) {
        train(layer, z, gradient, steps);
        Counts before = Counts.now();
        train(layer, z, gradient, 3);
        assertEquals(before.graphsMade(), Counts.now().graphsMade());
        assertEquals(before.graphsLaunched() + 6, Counts.now().graphsLaunched());
    }

    private static void train(VectorQuant layer, Tensor z, Tensor gradient, int steps) {
        for (int step = 0; step < steps; step++) {
            layer.forward(z).close();
            layer.backward(gradient, 1).close();
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
    void theOptimiserThrowsWhatIsKnownToBeWrongAndChangesNothing() {
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
            layer.state(); // waits, and throws nothing
            NotFiniteException ofGradient = assertThrows(NotFiniteException.class, () -> optimizer.step(layer));
            assertEquals("gradient", ofGradient.tensor());
            assertEquals(9, ofGradient.row());
            assertThrows(IllegalStateException.class, () -> optimizer.step(layer), "there is no gradient");

            Quantized result = layer.forward(badZ);
            layer.backward(good, 1).close();
            assertThrows(NotFiniteException.class, result::loss);
            NotFiniteException ofForward = assertThrows(NotFiniteException.class, () -> optimizer.step(layer));
            assertEquals("z", ofForward.tensor());
            assertArrayEquals(before, layer.codebook().toFloatArray());

            layer.forward(z).close();
            layer.backward(good, 1).close();
            optimizer.step(layer);
        }
    }

    /** Steps of Adam count: those that are not made must not. */
    @Test
    void stepsOfPassesThatFailAreNotMadeAndNotCounted() {
        float[] gradient = numbers(2);
        gradient[9 * FEATURES] = Float.POSITIVE_INFINITY;
        float[] rows = numbers(1);
        rows[5 * FEATURES] = Float.NaN;
        try (VectorQuant layer = layer(Backend.cuda(0), b -> b.affineLr(1));
                VectorQuant other = layer(Backend.cuda(0), b -> b);
                VectorQuant expected = layer(Backend.cpu(), b -> b.affineLr(1));
                Optimizer optimizer = Optimizer.adam(0.1);
                Optimizer expectedOptimizer = Optimizer.adam(0.1);
                Tensor z = onDevice(numbers(1));
                Tensor badZ = onDevice(rows);
                Tensor good = onDevice(numbers(2));
                Tensor bad = onDevice(gradient)) {
            List<Parameter> all = new ArrayList<>(layer.parameters());
            all.addAll(other.parameters());
            float[] before = other.codebook().toFloatArray();
            other.forward(z).close();
            other.backward(good, 1).close();
            for (List<Tensor> pass :
                    List.of(List.of(z, good), List.of(badZ, good), List.of(z, bad), List.of(z, good))) {
                layer.forward(pass.get(0)).close();
                layer.backward(pass.get(1), 1).close();
                if (pass.contains(badZ) || pass.contains(bad)) {
                    optimizer.step(all); // one bad gradient, and nothing is changed
                } else {
                    optimizer.step(layer);
                    expected.forward(Tensor.of(numbers(1), ROWS, FEATURES)).close();
                    expected.backward(Tensor.of(numbers(2), ROWS, FEATURES), 1).close();
                    expectedOptimizer.step(expected);
                }
            }
            for (int i = 0; i < expected.parameters().size(); i++) {
                assertArrayEquals(
                        expected.parameters().get(i).value().toFloatArray(),
                        layer.parameters().get(i).value().toFloatArray());
            }
            assertArrayEquals(before, other.codebook().toFloatArray());
            List<String> failures = new ArrayList<>();
            for (int pass = 0; pass < 2 * UnfinishedBatches.MOST; pass++) {
                try {
                    layer.forward(z).close();
                } catch (NotFiniteException failure) {
                    failures.add(failure.tensor() + " " + failure.row());
                }
            }
            assertEquals(List.of("z 5", "gradient 9"), failures);
        }
    }

    /** Shared groups and estimators compute on the vectors of the rows. */
    @Test
    void aBadGradientOfAGroupIsOfTheRowThatItBelongsTo() {
        float[] gradient = numbers(2);
        gradient[9 * FEATURES + FEATURES - 1] = Float.NaN;
        List<UnaryOperator<GroupVectorQuant.Builder>> options =
                List.of(b -> b.share(true), b -> b.gradientEstimator(GradientEstimator.ROTATION), b -> b);
        for (UnaryOperator<GroupVectorQuant.Builder> each : options) {
            for (Backend backend : List.of(Backend.cpu(), Backend.cuda(0))) {
                try (GroupVectorQuant layer = each.apply(GroupVectorQuant.builder(FEATURES, CODES, 4)
                                        .dim(-1)
                                        .backend(backend))
                                .build();
                        Tensor z = onDevice(numbers(1));
                        Tensor bad = onDevice(gradient)) {
                    boolean onCpu = backend.equals(Backend.cpu());
                    layer.forward(onCpu ? Tensor.of(numbers(1), ROWS, FEATURES) : z)
                            .close();
                    NotFiniteException failure = assertThrows(NotFiniteException.class, () -> {
                        layer.backward(onCpu ? Tensor.of(gradient, ROWS, FEATURES) : bad, 1)
                                .close();
                        layer.parameters().get(0).gradient();
                    });
                    assertEquals("gradient", failure.tensor());
                    assertEquals(9, failure.row());
                }
            }
        }
    }

    /** Fewer rows than codes: the lives of unused codes, four passes, end in the fourth and the eighth. */
    @Test
    void clustersForUnusedCodesAreWaitedForWhereALifeMayEnd() {
        UnaryOperator<VectorQuant.Builder> options =
                b -> b.replaceFreq(4).replacementPolicy(ReplacementPolicy.KMEANS_INPUT);
        float[] rows = Arrays.copyOf(numbers(1), 4 * FEATURES);
        List<Integer> waited = new ArrayList<>();
        try (VectorQuant layer = layer(Backend.cuda(0), options);
                VectorQuant onCpu = layer(Backend.cpu(), options);
                Tensor z = onDevice(rows, 4)) {
            for (int pass = 1; pass <= 9; pass++) {
                long waits = Counts.now().waits();
                layer.forward(z).close();
                if (Counts.now().waits() > waits) {
                    waited.add(pass);
                }
                onCpu.forward(Tensor.of(rows, 4, FEATURES)).close();
                if (pass == 6) {
                    layer.restore(layer.state()); // of whose lives nothing is known yet
                }
            }
            assertArrayEquals(onCpu.codebook().toFloatArray(), layer.codebook().toFloatArray());
            assertArrayEquals(onCpu.lifeCounters(), layer.lifeCounters());
        }
        assertEquals(List.of(1, 4, 7, 8), waited);
    }

    @Test
    void miniBatchesOfKMeansAreWaitedForOnceAnEpoch() {
        KMeans.Builder fit = KMeans.builder(5).batchSize(50).maxIterations(24).tolerance(0);
        try (Tensor z = onDevice(numbers(1))) {
            fit.backend(Backend.cuda(0)).build().fit(z, -1).codebook().close();
            long waits = Counts.now().waits();
            KMeansResult result = fit.build().fit(z, -1);
            long ofFit = Counts.now().waits() - waits;
            KMeansResult expected = fit.backend(Backend.cpu()).build().fit(Tensor.of(numbers(1), ROWS, FEATURES), -1);
            assertEquals(expected.iterations(), result.iterations());
            assertEquals(expected.objective(), result.objective());
            assertArrayEquals(
                    expected.codebook().toFloatArray(), result.codebook().toFloatArray());
            assertTrue(ofFit <= 4 + 6, "epochs of 6 mini-batches, and what comes before and after: " + ofFit);
            result.codebook().close();
            expected.codebook().close();
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
    void layersWithoutACodebookWaitForNothing() {
        Backend cuda = Backend.cuda(0);
        try (FiniteScalarQuant levels =
                        FiniteScalarQuant.builder(LEVELS).dim(-1).backend(cuda).build();
                LookupFreeQuant signs = LookupFreeQuant.builder(FEATURES)
                        .dim(-1)
                        .spherical(true)
                        .backend(cuda)
                        .build();
                FiniteScalarQuant levelsOnCpu = levels.copy(Backend.cpu());
                LookupFreeQuant signsOnCpu = signs.copy(Backend.cpu());
                Tensor z = onDevice(numbers(1));
                Tensor gradient = onDevice(numbers(2))) {
            Tensor hostZ = Tensor.of(numbers(1), ROWS, FEATURES);
            Tensor hostGradient = Tensor.of(numbers(2), ROWS, FEATURES);
            for (int step = 0; step < 4; step++) {
                long waits = Counts.now().waits();
                FiniteScalarQuantized ofLevels = levels.forward(z);
                Gradients gradientsOfLevels = levels.backward(gradient);
                LookupFreeQuantized ofSigns = signs.forward(z);
                Gradients gradientsOfSigns = signs.backward(gradient, 2);
                assertEquals(waits, Counts.now().waits());
                assertTrue(ofLevels.perplexity() > 1);
                assertTrue(ofSigns.loss() != 0);
                assertEquals(waits + 2, Counts.now().waits());
                try (FiniteScalarQuantized expected = levelsOnCpu.forward(hostZ);
                        Gradients expectedGradients = levelsOnCpu.backward(hostGradient)) {
                    assertEquals(expected.perplexity(), ofLevels.perplexity());
                    assertEquals(expected.activeCodes(), ofLevels.activeCodes());
                    assertArrayEquals(
                            expected.output().toFloatArray(), ofLevels.output().toFloatArray());
                    assertArrayEquals(
                            expectedGradients.input().toFloatArray(),
                            gradientsOfLevels.input().toFloatArray());
                }
                try (LookupFreeQuantized expected = signsOnCpu.forward(hostZ);
                        Gradients expectedGradients = signsOnCpu.backward(hostGradient, 2)) {
                    assertEquals(expected.loss(), ofSigns.loss());
                    assertEquals(expected.commitmentLoss(), ofSigns.commitmentLoss());
                    assertEquals(expected.sampleEntropy(), ofSigns.sampleEntropy());
                    assertEquals(expected.batchEntropy(), ofSigns.batchEntropy());
                    assertEquals(expected.perplexity(), ofSigns.perplexity());
                    assertEquals(expected.activeCodes(), ofSigns.activeCodes());
                    assertArrayEquals(
                            expected.output().toFloatArray(), ofSigns.output().toFloatArray());
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
    void aLayerWithoutACodebookThrowsWhenItsNumbersAreAskedForOrLater() {
        float[] rows = numbers(1);
        rows[7 * FEATURES + 3] = Float.NaN;
        float[] bad = numbers(2);
        bad[9 * FEATURES] = Float.POSITIVE_INFINITY;
        try (LookupFreeQuant layer = LookupFreeQuant.builder(FEATURES)
                        .dim(-1)
                        .backend(Backend.cuda(0))
                        .build();
                Tensor z = onDevice(numbers(1));
                Tensor badZ = onDevice(rows);
                Tensor badGradient = onDevice(bad)) {
            try (LookupFreeQuantized result = layer.forward(badZ)) {
                NotFiniteException failure = assertThrows(NotFiniteException.class, result::loss);
                assertEquals("z", failure.tensor());
                assertEquals(7, failure.row());
                assertThrows(NotFiniteException.class, result::activeCodes);
            }
            assertThrows(NotFiniteException.class, () -> layer.encode(badZ));

            layer.forward(z).close();
            layer.backward(badGradient, 1).close();
            List<NotFiniteException> thrown = new ArrayList<>();
            for (int pass = 0; pass < 20; pass++) {
                try {
                    layer.forward(z).close();
                } catch (NotFiniteException failure) {
                    thrown.add(failure);
                }
            }
            assertEquals(1, thrown.size());
            assertEquals("gradient", thrown.get(0).tensor());
            assertEquals(9, thrown.get(0).row());
        }
    }

    @Test
    void encodeAndDecodeWaitOnce() {
        try (ResidualVectorQuant layer = ResidualVectorQuant.builder(FEATURES, CODES, 4)
                        .dim(-1)
                        .backend(Backend.cuda(0))
                        .build();
                Tensor z = onDevice(numbers(1))) {
            long before = Counts.now().waits();
            Tensor codes = layer.encode(z);
            assertEquals(before + 1, Counts.now().waits());
            Tensor decoded = layer.decode(codes);
            assertEquals(before + 2, Counts.now().waits());
            int[] wrong = codes.toIntArray();
            wrong[4 * 7 + 2] = CODES;
            IllegalArgumentException failure =
                    assertThrows(IllegalArgumentException.class, () -> layer.decode(Tensor.of(wrong, ROWS, 4)));
            assertTrue(failure.getMessage().contains("code"), failure.getMessage());
            codes.close();
            decoded.close();
        }
    }

    @Test
    void averagesThatOverflowAreNotTakenOver() {
        float[] rows = numbers(1);
        for (int d = 0; d < 40 * FEATURES; d++) {
            rows[d] = 3e38f; // of rows that have the same code, whose sum is infinite
        }
        try (VectorQuant layer = layer(Backend.cuda(0), b -> b.ema(0.9));
                VectorQuant onCpu = layer(Backend.cpu(), b -> b.ema(0.9));
                Tensor z = onDevice(numbers(1));
                Tensor large = onDevice(rows)) {
            layer.forward(z).close();
            onCpu.forward(Tensor.of(numbers(1), ROWS, FEATURES)).close();
            float[] before = layer.codebook().toFloatArray();
            NotFiniteException expected =
                    assertThrows(NotFiniteException.class, () -> onCpu.forward(Tensor.of(rows, ROWS, FEATURES)));
            try (Quantized result = layer.forward(large)) {
                NotFiniteException failure = assertThrows(NotFiniteException.class, result::loss);
                assertEquals("moving average of the codebook", failure.tensor());
                assertEquals(expected.getMessage(), failure.getMessage());
            }
            assertArrayEquals(before, layer.codebook().toFloatArray());
            assertEquals(onCpu.state().numbers(), layer.state().numbers());
        }
    }

    @Test
    void runningMomentsStartWithTheFirstPassThatSucceeds() {
        float[] rows = numbers(2);
        rows[5 * FEATURES] = Float.NaN;
        try (VectorQuant layer = layer(Backend.cuda(0), b -> b.statisticsAffine(true));
                VectorQuant onCpu = layer(Backend.cpu(), b -> b.statisticsAffine(true));
                Tensor z = onDevice(numbers(1));
                Tensor badZ = onDevice(rows)) {
            layer.forward(badZ).close();
            layer.forward(z).close();
            onCpu.forward(Tensor.of(numbers(1), ROWS, FEATURES)).close();
            RunningMoments expected = onCpu.runningMoments().orElseThrow();
            RunningMoments moments = layer.runningMoments().orElseThrow();
            assertArrayEquals(expected.inputMean(), moments.inputMean());
            assertArrayEquals(expected.inputVariance(), moments.inputVariance());
            assertEquals(onCpu.state().numbers(), layer.state().numbers());
        }
    }

    /** What a pass tells of how long codes are to live holds for one that succeeds, for all of its codebooks, alone. */
    @Test
    void aPassThatFailsForOneCodebookDoesNotPutOffReplacementsOfAnother() {
        float[] all = {0, 10, 20, 30};
        float[] three = {0, 10, 20};
        float[] good = ofTwoGroups(three, all);
        float[] bad = ofTwoGroups(all, new float[] {3e38f}); // the sum of the second group's rows is infinite
        try (GroupVectorQuant onCpu = ofTwoGroups(Backend.cpu(), all);
                GroupVectorQuant onCuda = ofTwoGroups(Backend.cuda(0), all);
                Tensor z = onDevice(good);
                Tensor badZ = onDevice(bad)) {
            Tensor hostZ = Tensor.of(good, ROWS, FEATURES);
            for (int pass = 0; pass < 2; pass++) {
                onCpu.forward(hostZ).close();
                onCuda.forward(z).close();
            }
            assertThrows(NotFiniteException.class, () -> onCpu.forward(Tensor.of(bad, ROWS, FEATURES)));
            onCpu.forward(hostZ).close();
            List<String> failures = new ArrayList<>();
            for (Tensor rows : List.of(badZ, z)) {
                try {
                    onCuda.forward(rows).close(); // without a look at its numbers
                } catch (NotFiniteException failure) {
                    failures.add(failure.tensor());
                }
            }
            assertArrayEquals(new int[] {3}, onCpu.replacedCodes());
            assertArrayEquals(new int[] {3}, onCuda.replacedCodes());
            assertArrayEquals(
                    onCpu.codebook(0).toFloatArray(), onCuda.codebook(0).toFloatArray());
            assertEquals(List.of("moving average of the codebook"), failures, "which is waited for");
        }
    }

    /** Codes that are averages, and replaced by a centroid when unused for three passes; both groups start with these values. */
    private static GroupVectorQuant ofTwoGroups(Backend backend, float[] codes) {
        GroupVectorQuant layer = GroupVectorQuant.builder(FEATURES, 2 * codes.length, 2)
                .dim(-1)
                .ema(0.9)
                .replaceFreq(3)
                .replacementPolicy(ReplacementPolicy.KMEANS_INPUT)
                .backend(backend)
                .build();
        float[] values = new float[codes.length * FEATURES / 2];
        for (int i = 0; i < values.length; i++) {
            values[i] = codes[i / (FEATURES / 2)];
        }
        for (int group = 0; group < 2; group++) {
            layer.setCodebook(group, Tensor.of(values, codes.length, FEATURES / 2));
        }
        return layer;
    }

    /** Rows whose features of a group are one of these values, in turn. */
    private static float[] ofTwoGroups(float[] first, float[] second) {
        float[] values = new float[ROWS * FEATURES];
        for (int i = 0; i < values.length; i++) {
            int row = i / FEATURES;
            values[i] = i % FEATURES < FEATURES / 2 ? first[row % first.length] : second[row % second.length];
        }
        return values;
    }

    @Test
    void aPassAfterOneThatFailedUnseenIsWhatItIsWithoutThatOne() {
        float[] rows = numbers(1);
        rows[5 * FEATURES] = Float.NaN;
        try (VectorQuant layer = layer(Backend.cuda(0), b -> b.ema(0.9).norm(Norm.BATCH));
                VectorQuant onCpu = layer(Backend.cpu(), b -> b.ema(0.9).norm(Norm.BATCH));
                Tensor z = onDevice(numbers(1));
                Tensor badZ = onDevice(rows)) {
            layer.forward(z).close();
            layer.forward(badZ).close();
            layer.forward(z).close();
            Tensor hostZ = Tensor.of(numbers(1), ROWS, FEATURES);
            onCpu.forward(hostZ).close();
            onCpu.forward(hostZ).close();
            assertArrayEquals(onCpu.codebook().toFloatArray(), layer.codebook().toFloatArray());
            assertEquals(onCpu.state().numbers(), layer.state().numbers());
        }
    }
}
