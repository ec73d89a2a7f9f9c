package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/**
 * The layers against what the paper's reference package computed: codes exactly, values within 1e-5 of the tensor's largest
 * magnitude, 2e-4 once an optimiser has stepped. {@code -Dvq4j.golden.dir=DIR} adds the files of a folder.
 *
 * <p>Not compared: the input's gradient under {@code l2c}, where the reference loses the radial part inside the ball; loss
 * per sample of one codebook, which the reference gives for other layers only; {@code gvq_separate_affine_sync}, where the
 * reference applies one affine to several codebooks and ours has one each; the distances of {@code vq_inplace}, which are
 * to the codes before the inner step there and to those of the output here.
 */
class GoldenTest {
    private static final Path FOLDER = Path.of("src", "test", "resources", "golden");
    private static final double TOLERANCE = 1e-5;
    private static final double TOLERANCE_AFTER_STEPS = 2e-4;
    private static final Pattern OPTION = Pattern.compile("\"(\\w+)\":\\s*(\"[^\"]*\"|[-\\w.]+)");

    @TestFactory
    Stream<DynamicTest> reference() throws IOException {
        List<DynamicTest> tests = new ArrayList<>();
        List<Path> files = files(FOLDER);
        assertEquals(34, files.size(), "golden files in " + FOLDER);
        if (System.getProperty("vq4j.golden.dir") != null) {
            files.addAll(files(Path.of(System.getProperty("vq4j.golden.dir"))));
        }
        for (Path file : files) {
            for (Backend backend : Backends.all()) {
                tests.add(dynamicTest(file.getFileName() + " on " + backend.name(), () -> compare(file, backend)));
            }
        }
        return tests.stream();
    }

    /** The files that this test passes over where a folder has them. */
    private static Optional<String> whyNotCompared(Safetensors file) {
        if (file.metadata("case", "").equals("gvq_separate_affine_sync")) {
            return Optional.of("one affine for several codebooks");
        }
        return Optional.empty();
    }

    private static void compare(Path path, Backend backend) throws IOException {
        Safetensors file = new Safetensors(path);
        whyNotCompared(file).ifPresent(Assumptions::abort);
        if (file.metadata("case", "").startsWith("cdist_topk")) {
            compareNearest(file, backend);
        } else if (file.metadata("case", "").equals("lru_schedule")) {
            compareSchedule(file, backend);
        } else if (file.metadata("case", "").endsWith("vecpool")) {
            comparePooling(file, backend);
        } else {
            compareSteps(file, backend);
        }
    }

    private static void compareSteps(Safetensors file, Backend backend) {
        Map<String, String> options = options(file.metadata("ctor", ""));
        boolean radialLost = options.getOrDefault("norm", "").equals("l2c");
        double alpha = Double.parseDouble(file.metadata("alpha", ""));
        int steps = Integer.parseInt(file.metadata("steps", ""));
        try (Quantizer layer = layer(file, options, backend);
                Optimizer optimizer = optimizer(file.metadata("optimizer", "none"))) {
            for (int step = 0; step < steps; step++) {
                String s = "step" + step + ".";
                double tolerance = step == 0 || optimizer == null ? TOLERANCE : TOLERANCE_AFTER_STEPS;
                Tensor z = Tensor.of(file.floats(s + "z"), file.shape(s + "z"));
                try (Quantized q = layer.forward(z)) {
                    assertArrayEquals(file.ints(s + "q"), q.codes().toIntArray(), s + "q");
                    close(file, s + "z_q", q.output().toFloatArray(), tolerance);
                    if (file.metadata("inplace", "").isEmpty()) {
                        close(file, s + "d", roots(q.distances().toFloatArray()), tolerance);
                    }
                    close(file, s + "loss", new float[] {(float) q.loss()}, tolerance);
                    if (!(layer instanceof VectorQuant)) {
                        close(file, s + "loss_per_sample", floats(q.sampleLosses()), tolerance);
                    }
                    layer.runningMoments(0).ifPresent(moments -> {
                        close(file, s + "running_ze_mean", moments.inputMean(), tolerance);
                        close(file, s + "running_ze_var", moments.inputVariance(), tolerance);
                        close(file, s + "running_c_mean", moments.codebookMean(), tolerance);
                        close(file, s + "running_c_var", moments.codebookVariance(), tolerance);
                    });
                }
                Tensor gradOutput = Tensor.of(file.floats(s + "grad_out"), file.shape(s + "grad_out"));
                try (Gradients gradients = layer.backward(gradOutput, alpha)) {
                    if (!radialLost) {
                        close(file, s + "grad_z", gradients.input().toFloatArray(), tolerance);
                    }
                }
                compared(layer, Parameter::gradient)
                        .forEach((name, gradient) -> close(file, s + "grad_" + name, gradient, tolerance));
                if (optimizer != null) {
                    optimizer.step(layer);
                }
                double after = optimizer == null ? tolerance : TOLERANCE_AFTER_STEPS;
                compared(layer, Parameter::value)
                        .forEach((name, value) -> close(file, s + "after_" + name, value, after));
            }
        }
    }

    /** Which codes are replaced when; the new codes are random and not compared. */
    private static void compareSchedule(Safetensors file, Backend backend) {
        int timeout = Integer.parseInt(file.metadata("timeout", ""));
        int steps = Integer.parseInt(file.metadata("steps", ""));
        long[] shape = file.shape("init.codebook");
        int replacedInAll = 0;
        try (VectorQuant layer = VectorQuant.builder((int) shape[1], (int) shape[0])
                .dim(-1)
                .replaceFreq(timeout)
                .backend(backend)
                .build()) {
            for (int step = 0; step < steps; step++) {
                String s = "step" + step + ".";
                layer.setCodebook(Tensor.of(file.floats(s + "codebook_before"), shape));
                try (Quantized q = layer.forward(Tensor.of(file.floats(s + "z"), file.shape(s + "z")))) {
                    assertArrayEquals(file.ints(s + "q"), q.codes().toIntArray(), s + "q");
                    int[] marks = new int[(int) shape[0]];
                    Arrays.stream(layer.replacedCodes()).forEach(k -> marks[k] = 1);
                    assertArrayEquals(file.ints(s + "replaced"), marks, s + "replaced");
                    assertEquals(Arrays.stream(marks).sum(), q.replacedCodes(), s + "replaced");
                    replacedInAll += q.replacedCodes();
                }
                float[] counters = new float[(int) shape[0]];
                int[] left = layer.lifeCounters();
                for (int k = 0; k < left.length; k++) {
                    counters[k] = left[k];
                }
                assertArrayEquals(file.floats(s + "counts_after"), counters, s + "counts_after");
            }
        }
        assertTrue(replacedInAll > 0, "some code is replaced");
    }

    private static void compareNearest(Safetensors file, Backend backend) {
        long[] shape = file.shape("q");
        try (NearestCodes nearest = NearestCodes.builder(Tensor.of(file.floats("codebook"), file.shape("codebook")))
                        .distance(Distance.EUCLIDEAN)
                        .k((int) shape[shape.length - 1])
                        .dim(-1)
                        .backend(backend)
                        .build();
                Neighbors found = nearest.find(Tensor.of(file.floats("z"), file.shape("z")))) {
            assertArrayEquals(shape, found.codes().shape());
            assertArrayEquals(file.ints("q"), found.codes().toIntArray());
            close(file, "d", found.distances().toFloatArray(), TOLERANCE);
        }
    }

    private static void comparePooling(Safetensors file, Backend backend) {
        int kernel = Integer.parseInt(file.metadata("kernel_size", ""));
        NormWeightedPooling.Builder builder = file.metadata("case", "").equals("maxvecpool")
                ? NormWeightedPooling.max(kernel)
                : NormWeightedPooling.softmax(kernel);
        NormWeightedPooling pooling = builder.stride(Integer.parseInt(file.metadata("stride", "")))
                .padding(Integer.parseInt(file.metadata("padding", "")))
                .backend(backend)
                .build();
        Tensor x = Tensor.of(file.floats("x"), file.shape("x"));
        try (Tensor y = pooling.forward(x);
                Tensor gradient = pooling.backward(x, Tensor.of(file.floats("grad_out"), file.shape("grad_out")))) {
            assertArrayEquals(file.shape("y"), y.shape());
            close(file, "y", y.toFloatArray(), TOLERANCE);
            close(file, "grad_x", gradient.toFloatArray(), TOLERANCE);
        }
    }

    private static Quantizer layer(Safetensors file, Map<String, String> options, Backend backend) {
        int features = Integer.parseInt(options.remove("feature_size"));
        int codes = Integer.parseInt(options.remove("num_codes"));
        int groups = Integer.parseInt(options.getOrDefault("groups", "1"));
        boolean share = Boolean.parseBoolean(options.get("share"));
        options.keySet().removeAll(List.of("groups", "share"));
        Quantizer layer =
                switch (file.metadata("layer", "")) {
                    case "GroupVectorQuant" ->
                        configure(
                                        GroupVectorQuant.builder(features, codes, groups)
                                                .share(share),
                                        file,
                                        options,
                                        backend)
                                .build();
                    case "ResidualVectorQuant" ->
                        configure(
                                        ResidualVectorQuant.builder(features, codes, groups)
                                                .share(share),
                                        file,
                                        options,
                                        backend)
                                .build();
                    default ->
                        configure(VectorQuant.builder(features, codes), file, options, backend)
                                .build();
                };
        float[] start = file.floats("init.codebook");
        int begin = 0;
        for (int i = 0; i < layer.codebookCount(); i++) {
            Tensor stored = layer.codebook(i);
            int end = begin + (int) stored.size();
            layer.setCodebook(i, Tensor.of(Arrays.copyOfRange(start, begin, end), stored.shape()));
            begin = end;
        }
        assertEquals(start.length, begin);
        for (Parameter parameter : layer.parameters()) {
            if (parameter.name().startsWith("affine.")) {
                Backends.write(parameter, file.floats("init." + parameter.name().replace('.', '_')));
            }
        }
        return layer;
    }

    private static <B extends QuantizerBuilder<B>> B configure(
            B builder, Safetensors file, Map<String, String> options, Backend backend) {
        builder.backend(backend).statisticsAffine(file.metadata("affine", "").equals("running_statistics"));
        options.forEach((name, value) -> {
            switch (name) {
                case "dim" -> builder.dim(Integer.parseInt(value));
                case "beta" -> builder.beta(Double.parseDouble(value));
                case "sync_nu" -> builder.syncNu(Double.parseDouble(value));
                case "affine_lr" -> builder.affineLr(Double.parseDouble(value));
                case "affine_groups" -> builder.affineGroups(Integer.parseInt(value));
                case "norm" ->
                    builder.norm(
                            switch (value) {
                                case "l2" -> Norm.UNIT;
                                case "l2c" -> Norm.MAX_NORM;
                                case "bn" -> Norm.BATCH;
                                case "gn" -> Norm.GROUP;
                                case "in" -> Norm.INSTANCE;
                                default -> throw new IllegalArgumentException("norm " + value);
                            });
                // The reference's names of the codebook's norms are swapped against those of the input's.
                case "cb_norm" -> builder.codebookNorm(value.equals("l2") ? CodebookNorm.MAX_NORM : CodebookNorm.UNIT);
                case "inplace_optimizer" -> {
                    Map<String, String> inner = options(file.metadata("inplace", ""));
                    assertEquals("SGD", inner.get("kind"));
                    double rate = Double.parseDouble(inner.get("lr"));
                    builder.alternated(Optimizer.sgd(rate, Double.parseDouble(inner.get("momentum"))), 1, false);
                }
                default -> throw new IllegalArgumentException("option " + name + " = " + value);
            }
        });
        return builder;
    }

    private static Optimizer optimizer(String text) {
        if (text.equals("none")) {
            return null;
        }
        Map<String, String> options = options(text);
        double rate = Double.parseDouble(options.get("lr"));
        if (text.startsWith("[\"SGD\"")) {
            return Optimizer.sgd(rate, Double.parseDouble(options.getOrDefault("momentum", "0")));
        }
        if (text.startsWith("[\"AdamW\"")) {
            return Optimizer.adamW(rate, Double.parseDouble(options.getOrDefault("weight_decay", "0.01")));
        }
        assertTrue(text.startsWith("[\"Adam\""), text);
        return Optimizer.adam(rate);
    }

    private static Map<String, String> options(String json) {
        Map<String, String> options = new HashMap<>();
        Matcher matcher = OPTION.matcher(json);
        while (matcher.find()) {
            options.put(matcher.group(1), matcher.group(2).replace("\"", ""));
        }
        return options;
    }

    /** Values or gradients of the parameters by the files' names; codebooks one after the other, norms left out. */
    private static Map<String, float[]> compared(Quantizer layer, Function<Parameter, Tensor> part) {
        Map<String, float[]> all = new HashMap<>();
        for (Parameter parameter : layer.parameters()) {
            String name = parameter.name().replaceFirst("^\\d+\\.", "").replace('.', '_');
            if (!name.startsWith("norm_")) {
                all.merge(name, part.apply(parameter).toFloatArray(), GoldenTest::joined);
            }
        }
        return all;
    }

    private static float[] joined(float[] first, float[] second) {
        float[] all = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, all, first.length, second.length);
        return all;
    }

    private static float[] floats(double[] values) {
        float[] floats = new float[values.length];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = (float) values[i];
        }
        return floats;
    }

    private static float[] roots(float[] squared) {
        float[] roots = new float[squared.length];
        for (int i = 0; i < roots.length; i++) {
            roots[i] = (float) Math.sqrt(squared[i]);
        }
        return roots;
    }

    private static void close(Safetensors file, String name, float[] found, double tolerance) {
        float[] expected = file.floats(name);
        assertEquals(expected.length, found.length, name);
        double largest = 0;
        for (float value : expected) {
            largest = Math.max(largest, Math.abs(value));
        }
        for (int i = 0; i < expected.length; i++) {
            assertEquals(expected[i], found[i], tolerance * largest, name + " at " + i);
        }
    }

    private static List<Path> files(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return new ArrayList<>(files.filter(file -> file.toString().endsWith(".safetensors"))
                    .sorted()
                    .toList());
        }
    }

    @Test
    void aWrongValueFails() throws IOException {
        Safetensors file = new Safetensors(FOLDER.resolve("vq_default.safetensors"));
        float[] disturbed = file.floats("step0.z_q");
        close(file, "step0.z_q", disturbed, TOLERANCE);
        disturbed[0] += 1e-3f;
        assertThrows(AssertionError.class, () -> close(file, "step0.z_q", disturbed, TOLERANCE));
    }
}
