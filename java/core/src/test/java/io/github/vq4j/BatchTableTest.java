package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import io.github.vq4j.internal.CudaKernels;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.bytedeco.javacpp.LongPointer;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/**
 * The table of docs/batches.md: for which options the host waits for the device, found by counting. And that a pass which turns
 * out to have failed has changed nothing, whatever the options. {@code -Dvq4j.batches.write=true} writes the table.
 */
@SuppressWarnings("try") // Results that nobody reads are there to be closed.
class BatchTableTest {
    private static final Path DOCUMENT = Path.of("..", "..", "docs", "batches.md");
    private static final String BEGIN = "<!-- written by BatchTableTest -->\n";
    private static final String END = "<!-- end -->\n";

    private static final int FEATURES = 64;
    private static final int CODES = 8;
    private static final int ROWS = 18;

    /** Passes of a loop; the layer looks at failures of older ones. */
    private static final int PASSES = 4;

    /** Why the host waits, by what it waits with. */
    private static final Map<String, String> REASONS = Map.of(
            "k-means++ initialisation",
            "the codebook is fitted in the first pass, several moves a wait",
            "replacement KMEANS_INPUT",
            "the number of unused codes is the number of clusters; not where none can have been unused for long enough",
            "row mask on the device",
            "how many rows take part decides the sizes of all that follows",
            "workers",
            "sums go to the other workers through the host");

    /** Options of the layers that have them. */
    private record Case(
            String name, @Nullable Function<Device, RowMask> mask, List<Function<Backend, Quantizer>> layers) {
        static Case of(Method method) {
            List<Function<Backend, Quantizer>> layers = new ArrayList<>();
            for (Supplier<QuantizerBuilder<?>> builder : builders()) {
                if (has(builder.get(), method)) {
                    layers.add(backend -> {
                        QuantizerBuilder<?> options = builder.get().backend(backend);
                        method.configure().accept(options);
                        return options.build();
                    });
                }
            }
            return new Case(method.name(), method == Method.MASK ? device -> maskOnHost() : null, layers);
        }

        static Case of(String name, Function<QuantizerBuilder<?>, QuantizerBuilder<?>> options) {
            return of(name, null, options);
        }

        static Case of(
                String name,
                @Nullable Function<Device, RowMask> mask,
                Function<QuantizerBuilder<?>, QuantizerBuilder<?>> options) {
            List<Function<Backend, Quantizer>> layers = new ArrayList<>();
            for (Supplier<QuantizerBuilder<?>> builder : builders()) {
                layers.add(
                        backend -> options.apply(builder.get().backend(backend)).build());
            }
            return new Case(name, mask, layers);
        }

        private static List<Supplier<QuantizerBuilder<?>>> builders() {
            return List.of(
                    () -> VectorQuant.builder(FEATURES, CODES),
                    () -> GroupVectorQuant.builder(FEATURES, CODES, 2),
                    () -> ResidualVectorQuant.builder(FEATURES, CODES, 2));
        }

        private static boolean has(QuantizerBuilder<?> builder, Method method) {
            return Stream.of(builder.getClass().getMethods())
                    .map(java.lang.reflect.Method::getName)
                    .toList()
                    .containsAll(method.options());
        }
    }

    private static List<Case> cases() {
        List<Case> all = new ArrayList<>();
        all.add(Case.of("no options", builder -> builder));
        for (Method method : Method.ALL) {
            all.add(Case.of(method));
            if (method == Method.MASK) {
                RowMask onDevice = maskOnDevice();
                all.add(Case.of(
                        "row mask on the device",
                        device -> device == Device.CUDA ? onDevice : maskOnHost(),
                        builder -> builder));
            }
        }
        all.add(Case.of(
                "alternated optimisation by SGD", builder -> builder.alternated(Optimizer.sgd(0.1, 0.9), 2, true)));
        return all;
    }

    @BeforeEach
    void needsCuda() {
        assumeTrue(Backend.whyNoCuda().isEmpty(), () -> Backend.whyNoCuda().orElse(""));
    }

    @Test
    void theDocumentSaysWhatIsWaitedFor() throws IOException {
        String document = Files.readString(DOCUMENT);
        int begin = document.indexOf(BEGIN) + BEGIN.length();
        int end = document.indexOf(END);
        String table = "\n" + table() + "\n";
        if (Boolean.getBoolean("vq4j.batches.write")) {
            Files.writeString(DOCUMENT, document.substring(0, begin) + table + document.substring(end));
        } else {
            assertEquals(table, document.substring(begin, end), "run with -Dvq4j.batches.write=true to write it anew");
        }
    }

    private static String table() {
        StringBuilder rows = new StringBuilder(
                "| layer or option | waits of the first pass | of a further pass | why |\n| --- | ---: | ---: | --- |\n");
        Set<String> waiting = new TreeSet<>();
        for (Case each : cases()) {
            long first = 0;
            long further = 0;
            for (Function<Backend, Quantizer> layer : each.layers()) {
                List<Long> waits = waits(() -> trainee(layer, each.mask()));
                first = Math.max(first, waits.get(0));
                further = Math.max(further, Collections.max(waits.subList(1, PASSES)));
            }
            addRow(rows, each.name(), first, further, waiting);
        }
        Map<String, Supplier<Trainee>> withoutCodebook = new TreeMap<>(Map.of(
                "FiniteScalarQuant", BatchTableTest::levels,
                "LookupFreeQuant", () -> signs(false),
                "LookupFreeQuant, spherical", () -> signs(true)));
        withoutCodebook.forEach((name, layer) -> {
            List<Long> waits = waits(layer);
            addRow(rows, name, waits.get(0), Collections.max(waits.subList(1, PASSES)), waiting);
        });
        assertEquals(new TreeSet<>(REASONS.keySet()), waiting, "what waits has a reason, and nothing else");
        return rows.toString();
    }

    private static void addRow(StringBuilder rows, String name, long first, long further, Set<String> waiting) {
        if (first + further > 0) {
            waiting.add(name);
        }
        String reason = REASONS.getOrDefault(name, "");
        rows.append(String.format("| %s | %s | %s | %s |\n", name, shown(first), shown(further), reason));
    }

    private static String shown(long waits) {
        return waits == 0 ? "none" : waits <= 2 ? String.valueOf(waits) : "several";
    }

    /** Trains by a forward, a backward, and a step of an optimiser where there are parameters. */
    private interface Trainee extends AutoCloseable {
        void pass(Tensor z, Tensor gradient);

        @Override
        void close();
    }

    private static Trainee trainee(Function<Backend, Quantizer> kind, @Nullable Function<Device, RowMask> mask) {
        Quantizer layer = kind.apply(Backend.cuda(0));
        Optimizer optimizer = Optimizer.adam(0.01);
        return new Trainee() {
            @Override
            public void pass(Tensor z, Tensor gradient) {
                forward(layer, z, mask).close();
                layer.backward(gradient, 1).close();
                optimizer.step(layer);
            }

            @Override
            public void close() {
                optimizer.close();
                layer.close();
            }
        };
    }

    private static Trainee levels() {
        FiniteScalarQuant layer = FiniteScalarQuant.builder(3, 4, 5)
                .dim(-1)
                .backend(Backend.cuda(0))
                .build();
        return new Trainee() {
            @Override
            public void pass(Tensor z, Tensor gradient) {
                layer.forward(z).close();
                layer.backward(gradient).close();
            }

            @Override
            public void close() {
                layer.close();
            }
        };
    }

    private static Trainee signs(boolean spherical) {
        LookupFreeQuant layer = LookupFreeQuant.builder(3)
                .dim(-1)
                .spherical(spherical)
                .backend(Backend.cuda(0))
                .build();
        return new Trainee() {
            @Override
            public void pass(Tensor z, Tensor gradient) {
                layer.forward(z).close();
                layer.backward(gradient, 1).close();
            }

            @Override
            public void close() {
                layer.close();
            }
        };
    }

    /** Of each pass. */
    private static List<Long> waits(Supplier<Trainee> kind) {
        List<Long> all = new ArrayList<>();
        try (Trainee layer = kind.get();
                Tensor z = onDevice(numbers(1));
                Tensor gradient = onDevice(numbers(2))) {
            for (int pass = 0; pass < PASSES; pass++) {
                long before = waits();
                layer.pass(z, gradient);
                all.add(waits() - before);
            }
            Backend.cuda(0).kernels().synchronize();
        }
        return all;
    }

    // ---- failures --------------------------------------------------------------------------------------------------

    @TestFactory
    Stream<DynamicTest> aPassThatFailsHasChangedNothing() {
        return cases().stream()
                .map(each -> dynamicTest(each.name(), () -> {
                    for (Function<Backend, Quantizer> layer : each.layers()) {
                        failBetweenPasses(layer, each.mask());
                    }
                }));
    }

    /** Good passes, one that fails, good passes: on the device as on the CPU, which fails at once. */
    private static void failBetweenPasses(Function<Backend, Quantizer> kind, @Nullable Function<Device, RowMask> mask) {
        float[] bad = numbers(5);
        bad[31 * 9 + 4] = Float.NaN; // of row 4
        try (Quantizer onCpu = kind.apply(Backend.cpu());
                Quantizer onCuda = kind.apply(Backend.cuda(0));
                Optimizer ofCpu = Optimizer.adam(0.01);
                Optimizer ofCuda = Optimizer.adam(0.01);
                Tensor badOnDevice = onDevice(bad)) {
            for (int step = 0; step < 2; step++) {
                train(onCpu, ofCpu, onCuda, ofCuda, step, mask);
            }
            LayerState before = onCuda.state();
            NotFiniteException expected = assertThrows(NotFiniteException.class, () -> forward(onCpu, host(bad), mask));
            NotFiniteException failure = assertThrows(NotFiniteException.class, () -> forward(onCuda, badOnDevice, mask)
                    .loss());
            assertEquals("z", failure.tensor());
            assertEquals(expected.row(), failure.row());
            assertSame(before, onCuda.state());
            for (int step = 2; step < 5; step++) {
                train(onCpu, ofCpu, onCuda, ofCuda, step, mask);
            }
            assertSame(onCpu.state(), onCuda.state());
        }
    }

    private static void train(
            Quantizer onCpu,
            Optimizer ofCpu,
            Quantizer onCuda,
            Optimizer ofCuda,
            int step,
            @Nullable Function<Device, RowMask> mask) {
        float[] rows = numbers(10 + step);
        float[] gradients = numbers(20 + step);
        try (Tensor z = onDevice(rows);
                Tensor gradient = onDevice(gradients);
                Quantized expected = forward(onCpu, host(rows), mask);
                Quantized result = forward(onCuda, z, mask);
                Gradients expectedOfZ = onCpu.backward(host(gradients), 1);
                Gradients ofZ = onCuda.backward(gradient, 1)) {
            ofCpu.step(onCpu);
            ofCuda.step(onCuda);
            assertEquals(expected.loss(), result.loss());
            assertEquals(expected.replacedCodes(), result.replacedCodes());
            assertArrayEquals(onCpu.replacedCodes(), onCuda.replacedCodes());
            assertArrayEquals(expected.codes().toIntArray(), result.codes().toIntArray());
            assertArrayEquals(expectedOfZ.input().toFloatArray(), ofZ.input().toFloatArray());
        }
    }

    private static void assertSame(LayerState expected, LayerState actual) {
        assertEquals(expected.numbers(), actual.numbers());
        assertEquals(expected.reals(), actual.reals());
        assertEquals(expected.tensors().keySet(), actual.tensors().keySet());
        expected.tensors().forEach((name, tensor) -> {
            Tensor other = actual.tensors().get(name);
            if (tensor.dataType() == DataType.INT32) {
                assertArrayEquals(tensor.toIntArray(), other.toIntArray(), name);
            } else {
                assertArrayEquals(tensor.toFloatArray(), other.toFloatArray(), name);
            }
        });
    }

    // ---- data ------------------------------------------------------------------------------------------------------

    private static Quantized forward(Quantizer layer, Tensor z, @Nullable Function<Device, RowMask> mask) {
        return mask == null ? layer.forward(z) : layer.forward(z, mask.apply(layer.device()));
    }

    /** 2 x 64 x 3 x 3. */
    private static float[] numbers(int seed) {
        Random random = new Random(seed);
        float[] values = new float[ROWS * FEATURES];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }

    private static Tensor host(float[] values) {
        return Tensor.of(values, 2, FEATURES, 3, 3);
    }

    private static Tensor onDevice(float[] values) {
        Tensor tensor = Tensor.allocate(Backend.cuda(0).kernels(), DataType.FLOAT32, 2, FEATURES, 3, 3);
        host(values).copyTo(Backend.cuda(0).kernels(), tensor.floats());
        return tensor;
    }

    /** Without the last column. */
    private static RowMask maskOnHost() {
        boolean[] rows = new boolean[ROWS];
        for (int i = 0; i < rows.length; i++) {
            rows[i] = i % 3 < 2;
        }
        return RowMask.of(rows, 2, 3, 3);
    }

    private static RowMask maskOnDevice() {
        Tensor marks = Tensor.allocate(Backend.cuda(0).kernels(), DataType.INT32, 2, 3, 3);
        maskOnHost().rows().copyTo(Backend.cuda(0).kernels(), marks.ints());
        return RowMask.of(marks);
    }

    private static long waits() {
        try (LongPointer counts = new LongPointer(6)) {
            CudaKernels.batchCounts(counts);
            return counts.get(4);
        }
    }
}
