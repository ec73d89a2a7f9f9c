package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.reflect.Modifier;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/**
 * The tables of docs/methods.md, made by trying every pair of methods in every layer. {@code -Dvq4j.methods.write=true}
 * writes them.
 */
class MethodTableTest {
    private static final Path DOCUMENT = Path.of("..", "..", "docs", "methods.md");
    private static final String BEGIN = "<!-- written by MethodTableTest -->\n";
    private static final String END = "<!-- end -->\n";

    /** What a builder can set that is no method. */
    private static final Set<String> NO_METHODS = Set.of("dim", "beta", "seed", "backend", "build");

    private static final int FEATURES = 64;
    private static final int CODES = 8;

    /** The layers, with a letter each. */
    private enum Layer {
        VECTOR("V", VectorQuant.Builder.class, VectorQuant.class),
        GROUP("G", GroupVectorQuant.Builder.class, GroupVectorQuant.class),
        RESIDUAL("R", ResidualVectorQuant.Builder.class, ResidualVectorQuant.class),
        FINITE_SCALAR("F", FiniteScalarQuant.Builder.class, FiniteScalarQuant.class),
        LOOKUP_FREE("L", LookupFreeQuant.Builder.class, LookupFreeQuant.class);

        private final String letter;
        private final Class<?> builder;
        private final Class<?> layer;

        Layer(String letter, Class<?> builder, Class<?> layer) {
            this.letter = letter;
            this.builder = builder;
            this.layer = layer;
        }

        boolean has(Method method) {
            return method == Method.MASK
                    ? Arrays.stream(layer.getMethods())
                            .anyMatch(each -> each.getName().equals("forward")
                                    && Arrays.asList(each.getParameterTypes()).contains(RowMask.class))
                    : optionsOf(builder).containsAll(method.options());
        }

        boolean hasCodebook() {
            return Quantizer.class.isAssignableFrom(layer);
        }

        QuantizerBuilder<?> builder() {
            return switch (this) {
                case VECTOR -> VectorQuant.builder(FEATURES, CODES);
                case GROUP -> GroupVectorQuant.builder(FEATURES, CODES, 2);
                case RESIDUAL -> ResidualVectorQuant.builder(FEATURES, CODES, 2);
                case FINITE_SCALAR, LOOKUP_FREE -> throw new IllegalArgumentException(this + " has no codebook");
            };
        }
    }

    @Test
    void theDocumentSaysWhatTheLayersDo() throws IOException {
        String document = Files.readString(DOCUMENT);
        int begin = document.indexOf(BEGIN) + BEGIN.length();
        int end = document.indexOf(END);
        String tables = "\n" + methodTable() + "\n" + compositionTable() + "\n";
        if (Boolean.getBoolean("vq4j.methods.write")) {
            Files.writeString(DOCUMENT, document.substring(0, begin) + tables + document.substring(end));
        } else {
            assertEquals(tables, document.substring(begin, end), "run with -Dvq4j.methods.write=true to write it anew");
        }
    }

    @Test
    void everyOptionOfTheBuildersIsAMethodOfTheTableOrNone() {
        Set<String> told = Method.ALL.stream()
                .flatMap(method -> method.options().stream())
                .collect(Collectors.toCollection(TreeSet::new));
        told.addAll(NO_METHODS);
        Set<String> options = new TreeSet<>();
        for (Layer layer : Layer.values()) {
            if (layer.hasCodebook()) {
                options.addAll(optionsOf(layer.builder));
            }
        }
        assertEquals(options, told, "list a new option in Method.ALL");
    }

    @Test
    void everyMethodWorksByItselfWhereverItIs() {
        for (Method method : Method.ALL) {
            for (Layer layer : Layer.values()) {
                if (layer.hasCodebook() && layer.has(method)) {
                    assertEquals(Optional.empty(), refusal(layer, method, method), layer + " with " + method);
                }
            }
        }
    }

    // ---- the tables ------------------------------------------------------------------------------------------------

    private static String methodTable() {
        StringBuilder table = new StringBuilder(
                "| | method | | equation or paper | option | layers |\n" + "| ---: | --- | --- | --- | --- | --- |\n");
        for (int i = 0; i < Method.ALL.size(); i++) {
            Method method = Method.ALL.get(i);
            String layers = Arrays.stream(Layer.values())
                    .filter(layer -> layer.has(method))
                    .map(layer -> layer.letter)
                    .collect(Collectors.joining(" "));
            table.append("| ").append(i + 1);
            for (String cell : List.of(method.name(), method.what(), method.source(), method.call(), layers)) {
                table.append(" | ").append(cell);
            }
            table.append(" |\n");
        }
        return table.toString();
    }

    private static String compositionTable() {
        int count = Method.ALL.size();
        StringBuilder table = new StringBuilder("| |");
        for (int j = 1; j < count; j++) {
            table.append(" ").append(j).append(" |");
        }
        table.append("\n| --- |").append(" :---: |".repeat(count - 1)).append("\n");
        Map<String, Integer> reasons = new LinkedHashMap<>();
        for (int i = 1; i < count; i++) {
            table.append("| ")
                    .append(i + 1)
                    .append(" ")
                    .append(Method.ALL.get(i).name())
                    .append(" |");
            for (int j = 0; j < i; j++) {
                table.append(" ")
                        .append(cell(Method.ALL.get(j), Method.ALL.get(i), reasons))
                        .append(" |");
            }
            table.append(" |".repeat(count - 1 - i)).append("\n");
        }
        table.append("\n");
        reasons.forEach((reason, number) ->
                table.append(number).append(". ").append(reason).append("\n"));
        return table.toString();
    }

    private static String cell(Method one, Method other, Map<String, Integer> reasons) {
        if (one.options().equals(other.options())) {
            return "=";
        }
        List<Layer> layers = Arrays.stream(Layer.values())
                .filter(layer -> layer.hasCodebook() && layer.has(one) && layer.has(other))
                .toList();
        assertTrue(!layers.isEmpty(), "no layer has both " + one + " and " + other);
        Map<Integer, List<Layer>> refusing = new LinkedHashMap<>();
        for (Layer layer : layers) {
            refusal(layer, one, other).ifPresent(reason -> refusing.computeIfAbsent(
                            reasons.computeIfAbsent(reason, any -> reasons.size() + 1), any -> new ArrayList<>())
                    .add(layer));
        }
        if (refusing.isEmpty()) {
            return "✓";
        }
        return refusing.entrySet().stream()
                .map(entry ->
                        (entry.getValue().equals(layers) ? "" : letters(entry.getValue())) + "✗ " + entry.getKey())
                .collect(Collectors.joining(" "));
    }

    private static String letters(List<Layer> layers) {
        return layers.stream().map(layer -> layer.letter).collect(Collectors.joining());
    }

    // ---- what a layer does -----------------------------------------------------------------------------------------

    /** Why a layer does not take two methods together; empty if it trains with them. */
    private static Optional<String> refusal(Layer kind, Method one, Method other) {
        QuantizerBuilder<?> builder = kind.builder().backend(Backend.cpu());
        one.configure().accept(builder);
        other.configure().accept(builder);
        boolean masked = one == Method.MASK || other == Method.MASK;
        try (Quantizer layer = builder.build();
                Optimizer optimizer = Optimizer.adamW(1e-3);
                CodebookHealth health = CodebookHealth.of(layer, 2)) {
            for (int step = 0; step < 3; step++) {
                Tensor z = batch(step);
                try (Quantized quantized = masked ? layer.forward(z, mask()) : layer.forward(z)) {
                    assertTrue(Double.isFinite(quantized.loss()), kind + " with " + one + " and " + other);
                    health.observe();
                    layer.backward(quantized.output(), 1).close();
                }
                optimizer.step(layer);
            }
            layer.freeze().close();
            return Optional.empty();
        } catch (IllegalArgumentException refusal) {
            return Optional.of(refusal.getMessage());
        }
    }

    /** 2 x 64 x 3 x 3. */
    private static Tensor batch(int step) {
        Random random = new Random(step);
        float[] values = new float[2 * FEATURES * 9];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return Tensor.of(values, 2, FEATURES, 3, 3);
    }

    /** Without the last column. */
    private static RowMask mask() {
        boolean[] rows = new boolean[18];
        for (int i = 0; i < rows.length; i++) {
            rows[i] = i % 3 < 2;
        }
        return RowMask.of(rows, 2, 3, 3);
    }

    /** The names of the public methods that a builder has beside those of every object. */
    private static Set<String> optionsOf(Class<?> builder) {
        return Arrays.stream(builder.getMethods())
                .filter(method ->
                        method.getDeclaringClass() != Object.class && !Modifier.isStatic(method.getModifiers()))
                .map(java.lang.reflect.Method::getName)
                .collect(Collectors.toCollection(TreeSet::new));
    }
}
