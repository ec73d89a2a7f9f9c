package io.github.vq4j.djl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import ai.djl.Device;
import ai.djl.MalformedModelException;
import ai.djl.Model;
import ai.djl.engine.Engine;
import ai.djl.inference.Predictor;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import ai.djl.training.ParameterStore;
import ai.djl.training.loss.Loss;
import ai.djl.training.optimizer.Optimizer;
import ai.djl.training.tracker.Tracker;
import ai.djl.translate.NoBatchifyTranslator;
import ai.djl.translate.TranslatorContext;
import io.github.vq4j.Backend;
import io.github.vq4j.CodebookNorm;
import io.github.vq4j.GradientEstimator;
import io.github.vq4j.Gradients;
import io.github.vq4j.GroupVectorQuant;
import io.github.vq4j.Norm;
import io.github.vq4j.Quantized;
import io.github.vq4j.Quantizer;
import io.github.vq4j.QuantizerBuilder;
import io.github.vq4j.ResidualVectorQuant;
import io.github.vq4j.Tensor;
import io.github.vq4j.VectorQuant;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

@SuppressWarnings("try") // Results that nobody reads are there to be closed.
class VectorQuantBlockTest {
    private static final Shape SHAPE = new Shape(5, 6, 3);
    private static final float ALPHA = 0.7f;

    private final NDManager manager = NDManager.newBaseManager(Device.cpu());
    private final ParameterStore store = new ParameterStore(manager, false);

    @TempDir
    private Path folder;

    @AfterEach
    void closeManager() {
        manager.close();
    }

    private static Map<String, Supplier<QuantizerBuilder<?>>> layers() {
        Map<String, Supplier<QuantizerBuilder<?>>> all = new LinkedHashMap<>();
        all.put("plain", VectorQuantBlockTest::vectors);
        all.put("learned affine", () -> vectors().affineLr(2).beta(0.4));
        all.put("statistics affine", () -> vectors().statisticsAffine(true));
        all.put("codes on the sphere", () -> vectors().codebookNorm(CodebookNorm.UNIT));
        all.put("linear codebook", () -> vectors().linearCodebook(true));
        all.put("orthogonal codes", () -> vectors().orthogonalWeight(2));
        all.put("moving averages", () -> vectors().ema(0.8));
        all.put("replacement", () -> vectors().replaceFreq(1));
        all.put("groups", () -> GroupVectorQuant.builder(6, 8, 2));
        all.put("stages", () -> ResidualVectorQuant.builder(6, 8, 2).stageLosses(true));
        return all;
    }

    private static VectorQuant.Builder vectors() {
        return VectorQuant.builder(6, 8);
    }

    @TestFactory
    Stream<DynamicTest> aForwardAndABackwardAreThoseOfTheLayer() {
        return layers().entrySet().stream()
                .map(layer -> dynamicTest(layer.getKey(), () -> {
                    try (Quantizer plain = built(layer.getValue().get());
                            VectorQuantBlock block = block(layer.getValue().get())) {
                        for (int step = 0; step < 3; step++) {
                            assertSameStep(plain, block, normal(step), normal(100 + step));
                        }
                    }
                }));
    }

    /** Of the task whose gradient is that of sum(output * task). */
    private void assertSameStep(Quantizer plain, VectorQuantBlock block, float[] rows, float[] task) {
        NDArray z = manager.create(rows, SHAPE);
        z.setRequiresGradient(true);
        try (Quantized expected = plain.forward(Tensor.of(rows, SHAPE.getShape()));
                Gradients gradients = plain.backward(Tensor.of(task, SHAPE.getShape()), ALPHA);
                GradientCollector collector = Engine.getInstance().newGradientCollector()) {
            NDArray output = forward(block, z, true);
            collector.backward(output.mul(manager.create(task, SHAPE)).sum().add(block.loss()));

            assertArrayEquals(expected.output().toFloatArray(), output.toFloatArray());
            assertEquals(ALPHA * expected.loss(), block.loss().getFloat(), 1e-6);
            assertEquals(expected.perplexity(), block.perplexity());
            assertArrayEquals(gradients.input().toFloatArray(), z.getGradient().toFloatArray(), 1e-6f);
            for (io.github.vq4j.Parameter parameter : plain.parameters()) {
                NDArray gradient = parameter(block, parameter.name()).getGradient();
                assertArrayEquals(
                        parameter.gradient().toFloatArray(), gradient.toFloatArray(), 1e-6f, parameter.name());
                // DJL's optimisers set it to zero after an update.
                gradient.subi(gradient);
            }
        }
    }

    @Test
    void inferenceChangesNothing() {
        try (VectorQuantBlock block = block(vectors().ema(0.5).replaceFreq(1))) {
            float[] before = block.layer().codebook(0).toFloatArray();
            NDArray z = manager.create(normal(1), SHAPE);
            NDArray output = forward(block, z, false);
            assertArrayEquals(before, block.layer().codebook(0).toFloatArray());
            assertArrayEquals(block.decode(block.encode(z)).toFloatArray(), output.toFloatArray());
            assertEquals(new Shape(5, 3), block.encode(z).getShape());
        }
    }

    @Test
    void predictorsInThreadsShareAModel() throws Exception {
        int threads = 4;
        ExecutorService pool = Executors.newFixedThreadPool(threads);
        try (VectorQuantBlock block = block(vectors());
                Model model = Model.newInstance("shared")) {
            model.setBlock(block);
            CyclicBarrier begin = new CyclicBarrier(threads);
            List<Callable<Void>> all = new ArrayList<>();
            for (int seed = 0; seed < threads; seed++) {
                float[] rows = normal(seed);
                float[] expected =
                        forward(block, manager.create(rows, SHAPE), false).toFloatArray();
                all.add(() -> {
                    try (Predictor<float[], float[]> predictor = model.newPredictor(new RowsTranslator())) {
                        begin.await();
                        for (int n = 0; n < 200; n++) {
                            assertArrayEquals(expected, predictor.predict(rows));
                        }
                    }
                    return null;
                });
            }
            for (Future<Void> each : pool.invokeAll(all)) {
                each.get();
            }
        } finally {
            pool.shutdown();
        }
    }

    @Test
    void parametersLieInTheLayersMemory() {
        try (VectorQuantBlock block = block(vectors())) {
            NDArray codebook = parameter(block, "codebook");
            codebook.addi(1);
            assertArrayEquals(codebook.toFloatArray(), block.layer().codebook(0).toFloatArray());
            Optimizer optimizer =
                    Optimizer.sgd().setLearningRateTracker(Tracker.fixed(1)).build();
            float[] before = codebook.toFloatArray();
            optimizer.update("codebook", codebook, codebook.duplicate());
            assertArrayEquals(
                    new float[before.length], block.layer().codebook(0).toFloatArray());
        }
    }

    @Test
    void anInputThatIsNotContiguousIsQuantizedToo() {
        try (VectorQuantBlock block = block(vectors())) {
            NDArray z = manager.create(normal(1), new Shape(5, 3, 6));
            NDArray expected = forward(block, z.transpose(0, 2, 1).duplicate(), false);
            assertArrayEquals(
                    expected.toFloatArray(),
                    forward(block, z.transpose(0, 2, 1), false).toFloatArray());
        }
    }

    @Test
    void djlsOwnLoopTrainsAnAutoencoder() throws Exception {
        Engine.getInstance().setRandomSeed(1);
        float begin = TrainingExample.train(1);
        Engine.getInstance().setRandomSeed(1);
        float end = TrainingExample.train(12);
        assertTrue(end < 0.8 * begin, begin + " after an epoch, " + end + " after twelve");
    }

    @Test
    void aSavedModelIsReadWithAllThatTheLayerHasLearned() throws Exception {
        NDArray z = manager.create(normal(1), SHAPE);
        float[] expected;
        float[] trained;
        try (VectorQuantBlock block = block(vectors().ema(0.5).replaceFreq(2));
                Model model = Model.newInstance("saved")) {
            forward(block, z, true);
            model.setBlock(block);
            model.save(folder, "saved");
            expected = forward(block, z, false).toFloatArray();
            forward(block, z, true);
            trained = block.layer().codebook(0).toFloatArray();
        }
        try (VectorQuantBlock block =
                        new VectorQuantBlock(built(vectors().ema(0.5).replaceFreq(2)), ALPHA);
                Model model = Model.newInstance("saved")) {
            model.setBlock(block);
            model.load(folder, "saved");
            assertArrayEquals(expected, forward(block, z, false).toFloatArray());
            assertTrue(block.isInitialized());
            // The moving averages go on from where they were.
            forward(block, z, true);
            assertArrayEquals(trained, block.layer().codebook(0).toFloatArray());
        }
    }

    @Test
    void whatIsReadMustFitTheLayer() throws Exception {
        try (VectorQuantBlock block = block(vectors());
                Model model = Model.newInstance("saved")) {
            model.setBlock(block);
            model.save(folder, "saved");
        }
        try (VectorQuantBlock other = block(VectorQuant.builder(6, 9));
                Model model = Model.newInstance("saved")) {
            model.setBlock(other);
            float[] before = other.layer().codebook(0).toFloatArray();
            Exception failure = assertThrows(Exception.class, () -> model.load(folder, "saved"));
            assertTrue(failure.toString().contains("numCodes"), failure.toString());
            assertArrayEquals(before, other.layer().codebook(0).toFloatArray());
            DataInputStream later = new DataInputStream(new ByteArrayInputStream(new byte[] {9}));
            assertEquals(
                    "need version 1 of the block, got 9",
                    assertThrows(MalformedModelException.class, () -> other.loadParameters(manager, later))
                            .getMessage());
        }
    }

    /** Also the shapes of its input, which stand before the checkpoint. */
    @Test
    void aBlockStaysAsItIsWhereReadingFails() throws Exception {
        ByteArrayOutputStream saved = new ByteArrayOutputStream();
        try (VectorQuantBlock block = block(vectors())) {
            block.saveParameters(new DataOutputStream(saved));
        }
        byte[] all = saved.toByteArray();
        try (VectorQuantBlock other = new VectorQuantBlock(built(vectors()), ALPHA)) {
            Shape[] shapes = {new Shape(5, 6)};
            other.initialize(manager, DataType.FLOAT32, shapes);
            float[] before = other.layer().codebook(0).toFloatArray();
            for (int bytes : new int[] {1, 10, all.length / 2, all.length - 1}) {
                DataInputStream cut = new DataInputStream(new ByteArrayInputStream(all, 0, bytes));
                assertThrows(IOException.class, () -> other.loadParameters(manager, cut));
                assertArrayEquals(shapes, other.getInputShapes(), "after " + bytes + " bytes");
                assertArrayEquals(before, other.layer().codebook(0).toFloatArray());
            }
        }
    }

    @Test
    void layersWhoseGradientsDoNotGoStraightThroughAreRefused() {
        for (QuantizerBuilder<?> builder : List.<QuantizerBuilder<?>>of(
                vectors().syncNu(1),
                vectors().norm(Norm.BATCH),
                vectors().lookupSize(2),
                vectors().gradientEstimator(GradientEstimator.ROTATION))) {
            try (Quantizer layer = built(builder)) {
                String message = assertThrows(IllegalArgumentException.class, () -> new VectorQuantBlock(layer, 1))
                        .getMessage();
                assertTrue(message.startsWith("need a layer through which the task's gradient goes straight"), message);
            }
        }
        try (Quantizer layer = built(vectors())) {
            for (double alpha : new double[] {-1, Double.NaN, Double.POSITIVE_INFINITY}) {
                assertThrows(IllegalArgumentException.class, () -> new VectorQuantBlock(layer, alpha));
            }
        }
    }

    @Test
    void inputsThatDoNotFitAreRefused() {
        try (VectorQuantBlock block = block(vectors())) {
            assertThrows(IllegalStateException.class, block::loss);
            NDArray doubles = manager.zeros(SHAPE, DataType.FLOAT64);
            NDArray narrow = manager.zeros(new Shape(5, 4, 3));
            assertThrows(IllegalArgumentException.class, () -> forward(block, doubles, true));
            String message = assertThrows(IllegalArgumentException.class, () -> forward(block, narrow, true))
                    .getMessage();
            assertTrue(message.contains("featureSize"), message);
            assertThrows(IllegalArgumentException.class, () -> block.encode(doubles));
            assertThrows(IllegalArgumentException.class, () -> block.decode(narrow));
            assertThrows(IllegalArgumentException.class, () -> block.initialize(manager, DataType.FLOAT16, SHAPE));
        }
    }

    @Test
    void shapesThatDoNotFitAreRefused() {
        try (Quantizer layer = built(vectors());
                VectorQuantBlock block = new VectorQuantBlock(layer, 1)) {
            for (Shape shape : List.of(new Shape(5, 4, 3), new Shape(6))) {
                String message = assertThrows(
                                IllegalArgumentException.class,
                                () -> block.initialize(manager, DataType.FLOAT32, shape))
                        .getMessage();
                assertEquals("need featureSize = 6 on axis 1, got shape " + shape, message);
                assertThrows(IllegalArgumentException.class, () -> block.getOutputShapes(new Shape[] {shape}));
            }
            assertThrows(IllegalArgumentException.class, () -> block.getOutputShapes(new Shape[] {SHAPE, SHAPE}));
            assertArrayEquals(new Shape[] {SHAPE}, block.getOutputShapes(new Shape[] {SHAPE}));
        }
    }

    @Test
    void codesThatDoNotFitInAnIntDoNotExist() {
        try (VectorQuantBlock block = block(vectors())) {
            for (long code : new long[] {1L << 31, 1L << 32, Long.MAX_VALUE, -1L << 32, Long.MIN_VALUE}) {
                NDArray codes = manager.create(new long[] {code});
                assertThrows(IllegalArgumentException.class, () -> block.decode(codes), () -> "code " + code);
            }
        }
        // Of a stage that dropout may leave out, -1 alone is one.
        try (VectorQuantBlock block = block(ResidualVectorQuant.builder(6, 8, 2))) {
            for (long code : new long[] {-2, 1L << 31, Long.MIN_VALUE}) {
                NDArray codes = manager.create(new long[] {0, code}, new Shape(1, 2));
                assertThrows(IllegalArgumentException.class, () -> block.decode(codes), () -> "code " + code);
            }
        }
    }

    @Test
    void nullsAreNamed() {
        try (VectorQuantBlock block = block(vectors())) {
            assertEquals(
                    "z",
                    assertThrows(NullPointerException.class, () -> block.encode(null))
                            .getMessage());
            assertEquals(
                    "codes",
                    assertThrows(NullPointerException.class, () -> block.decode(null))
                            .getMessage());
            assertEquals(
                    "task",
                    assertThrows(NullPointerException.class, () -> block.plusLoss(null))
                            .getMessage());
        }
    }

    @Test
    void aClosedBlockIsClosedWithItsLayer() throws IOException {
        VectorQuantBlock block = block(vectors());
        block.close();
        block.close();
        assertFalse(block.isInitialized());
        assertThrows(
                IllegalStateException.class, () -> block.layer().codebook(0).toFloatArray());
    }

    @Test
    void theLossKeepsTheNameOfTheTasks() {
        try (VectorQuantBlock block = block(vectors())) {
            assertEquals("L2Loss", block.plusLoss(Loss.l2Loss()).getName());
            NDArray z = manager.create(normal(1), SHAPE);
            NDArray output = forward(block, z, false);
            float task =
                    Loss.l2Loss().evaluate(new NDList(z), new NDList(output)).getFloat();
            float both = block.plusLoss(Loss.l2Loss())
                    .evaluate(new NDList(z), new NDList(output))
                    .getFloat();
            assertEquals(task + block.loss().getFloat(), both);
        }
    }

    /** Arrays of {@link #SHAPE}. */
    private static final class RowsTranslator implements NoBatchifyTranslator<float[], float[]> {
        @Override
        public NDList processInput(TranslatorContext context, float[] rows) {
            return new NDList(context.getNDManager().create(rows, SHAPE));
        }

        @Override
        public float[] processOutput(TranslatorContext context, NDList output) {
            return output.singletonOrThrow().toFloatArray();
        }
    }

    private static Quantizer built(QuantizerBuilder<?> builder) {
        return builder.seed(3).backend(Backend.cpu()).build();
    }

    private VectorQuantBlock block(QuantizerBuilder<?> builder) {
        VectorQuantBlock block = new VectorQuantBlock(built(builder), ALPHA);
        block.initialize(manager, DataType.FLOAT32, SHAPE);
        return block;
    }

    private NDArray forward(VectorQuantBlock block, NDArray z, boolean training) {
        return block.forward(store, new NDList(z), training).singletonOrThrow();
    }

    private static NDArray parameter(VectorQuantBlock block, String name) {
        return block.getDirectParameters().get(name).getArray();
    }

    private static float[] normal(long seed) {
        Random random = new Random(seed);
        float[] values = new float[(int) SHAPE.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }
}
