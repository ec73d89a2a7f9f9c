package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.bytedeco.javacpp.IntPointer;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

class FrozenQuantizerTest {
    @TempDir
    Path folder;

    @TestFactory
    Stream<DynamicTest> encodesAndDecodesToTheBitsOfTheLayer() {
        List<DynamicTest> tests = new ArrayList<>();
        TrainedLayer.builders().forEach((name, builder) -> {
            for (Backend backend : Backends.all()) {
                tests.add(dynamicTest(name + " on " + backend.name(), () -> compare(builder, backend)));
            }
        });
        return tests.stream();
    }

    private void compare(Supplier<QuantizerBuilder<?>> builder, Backend backend) throws IOException {
        Tensor z = TrainedLayer.batch(50);
        Path file = folder.resolve("frozen");
        Path training = folder.resolve("training");
        try (Quantizer layer = builder.get().backend(backend).build();
                Optimizer optimizer = Optimizer.adam(0)) {
            TrainedLayer.train(layer, optimizer, 0, 2);
            Checkpoint.save(training, layer, optimizer);
            try (Quantized q = layer.eval().forward(z);
                    FrozenQuantizer frozen = layer.freeze()) {
                TrainedLayer.train(layer.train(), optimizer, 2, 3);
                check(frozen, z, q);
                frozen.save(file);
                for (Backend other : Backends.all()) {
                    try (FrozenQuantizer loaded = FrozenQuantizer.load(file, other);
                            FrozenQuantizer fromTraining = FrozenQuantizer.load(training, other)) {
                        check(loaded, z, q);
                        check(fromTraining, z, q);
                    }
                }
            }
        }
    }

    private static void check(FrozenQuantizer frozen, Tensor z, Quantized expected) {
        try (Tensor codes = frozen.encode(z);
                Tensor decoded = frozen.decode(codes)) {
            assertArrayEquals(expected.codes().toIntArray(), codes.toIntArray());
            assertArrayEquals(expected.output().toFloatArray(), decoded.toFloatArray());
        }
    }

    @Test
    void theFirstStagesAndMaskedRowsAreThoseOfTheLayer() {
        Tensor z = TrainedLayer.batch(3);
        boolean[] marks = new boolean[3 * 89];
        Arrays.fill(marks, 50, 200, true);
        RowMask mask = RowMask.of(marks, 3, 89);
        for (Backend backend : Backends.all()) {
            try (ResidualVectorQuant layer = ResidualVectorQuant.builder(32, 60, 3)
                            .beamWidth(2)
                            .affineLr(1)
                            .backend(backend)
                            .build();
                    FrozenQuantizer frozen = layer.freeze();
                    Tensor codes = frozen.encode(z, 2)) {
                assertArrayEquals(layer.encode(z, 2).toIntArray(), codes.toIntArray());
                assertArrayEquals(
                        layer.encode(z, mask).toIntArray(),
                        frozen.encode(z, mask).toIntArray());
                assertArrayEquals(
                        layer.decode(codes, 1).toFloatArray(),
                        frozen.decode(codes, 1).toFloatArray());
                byte[] packed = frozen.packing().pack(codes);
                assertArrayEquals(
                        codes.toIntArray(),
                        frozen.packing().unpack(packed, codes.shape()).toIntArray());
            }
        }
        try (VectorQuant layer =
                        VectorQuant.builder(32, 9).backend(Backend.cpu()).build();
                FrozenQuantizer frozen = layer.freeze()) {
            assertThrows(IllegalStateException.class, () -> frozen.encode(z, 1));
            assertThrows(IllegalStateException.class, () -> frozen.decode(frozen.encode(z), 1));
        }
    }

    @Test
    void theFileHasThePlainCodebooks() throws IOException {
        Path file = folder.resolve("plain");
        try (GroupVectorQuant layer = GroupVectorQuant.builder(32, 20, 2)
                .affineLr(2)
                .codebookNorm(CodebookNorm.UNIT)
                .backend(Backend.cpu())
                .build()) {
            Backends.write(layer.parameters().get(1), normal(16));
            Backends.write(layer.parameters().get(2), normal(16));
            float[] effective = layer.effectiveCodebook(0).toFloatArray();
            try (FrozenQuantizer frozen = layer.freeze()) {
                frozen.save(file);
                assertArrayEquals(effective, frozen.codebook(0).toFloatArray());
            }
            try (SafetensorsFile saved = SafetensorsFile.open(file)) {
                assertArrayEquals(effective, saved.floats("0.codebook"));
                assertFalse(Arrays.equals(layer.codebook(0).toFloatArray(), effective));
                assertFalse(saved.has("0.affine.scale"));
                assertEquals("0.0", saved.metadata().get("layer.affineLr"));
            }
        }
    }

    @Test
    void aRowAloneGetsTheCodesItHasInABatch() {
        try (VectorQuant layer = VectorQuant.builder(19, 131)
                        .dim(-1)
                        .backend(Backend.cpu())
                        .build();
                FrozenQuantizer frozen = layer.freeze();
                Tensor row = Tensor.allocate(DataType.FLOAT32, 19);
                Tensor code = Tensor.allocate(DataType.INT32)) {
            float[] rows = normal(301 * 19);
            int[] whole = frozen.encode(Tensor.of(rows, 301, 19)).toIntArray();
            for (int n = 0; n < 301; n++) {
                row.floatBuffer().put(rows, n * 19, 19);
                frozen.encode(row, code);
                assertEquals(whole[n], code.toIntArray()[0], "row " + n);
            }
        }
    }

    @Test
    void manyThreadsEncodeAtOnce() throws Exception {
        try (ResidualVectorQuant layer = ResidualVectorQuant.builder(32, 60, 3)
                        .norm(Norm.UNIT)
                        .backend(Backend.cpu())
                        .build();
                FrozenQuantizer frozen = layer.freeze()) {
            List<int[]> expected = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                expected.add(frozen.encode(TrainedLayer.batch(i)).toIntArray());
            }
            ExecutorService threads = Executors.newFixedThreadPool(4);
            try {
                List<Future<?>> runs = new ArrayList<>();
                for (int t = 0; t < 4; t++) {
                    int batch = t;
                    runs.add(threads.submit(() -> {
                        for (int round = 0; round < 50; round++) {
                            try (Tensor codes = frozen.encode(TrainedLayer.batch(batch))) {
                                assertArrayEquals(expected.get(batch), codes.toIntArray());
                            }
                        }
                    }));
                }
                for (Future<?> run : runs) {
                    run.get();
                }
            } finally {
                threads.shutdown();
            }
        }
    }

    @Test
    @Timeout(60)
    void closeWaitsForTheCallsThatRun() throws Exception {
        try (LongCall call = new LongCall()) {
            call.frozen.close();
            assertNotEquals(-1, call.lastCode(), "the call was running still");
            call.caller.join();
            assertThrows(IllegalStateException.class, call::encode);
        }
    }

    /** Else a service that goes on calling would keep close waiting. */
    @Test
    @Timeout(60)
    void callsThatComeWhileCloseWaitsAreRefused() throws Exception {
        try (LongCall call = new LongCall();
                Tensor row = Tensor.allocate(DataType.FLOAT32, 1, 8)) {
            Thread closer = new Thread(call.frozen::close);
            closer.start();
            while (closer.getState() != Thread.State.WAITING && closer.isAlive()) {
                Thread.sleep(1);
            }
            assertThrows(IllegalStateException.class, () -> call.frozen.encode(row));
            call.caller.join();
            closer.join();
            assertNotEquals(-1, call.lastCode(), "the call came to its end");
        }
    }

    /** A call that is in its kernel, and will be for a while. */
    private static final class LongCall implements AutoCloseable {
        private static final int ROWS = 1_000_000;

        final FrozenQuantizer frozen;
        final Thread caller = new Thread(this::encode);
        private final VectorQuant layer =
                VectorQuant.builder(8, 4096).dim(-1).backend(Backend.cpu()).build();
        private final Tensor z = Tensor.allocate(DataType.FLOAT32, ROWS, 8);
        private final IntPointer codes = new IntPointer(ROWS);
        private final Tensor result = Tensor.of(codes.put(ROWS - 1, -1), ROWS);

        LongCall() throws InterruptedException {
            frozen = layer.freeze();
            caller.start();
            awaitKernelOf(caller);
        }

        void encode() {
            frozen.encode(z, result);
        }

        /** -1 until the call has come to its end. */
        int lastCode() {
            return codes.get(ROWS - 1);
        }

        @Override
        public void close() {
            codes.close();
            z.close();
            layer.close();
        }
    }

    private static void awaitKernelOf(Thread caller) throws InterruptedException {
        while (Stream.of(caller.getStackTrace())
                .noneMatch(frame -> frame.getClassName().endsWith("CpuKernels"))) {
            Thread.sleep(1);
        }
    }

    @Test
    void theLayersOwnMemoryMayGo() {
        VectorQuant layer = VectorQuant.builder(32, 9).backend(Backend.cpu()).build();
        FrozenQuantizer frozen = layer.freeze();
        int[] codes = layer.encode(TrainedLayer.batch(0)).toIntArray();
        layer.close();
        assertThrows(IllegalStateException.class, layer::freeze);
        assertArrayEquals(codes, frozen.encode(TrainedLayer.batch(0)).toIntArray());
        frozen.close();
        frozen.close();
        assertThrows(IllegalStateException.class, () -> frozen.encode(TrainedLayer.batch(0)));
        IllegalStateException closed =
                assertThrows(IllegalStateException.class, () -> frozen.save(folder.resolve("closed")));
        assertTrue(closed.getMessage().startsWith("this frozen VectorQuant"), closed.getMessage());
    }

    @Test
    void tensorsThatDoNotFitAreRefused() {
        try (VectorQuant layer = VectorQuant.builder(32, 9)
                        .dim(-1)
                        .backend(Backend.cpu())
                        .build();
                FrozenQuantizer frozen = layer.freeze()) {
            Tensor z = Tensor.of(normal(5 * 32), 5, 32);
            assertTrue(refused(() -> frozen.encode(z, Tensor.of(new int[4], 4))).contains("codes of shape [5], got"));
            assertTrue(
                    refused(() -> frozen.encode(z, Tensor.of(new float[5], 5))).contains("codes of type INT32"));
            assertTrue(refused(() -> frozen.encode(Tensor.of(new float[3], 3))).contains("featureSize = 32"));
            assertTrue(
                    refused(() -> frozen.decode(Tensor.of(new int[] {0, 9}, 2))).contains("code 9 of row 1"));
            float[] bad = normal(32);
            bad[4] = Float.NaN;
            assertThrows(NotFiniteException.class, () -> frozen.encode(Tensor.of(bad, 1, 32)));
        }
    }

    private static String refused(Executable call) {
        return assertThrows(IllegalArgumentException.class, call).getMessage();
    }

    private static float[] normal(int count) {
        return Arrays.copyOf(TrainedLayer.normal(9), count);
    }
}
