package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import io.github.vq4j.internal.CudaKernels;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.bytedeco.javacpp.LongPointer;
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

    /** Why a method waits, by its name. */
    private static final Map<String, String> REASONS = Map.of();

    /** Options of the layers that have them. */
    private record Case(String name, boolean masked, List<Function<Backend, Quantizer>> layers) {
        static Case of(Method method) {
            List<Function<Backend, Quantizer>> layers = new ArrayList<>();
            for (Supplier<Quantizer.Builder<?>> builder : builders()) {
                if (has(builder.get(), method)) {
                    layers.add(backend -> {
                        Quantizer.Builder<?> options = builder.get().backend(backend);
                        method.configure().accept(options);
                        return options.build();
                    });
                }
            }
            return new Case(method.name(), method == Method.MASK, layers);
        }

        static Case of(String name, Function<Quantizer.Builder<?>, Quantizer.Builder<?>> options) {
            List<Function<Backend, Quantizer>> layers = new ArrayList<>();
            for (Supplier<Quantizer.Builder<?>> builder : builders()) {
                layers.add(
                        backend -> options.apply(builder.get().backend(backend)).build());
            }
            return new Case(name, false, layers);
        }

        private static List<Supplier<Quantizer.Builder<?>>> builders() {
            return List.of(
                    () -> VectorQuant.builder(FEATURES, CODES),
                    () -> GroupVectorQuant.builder(FEATURES, CODES, 2),
                    () -> ResidualVectorQuant.builder(FEATURES, CODES, 2));
        }

        private static boolean has(Quantizer.Builder<?> builder, Method method) {
            return Stream.of(builder.getClass().getMethods())
                    .map(java.lang.reflect.Method::getName)
                    .toList()
                    .containsAll(method.options());
        }
    }

    private static List<Case> cases() {
        List<Case> all = new ArrayList<>();
        all.add(Case.of("no options", builder -> builder));
        Method.ALL.forEach(method -> all.add(Case.of(method)));
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
        StringBuilder table = new StringBuilder(
                "| option | waits of the first pass | of a further pass | why |\n| --- | ---: | ---: | --- |\n");
        for (Case each : cases()) {
            long first = 0;
            long further = 0;
            for (Function<Backend, Quantizer> layer : each.layers()) {
                List<Long> waits = waits(layer, each.masked());
                first = Math.max(first, waits.get(0));
                further = Math.max(
                        further,
                        waits.stream().skip(1).mapToLong(Long::longValue).max().orElse(0));
            }
            String reason = REASONS.getOrDefault(each.name(), "");
            table.append(String.format("| %s | %d | %d | %s |%n", each.name(), first, further, reason));
        }
        System.out.println(table);
    }

    /** Without graphs: so many shapes come in a test that those which are kept would be waited for to be replaced. */
    private static List<Long> waits(Function<Backend, Quantizer> kind, boolean masked) {
        List<Long> all = new ArrayList<>();
        Backend cuda = Backend.cuda(0);
        CudaKernels.setUsesUntilGraph(0);
        try (Quantizer layer = kind.apply(cuda);
                Tensor z = onDevice(numbers(1));
                Tensor gradient = onDevice(numbers(2))) {
            for (int pass = 0; pass < PASSES; pass++) {
                long before = waits();
                forward(layer, z, masked).close();
                layer.backward(gradient, 1).close();
                all.add(waits() - before);
            }
            layer.state();
        } finally {
            CudaKernels.setUsesUntilGraph(2);
        }
        return all;
    }

    // ---- failures --------------------------------------------------------------------------------------------------

    @TestFactory
    Stream<DynamicTest> aPassThatFailsHasChangedNothing() {
        return cases().stream()
                .map(each -> dynamicTest(each.name(), () -> {
                    for (Function<Backend, Quantizer> layer : each.layers()) {
                        failBetweenPasses(layer, each.masked());
                    }
                }));
    }

    /** Good passes, one that fails, good passes: on the device as on the CPU, which fails at once. */
    private static void failBetweenPasses(Function<Backend, Quantizer> kind, boolean masked) {
        float[] bad = numbers(5);
        bad[31 * 9 + 4] = Float.NaN; // of row 4
        try (Quantizer onCpu = kind.apply(Backend.cpu());
                Quantizer onCuda = kind.apply(Backend.cuda(0));
                Optimizer ofCpu = Optimizer.adam(0.01);
                Optimizer ofCuda = Optimizer.adam(0.01);
                Tensor badOnDevice = onDevice(bad)) {
            for (int step = 0; step < 2; step++) {
                train(onCpu, ofCpu, onCuda, ofCuda, step, masked);
            }
            LayerState before = onCuda.state();
            NotFiniteException expected =
                    assertThrows(NotFiniteException.class, () -> forward(onCpu, host(bad), masked));
            NotFiniteException failure =
                    assertThrows(NotFiniteException.class, () -> forward(onCuda, badOnDevice, masked)
                            .loss());
            assertEquals("z", failure.tensor());
            assertEquals(expected.row(), failure.row());
            assertSame(before, onCuda.state());
            for (int step = 2; step < 5; step++) {
                train(onCpu, ofCpu, onCuda, ofCuda, step, masked);
            }
            assertSame(onCpu.state(), onCuda.state());
        }
    }

    private static void train(
            Quantizer onCpu, Optimizer ofCpu, Quantizer onCuda, Optimizer ofCuda, int step, boolean masked) {
        float[] rows = numbers(10 + step);
        float[] gradients = numbers(20 + step);
        try (Tensor z = onDevice(rows);
                Tensor gradient = onDevice(gradients);
                Quantized expected = forward(onCpu, host(rows), masked);
                Quantized result = forward(onCuda, z, masked);
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

    private static Quantized forward(Quantizer layer, Tensor z, boolean masked) {
        return masked ? layer.forward(z, mask()) : layer.forward(z);
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
    private static RowMask mask() {
        boolean[] rows = new boolean[ROWS];
        for (int i = 0; i < rows.length; i++) {
            rows[i] = i % 3 < 2;
        }
        return RowMask.of(rows, 2, 3, 3);
    }

    private static long waits() {
        try (LongPointer counts = new LongPointer(5)) {
            CudaKernels.batchCounts(counts);
            return counts.get(4);
        }
    }
}
