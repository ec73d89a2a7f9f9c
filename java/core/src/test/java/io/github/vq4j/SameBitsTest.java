package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import io.github.vq4j.internal.CpuKernels;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/**
 * Whole training runs (initialisation, forward, backward, optimiser, replacement) leave the same bits on every backend, at
 * any number of threads, with any instruction set, and a second time.
 */
class SameBitsTest {
    private static final int STEPS = 4;
    private static final int FEATURES = 32;
    private static final int CODES = 66;

    /** Rows: more than a chunk of 256, not a multiple of anything. */
    private static final long[] SHAPE = {7, FEATURES, 53};

    private static final Map<String, UnaryOperator<VectorQuant.Builder>> OPTIONS = new LinkedHashMap<>();

    static {
        OPTIONS.put("plain", builder -> builder);
        OPTIONS.put(
                "k-means and replacement", builder -> builder.kmeansInit(true).replaceFreq(2));
        OPTIONS.put(
                "replacement under affine and sync",
                builder -> builder.affineLr(2).affineGroups(3).syncNu(2).replaceFreq(1));
        OPTIONS.put("statistics affine, batch norm", builder -> builder.statisticsAffine(true)
                .norm(Norm.BATCH)
                .affineGroups(2)
                .replaceFreq(1));
        OPTIONS.put(
                "group norm, unit codes", builder -> builder.norm(Norm.GROUP).codebookNorm(CodebookNorm.UNIT));
        OPTIONS.put("instance norm", builder -> builder.norm(Norm.INSTANCE).beta(0.25));
        OPTIONS.put("unit rows, unit codes, affine", builder -> builder.norm(Norm.UNIT)
                .codebookNorm(CodebookNorm.UNIT)
                .affineLr(1));
        OPTIONS.put(
                "rotation under sync",
                builder -> builder.syncNu(0.5).norm(Norm.BATCH).gradientEstimator(GradientEstimator.ROTATION));
        OPTIONS.put("directed gradients", builder -> builder.affineLr(1).gradientEstimator(GradientEstimator.DIVEQ));
        OPTIONS.put("rows and codes in the ball", builder -> builder.norm(Norm.MAX_NORM)
                .codebookNorm(CodebookNorm.MAX_NORM)
                .syncNu(0.2));
    }

    static {
        OPTIONS.put(
                "moving averages with expiry, k-means",
                builder -> builder.kmeansInit(true).ema(0.9).emaExpiry(3));
        OPTIONS.put("moving averages, cosine, farthest rows", builder -> builder.norm(Norm.UNIT)
                .codebookNorm(CodebookNorm.UNIT)
                .ema(0.5)
                .replaceFreq(1)
                .replacementPolicy(ReplacementPolicy.FARTHEST_INPUT));
        OPTIONS.put("codes drawn", builder -> builder.samplingTemperature(20));
        OPTIONS.put("linear codebook, orthogonal", builder -> builder.linearCodebook(true)
                .affineLr(1)
                .orthogonalWeight(2)
                .syncNu(0.5));
        OPTIONS.put("lookup in 7 dimensions", builder -> builder.lookupSize(7)
                .norm(Norm.UNIT)
                .codebookNorm(CodebookNorm.UNIT)
                .replaceFreq(1));
        for (ReplacementPolicy policy : ReplacementPolicy.values()) {
            OPTIONS.put(
                    policy + " under affine",
                    builder ->
                            builder.affineLr(2).affineGroups(3).replaceFreq(1).replacementPolicy(policy));
        }
    }

    private interface Setting {
        void run() throws Exception;
    }

    @TestFactory
    Stream<DynamicTest> trainingRuns() {
        List<DynamicTest> tests = new ArrayList<>();
        OPTIONS.forEach((name, options) -> {
            int[] expected = run(options, Backend.cpu(), 1);
            tests.add(dynamicTest(name + ", a second time", () -> same(expected, run(options, Backend.cpu(), 1))));
            tests.add(dynamicTest(
                    name + ", another seed",
                    () -> assertNotEquals(Arrays.hashCode(expected), Arrays.hashCode(run(options, Backend.cpu(), 2)))));
            for (Backend backend : Backends.all()) {
                if (backend.device() == Device.CUDA) {
                    tests.add(dynamicTest(
                            name + ", on " + backend.name(), () -> same(expected, run(options, backend, 1))));
                }
            }
            for (int threads : new int[] {1, 2, 3}) {
                tests.add(dynamicTest(
                        name + ", " + threads + " threads",
                        () -> withThreads(threads, () -> same(expected, run(options, Backend.cpu(), 1)))));
            }
            for (String set : Backends.instructionSets()) {
                tests.add(dynamicTest(
                        name + ", " + set,
                        () -> withInstructionSet(set, () -> same(expected, run(options, Backend.cpu(), 1)))));
            }
        });
        return tests.stream();
    }

    @Test
    void codesOfARowDoNotDependOnItsBatch() {
        for (Backend backend : Backends.all()) {
            try (VectorQuant layer =
                    VectorQuant.builder(19, 131).dim(-1).backend(backend).build()) {
                float[] rows = normal(5, 301 * 19);
                int[] whole = layer.encode(Tensor.of(rows, 301, 19)).toIntArray();
                for (int n = 0; n < 301; n += 50) {
                    float[] row = Arrays.copyOfRange(rows, n * 19, (n + 1) * 19);
                    assertEquals(whole[n], layer.encode(Tensor.of(row, 1, 19)).toIntArray()[0], "row " + n);
                }
            }
        }
    }

    /** All bits that a run leaves behind. */
    private static int[] run(UnaryOperator<VectorQuant.Builder> options, Backend backend, long seed) {
        List<int[]> parts = new ArrayList<>();
        VectorQuant.Builder builder =
                VectorQuant.builder(FEATURES, CODES).seed(seed).backend(backend);
        try (VectorQuant layer = options.apply(builder).build();
                Optimizer optimizer = Optimizer.adamW(1e-2)) {
            for (int step = 0; step < STEPS; step++) {
                Tensor z = Tensor.of(normal(100 + step, 7 * FEATURES * 53), SHAPE);
                Tensor gradOutput = Tensor.of(normal(200 + step, 7 * FEATURES * 53), SHAPE);
                try (Quantized q = layer.forward(z);
                        Gradients gradients = layer.backward(gradOutput, 10)) {
                    parts.add(q.codes().toIntArray());
                    parts.add(bits(q.output().toFloatArray()));
                    parts.add(bits(q.distances().toFloatArray()));
                    parts.add(bits(q.loss()));
                    parts.add(bits(q.sampleLosses()));
                    parts.add(bits(q.perplexity()));
                    parts.add(new int[] {q.activeCodes(), q.replacedCodes()});
                    parts.add(bits(gradients.input().toFloatArray()));
                }
                optimizer.step(layer);
                parts.add(bits(layer.codebook().toFloatArray()));
                for (Parameter parameter : layer.parameters()) {
                    parts.add(bits(parameter.gradient().toFloatArray()));
                    parts.add(bits(parameter.value().toFloatArray()));
                }
            }
            Tensor z = Tensor.of(normal(300, 7 * FEATURES * 53), SHAPE);
            parts.add(layer.eval().encode(z).toIntArray());
            parts.add(bits(layer.effectiveCodebook().toFloatArray()));
        }
        return parts.stream().flatMapToInt(Arrays::stream).toArray();
    }

    private static void same(int[] expected, int[] found) {
        assertArrayEquals(expected, found);
    }

    private static void withThreads(int threads, Setting setting) throws Exception {
        int before = Backend.cpuThreads();
        Backend.setCpuThreads(threads);
        try {
            setting.run();
        } finally {
            Backend.setCpuThreads(before);
        }
    }

    private static void withInstructionSet(String name, Setting setting) throws Exception {
        String before = CpuKernels.instructionSet().getString();
        CpuKernels.setInstructionSet(name);
        try {
            setting.run();
        } finally {
            CpuKernels.setInstructionSet(before);
        }
    }

    private static float[] normal(long seed, int count) {
        Random random = new Random(seed);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
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
