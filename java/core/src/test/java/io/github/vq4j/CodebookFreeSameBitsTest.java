package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import io.github.vq4j.internal.CpuKernels;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * Forward, backward, encode and decode without a codebook give the same bits on every backend, at any number of
 * threads, with any instruction set, and a second time.
 */
class CodebookFreeSameBitsTest {
    /** Rows: more than a chunk of 256, not a multiple of anything. */
    private static final long[] SHAPE = {7, 5, 153};

    private static final int SIZE = 7 * 5 * 153;

    private static final Map<String, Function<Backend, int[]>> RUNS = new LinkedHashMap<>();

    static {
        RUNS.put("finite scalars", CodebookFreeSameBitsTest::finiteScalars);
        RUNS.put("sign codes", backend -> signCodes(backend, false));
        RUNS.put("spherical sign codes", backend -> signCodes(backend, true));
    }

    @TestFactory
    Stream<DynamicTest> runs() {
        List<DynamicTest> tests = new ArrayList<>();
        RUNS.forEach((name, run) -> {
            int[] expected = run.apply(Backend.cpu());
            for (Backend backend : Backends.all()) {
                tests.add(dynamicTest(
                        name + ", on " + backend.name(), () -> assertArrayEquals(expected, run.apply(backend))));
            }
            for (int threads : new int[] {1, 2, 3}) {
                tests.add(dynamicTest(name + ", " + threads + " threads", () -> {
                    int before = Backend.cpuThreads();
                    Backend.setCpuThreads(threads);
                    try {
                        assertArrayEquals(expected, run.apply(Backend.cpu()));
                    } finally {
                        Backend.setCpuThreads(before);
                    }
                }));
            }
            for (String set : Backends.instructionSets()) {
                tests.add(dynamicTest(name + ", " + set, () -> {
                    String before = CpuKernels.instructionSet().getString();
                    CpuKernels.setInstructionSet(set);
                    try {
                        assertArrayEquals(expected, run.apply(Backend.cpu()));
                    } finally {
                        CpuKernels.setInstructionSet(before);
                    }
                }));
            }
        });
        return tests.stream();
    }

    private static int[] finiteScalars(Backend backend) {
        try (FiniteScalarQuant layer = FiniteScalarQuant.builder(8, 7, 2, 1001, 3)
                        .backend(backend)
                        .build();
                FiniteScalarQuantized q = layer.forward(values(1));
                Gradients gradients = layer.backward(values(2));
                Tensor decoded = layer.decode(layer.encode(values(1)))) {
            return join(
                    q.codes().toIntArray(),
                    bits(q.output().toFloatArray()),
                    bits(q.perplexity()),
                    bits(gradients.input().toFloatArray()),
                    bits(decoded.toFloatArray()));
        }
    }

    private static int[] signCodes(Backend backend, boolean spherical) {
        try (LookupFreeQuant layer = LookupFreeQuant.builder(5)
                        .spherical(spherical)
                        .inverseTemperature(3)
                        .diversityGamma(0.7)
                        .backend(backend)
                        .build();
                LookupFreeQuantized q = layer.forward(values(3));
                Gradients gradients = layer.backward(values(4), 10);
                Tensor decoded = layer.decode(layer.encode(values(3)))) {
            return join(
                    q.codes().toIntArray(),
                    bits(q.output().toFloatArray()),
                    bits(q.loss(), q.commitmentLoss(), q.sampleEntropy(), q.batchEntropy(), q.perplexity()),
                    bits(gradients.input().toFloatArray()),
                    bits(decoded.toFloatArray()));
        }
    }

    private static Tensor values(long seed) {
        Random random = new Random(seed);
        float[] values = new float[SIZE];
        for (int i = 0; i < SIZE; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return Tensor.of(values, SHAPE);
    }

    private static int[] join(int[]... parts) {
        return Arrays.stream(parts).flatMapToInt(Arrays::stream).toArray();
    }

    private static int[] bits(float[] values) {
        int[] bits = new int[values.length];
        for (int i = 0; i < bits.length; i++) {
            bits[i] = Float.floatToRawIntBits(values[i]);
        }
        return bits;
    }

    private static int[] bits(double... values) {
        int[] bits = new int[2 * values.length];
        for (int i = 0; i < values.length; i++) {
            long all = Double.doubleToRawLongBits(values[i]);
            bits[2 * i] = (int) all;
            bits[2 * i + 1] = (int) (all >>> 32);
        }
        return bits;
    }
}
