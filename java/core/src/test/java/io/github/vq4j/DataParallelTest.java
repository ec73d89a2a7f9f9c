package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletionService;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/** Workers with parts of the rows train copies of a layer that stay equal, and equal to one that has all the rows. */
@SuppressWarnings("try") // Results that nobody reads are there to be closed.
class DataParallelTest {
    private static final int FEATURES = 6;
    private static final int ROWS = 331;
    private static final int STEPS = 4;

    @TempDir
    private Path folder;

    private static Map<String, Supplier<QuantizerBuilder<?>>> layers() {
        Map<String, Supplier<QuantizerBuilder<?>>> all = new LinkedHashMap<>();
        all.put("plain", () -> vectors());
        all.put(
                "learned affine, sync, replacement",
                () -> vectors().affineLr(2).affineGroups(2).syncNu(2).replaceFreq(1));
        all.put("statistics affine, split codes", () -> vectors()
                .statisticsAffine(true)
                .replaceFreq(1)
                .replacementPolicy(ReplacementPolicy.SPLIT_BUSIEST));
        all.put("alternated, reassigned", () -> vectors().alternated(Optimizer.sgd(1), 2, true));
        all.put("moving averages that expire", () -> vectors().ema(0.8).emaExpiry(2));
        all.put(
                "cosine",
                () -> vectors().norm(Norm.UNIT).codebookNorm(CodebookNorm.UNIT).ema(0.8));
        all.put("rows in the ball", () -> vectors().norm(Norm.MAX_NORM).beta(0.3));
        all.put("rotation", () -> vectors().syncNu(0.5).gradientEstimator(GradientEstimator.ROTATION));
        all.put("directed gradients", () -> vectors().gradientEstimator(GradientEstimator.DIVEQ));
        all.put(
                "linear codebook, orthogonal",
                () -> vectors().linearCodebook(true).orthogonalWeight(2).affineLr(1));
        all.put(
                "groups",
                () -> GroupVectorQuant.builder(FEATURES, 24, 2).affineLr(1).syncNu(1));
        all.put(
                "groups that share",
                () -> GroupVectorQuant.builder(FEATURES, 12, 3).share(true).replaceFreq(1));
        all.put(
                "stages",
                () -> ResidualVectorQuant.builder(FEATURES, 36, 3).affineLr(1).replaceFreq(1));
        all.put("stages with losses, beam search", () -> ResidualVectorQuant.builder(FEATURES, 36, 3)
                .stageLosses(true)
                .syncNu(1)
                .beamWidth(2));
        all.put("stages that share, dropout", () -> ResidualVectorQuant.builder(FEATURES, 12, 3)
                .share(true)
                .ema(0.8)
                .quantizerDropout(1, false));
        return all;
    }

    private static VectorQuant.Builder vectors() {
        return VectorQuant.builder(FEATURES, 12);
    }

    @TestFactory
    Stream<DynamicTest> anyNumberOfWorkersLeavesTheSameBits() {
        return layers().entrySet().stream().flatMap(layer -> Backends.all().stream()
                .map(backend -> dynamicTest(layer.getKey() + " on " + backend.name(), () -> {
                    byte[] one = train(layer.getValue(), backend, 1, inOrder()).get(0);
                    for (int workers : new int[] {2, 4}) {
                        for (byte[] state : train(layer.getValue(), backend, workers, inOrder())) {
                            assertArrayEquals(one, state, workers + " workers");
                        }
                    }
                })));
    }

    @TestFactory
    Stream<DynamicTest> itDoesNotMatterWhoHasWhichRow() {
        List<Integer> mixed = inOrder();
        Collections.shuffle(mixed, new Random(3));
        return layers().entrySet().stream()
                .map(layer -> dynamicTest(
                        layer.getKey(),
                        () -> assertArrayEquals(
                                train(layer.getValue(), Backend.cpu(), 1, inOrder())
                                        .get(0),
                                train(layer.getValue(), Backend.cpu(), 3, mixed).get(2))));
    }

    @TestFactory
    Stream<DynamicTest> workersTrainAsTheLayerAloneDoes() {
        return layers().entrySet().stream()
                // Random rows are drawn in another way, and one code less alike leads a run elsewhere.
                .filter(layer -> !replaces(layer.getValue()))
                .map(layer -> dynamicTest(layer.getKey(), () -> {
                    Path path = folder.resolve("alone");
                    Files.write(
                            path,
                            train(layer.getValue(), Backend.cpu(), 1, inOrder()).get(0));
                    try (Checkpoint together = Checkpoint.load(path, Backend.cpu());
                            Quantizer alone = layer.getValue()
                                    .get()
                                    .dim(-1)
                                    .backend(Backend.cpu())
                                    .build();
                            Optimizer optimizer = Optimizer.adam(1e-2)) {
                        trainPart(alone, optimizer, inOrder());
                        for (int i = 0; i < alone.codebookCount(); i++) {
                            assertArrayEquals(
                                    alone.effectiveCodebook(i).toFloatArray(),
                                    together.layer().effectiveCodebook(i).toFloatArray(),
                                    2e-4f);
                        }
                    }
                }));
    }

    @Test
    void perplexityAndActiveCodesAreThoseOfAllRows() throws Exception {
        try (VectorQuant alone = vectors().dim(-1).backend(Backend.cpu()).build();
                Quantized expected = alone.forward(rows(0, inOrder()))) {
            for (Quantized q : together(2, (workers, number) -> {
                try (Quantizer layer = vectors()
                        .dim(-1)
                        .backend(Backend.cpu())
                        .workers(workers)
                        .build()) {
                    return layer.forward(rows(0, part(inOrder(), number, 2)));
                }
            })) {
                assertEquals(expected.perplexity(), q.perplexity());
                assertEquals(expected.activeCodes(), q.activeCodes());
                q.close();
            }
        }
    }

    @Test
    void inferenceIsEachWorkersOwn() {
        AllReduce absent = InProcessAllReduce.group(2, Duration.ofMillis(1)).get(0);
        try (VectorQuant layer = vectors().dim(-1).workers(absent).build().eval();
                Quantized q = layer.forward(rows(0, inOrder()));
                Tensor codes = layer.encode(rows(0, inOrder()))) {
            assertArrayEquals(codes.toIntArray(), q.codes().toIntArray());
        }
    }

    @Test
    void aLoadedLayerGoesOnAsAWorker() throws Exception {
        Supplier<QuantizerBuilder<?>> layer = layers().get("learned affine, sync, replacement");
        Path half = folder.resolve("half");
        Files.write(half, train(layer, Backend.cpu(), 2, inOrder()).get(1));
        List<byte[]> ends = together(2, (workers, number) -> {
            try (Checkpoint loaded = Checkpoint.load(half, Backend.cpu(), workers)) {
                Optimizer optimizer = loaded.optimizers().get(0);
                trainPart(loaded.layer(), optimizer, part(inOrder(), number, 2));
                return state(loaded.layer(), optimizer, number);
            }
        });
        assertArrayEquals(ends.get(0), ends.get(1));
    }

    @Test
    void othersAreToldThatAWorkerHasFailed() {
        List<AllReduce> both = InProcessAllReduce.group(2, Duration.ofMillis(50));
        try (VectorQuant layer = vectors().dim(-1).workers(both.get(0)).build()) {
            float[] before = layer.codebook().toFloatArray();
            IllegalStateException failure =
                    assertThrows(IllegalStateException.class, () -> layer.forward(rows(0, inOrder())));
            assertTrue(failure.getMessage().contains("one of the 2 workers"), failure.getMessage());
            assertArrayEquals(before, layer.codebook().toFloatArray());
        }
    }

    @Test
    void aWorkerThatFailsAndClosesKeepsNobodyWaiting() throws Exception {
        List<AllReduce> both = InProcessAllReduce.group(2, Duration.ofDays(1));
        ExecutorService thread = Executors.newSingleThreadExecutor();
        try (VectorQuant layer = vectors().dim(-1).ema(0.8).workers(both.get(0)).build()) {
            float[] before = layer.codebook().toFloatArray();
            Future<?> failing = thread.submit(() -> {
                try (AllReduce own = both.get(1)) {
                    own.sum(new long[12]);
                    throw new IllegalArgumentException("a bad row");
                }
            });
            String message = assertTimeoutPreemptively(Duration.ofSeconds(30), () -> assertThrows(
                            IllegalStateException.class, () -> layer.forward(rows(0, inOrder())))
                    .getMessage());
            assertEquals("worker 1 of the 2 workers has closed its AllReduce; did it fail?", message);
            assertThrows(ExecutionException.class, failing::get);
            assertThrows(IllegalStateException.class, () -> layer.forward(rows(0, inOrder())));
            assertArrayEquals(before, layer.codebook().toFloatArray());
        } finally {
            thread.shutdownNow();
        }
    }

    @Test
    void whoHasTheSumsOfAllNeedsNobodyThatClosesAfterwards() throws Exception {
        for (int trial = 0; trial < 200; trial++) {
            assertEquals(List.of(6L, 6L, 6L), together(3, (workers, number) -> {
                long[] values = {number + 1};
                workers.sum(values);
                return values[0];
            }));
        }
    }

    @Test
    void anInterruptedWorkerKeepsNobodyWaiting() throws Exception {
        List<AllReduce> all = InProcessAllReduce.group(3, Duration.ofDays(1));
        Thread interrupted = new Thread(() -> all.get(2).sum(new long[1]));
        interrupted.setUncaughtExceptionHandler((thread, failure) -> {});
        interrupted.start();
        interrupted.interrupt();
        assertEquals(
                "worker 2 of the 3 workers was interrupted while it waited for the others",
                assertTimeoutPreemptively(Duration.ofSeconds(30), () -> assertThrows(
                                IllegalStateException.class, () -> all.get(0).sum(new long[1]))
                        .getMessage()));
    }

    @Test
    void differentOperationsAreRefusedByAll() throws Exception {
        for (String message : together(2, (workers, number) -> {
            long[] values = {5};
            String refusal = assertThrows(IllegalStateException.class, () -> {
                        if (number == 0) {
                            workers.sum(values);
                        } else {
                            workers.max(values);
                        }
                    })
                    .getMessage();
            assertEquals(5, values[0]);
            return refusal;
        })) {
            assertTrue(message.startsWith("need the same operation from all workers, got SUM and MAX"), message);
        }
    }

    @Test
    void anAllReduceOfTwoWorkersIsRefused() throws Exception {
        List<AllReduce> both = InProcessAllReduce.group(2, Duration.ofSeconds(30));
        ExecutorService threads = Executors.newFixedThreadPool(2);
        try {
            CompletionService<String> refusals = new ExecutorCompletionService<>(threads);
            for (int worker = 0; worker < 2; worker++) {
                refusals.submit(() -> assertThrows(
                                IllegalStateException.class, () -> both.get(0).sum(new long[1]))
                        .getMessage());
            }
            assertEquals(
                    "need an AllReduce of its own for each of the 2 workers, got number 0 from two threads at a time",
                    refusals.take().get());
            both.get(0).close();
            assertTrue(refusals.take().get().startsWith("worker 0 of the 2 workers has closed"));
        } finally {
            threads.shutdownNow();
        }
    }

    @Test
    void arraysOfDifferentLengthsAreRefusedByAll() throws Exception {
        for (String message : together(2, (workers, number) -> assertThrows(
                        IllegalStateException.class, () -> workers.sum(new long[1 + number]))
                .getMessage())) {
            assertTrue(message.contains("1 and 2"), message);
        }
    }

    @Test
    void aWorkerNeedsARow() {
        AllReduce workers = AllReduce.inProcess(1).get(0);
        try (VectorQuant layer = vectors().dim(-1).workers(workers).build()) {
            IllegalArgumentException failure = assertThrows(
                    IllegalArgumentException.class,
                    () -> layer.forward(rows(0, inOrder()), RowMask.of(new boolean[ROWS], ROWS)));
            assertTrue(failure.getMessage().contains("at least one row"), failure.getMessage());
        }
    }

    @TestFactory
    Stream<DynamicTest> numbersWithoutAVarianceInFp32AreRefusedByAllWorkers() {
        return Backends.all().stream()
                .map(backend -> dynamicTest(backend.name(), () -> {
                    for (String message : together(2, (workers, number) -> {
                        try (VectorQuant layer = vectors()
                                .dim(-1)
                                .statisticsAffine(true)
                                .backend(backend)
                                .workers(workers)
                                .build()) {
                            layer.forward(rows(0, part(inOrder(), number, 2))).close();
                            float[] before = layer.effectiveCodebook().toFloatArray();
                            float[] large = new float[2 * FEATURES];
                            large[3] = number == 0 ? 1e25f : 1;
                            IllegalArgumentException failure = assertThrows(
                                    IllegalArgumentException.class, () -> layer.forward(Tensor.of(large, 2, FEATURES)));
                            assertArrayEquals(before, layer.effectiveCodebook().toFloatArray());
                            return failure.getMessage();
                        }
                    })) {
                        assertTrue(
                                message.startsWith("need z whose squared distances from its mean fit in fp32"),
                                message);
                    }
                }));
    }

    @TestFactory
    Stream<DynamicTest> whatLooksAtRowsOfOthersIsRefused() {
        AllReduce workers = AllReduce.inProcess(1).get(0);
        Map<String, QuantizerBuilder<?>> refused = new LinkedHashMap<>();
        refused.put("kmeansInit", vectors().kmeansInit(true));
        refused.put("BATCH", vectors().norm(Norm.BATCH));
        refused.put("GROUP", VectorQuant.builder(32, 4).norm(Norm.GROUP));
        refused.put("FARTHEST_INPUT", vectors().replaceFreq(1).replacementPolicy(ReplacementPolicy.FARTHEST_INPUT));
        refused.put("KMEANS_INPUT", vectors().ema(0.9).emaExpiry(1).replacementPolicy(ReplacementPolicy.KMEANS_INPUT));
        refused.put("lookupSize", vectors().lookupSize(2));
        refused.put("samplingTemperature", vectors().samplingTemperature(2));
        refused.put(
                "quantizerDropout", ResidualVectorQuant.builder(FEATURES, 12, 3).quantizerDropout(1, true));
        return refused.entrySet().stream()
                .map(each -> dynamicTest(each.getKey(), () -> {
                    IllegalArgumentException failure = assertThrows(
                            IllegalArgumentException.class,
                            () -> each.getValue().workers(workers).build());
                    assertTrue(failure.getMessage().contains("with workers"), failure.getMessage());
                    assertTrue(failure.getMessage().contains(each.getKey()), failure.getMessage());
                }));
    }

    private static boolean replaces(Supplier<QuantizerBuilder<?>> layer) {
        QuantizerBuilder<?> options = layer.get();
        return options.replaceFreq > 0 || options.emaExpiry > 0;
    }

    /** What each worker has in the end: all that a checkpoint holds. */
    private List<byte[]> train(Supplier<QuantizerBuilder<?>> builder, Backend backend, int count, List<Integer> rows)
            throws Exception {
        return together(count, (workers, number) -> {
            try (Quantizer layer = builder.get()
                            .dim(-1)
                            .backend(backend)
                            .workers(workers)
                            .build();
                    Optimizer optimizer = Optimizer.adam(1e-2)) {
                trainPart(layer, optimizer, part(rows, number, count));
                return state(layer, optimizer, number);
            }
        });
    }

    private byte[] state(Quantizer layer, Optimizer optimizer, int worker) throws IOException {
        Path path = folder.resolve("worker-" + worker);
        Checkpoint.save(path, layer, optimizer);
        return Files.readAllBytes(path);
    }

    /** Steps on some of the rows; the gradient of each row does not depend on where it is. */
    private static void trainPart(Quantizer layer, Optimizer optimizer, List<Integer> rows) {
        for (int step = 0; step < STEPS; step++) {
            try (Quantized q = layer.forward(rows(step, rows));
                    Gradients gradients = layer.backward(rows(100 + step, rows), 3)) {
                optimizer.step(layer);
            }
        }
    }

    private static Tensor rows(int step, List<Integer> numbers) {
        float[] all = new float[ROWS * FEATURES];
        Random random = new Random(step);
        for (int i = 0; i < all.length; i++) {
            all[i] = (float) random.nextGaussian();
        }
        float[] chosen = new float[numbers.size() * FEATURES];
        for (int n = 0; n < numbers.size(); n++) {
            System.arraycopy(all, numbers.get(n) * FEATURES, chosen, n * FEATURES, FEATURES);
        }
        return Tensor.of(chosen, numbers.size(), FEATURES);
    }

    private static List<Integer> inOrder() {
        return new ArrayList<>(IntStream.range(0, ROWS).boxed().toList());
    }

    /** Parts of different sizes: the first worker has one row where there are several. */
    private static List<Integer> part(List<Integer> rows, int number, int workers) {
        if (workers == 1) {
            return rows;
        }
        int begin = number == 0 ? 0 : 1 + (rows.size() - 1) * (number - 1) / (workers - 1);
        return rows.subList(begin, 1 + (rows.size() - 1) * number / (workers - 1));
    }

    private interface Worker<T> {
        T work(AllReduce workers, int number) throws Exception;
    }

    private static <T> List<T> together(int count, Worker<T> worker) throws Exception {
        List<AllReduce> all = AllReduce.inProcess(count);
        ExecutorService threads = Executors.newFixedThreadPool(count);
        try {
            List<Future<T>> running = IntStream.range(0, count)
                    .mapToObj(number -> threads.submit(() -> {
                        try (AllReduce own = all.get(number)) {
                            return worker.work(own, number);
                        }
                    }))
                    .toList();
            List<T> results = new ArrayList<>();
            for (Future<T> each : running) {
                results.add(each.get());
            }
            return results;
        } catch (ExecutionException failure) {
            throw failure.getCause() instanceof Exception cause ? cause : failure;
        } finally {
            threads.shutdownNow();
        }
    }
}
