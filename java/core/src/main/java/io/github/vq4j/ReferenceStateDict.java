package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Memory;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.DoubleConsumer;
import java.util.function.DoubleSupplier;
import java.util.function.DoubleUnaryOperator;
import java.util.function.LongConsumer;
import java.util.function.LongSupplier;
import java.util.function.Predicate;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.jspecify.annotations.Nullable;

/**
 * The {@code state_dict} of the paper's reference package, in PyTorch, as a safetensors file: read into a layer, and
 * written from one. The options of a layer are not part of it: build the layer with those of the reference's. Its layers of
 * groups and stages share one codebook unless they were built with share=False, those here have one each unless they were built
 * with share(true), and nothing in the file tells which it was.
 *
 * <table>
 * <caption>Names there, each behind a prefix if there is one, and here</caption>
 * <tr><td>{@code codebook.weight}</td><td>F32[numCodes, features], the codebooks one after the other</td></tr>
 * <tr><td>{@code affine_transform.scale}, {@code .bias}</td><td>F32[affineGroups, features], "affine.scale" and
 * "affine.bias". The reference has one affine for all codebooks: it is read into each, and can be written where all
 * codebooks have the same</td></tr>
 * <tr><td>{@code affine_transform.running_ze_mean}, {@code running_ze_var}</td><td>F32[affineGroups, features], every
 * row the same: the running moments of the input</td></tr>
 * <tr><td>{@code affine_transform.running_c_mean}, {@code running_c_var}</td><td>F32[affineGroups, features], those of
 * the codebook</td></tr>
 * <tr><td>{@code affine_transform.running_statistics_initialized}</td><td>F32[1], whether they have started</td></tr>
 * <tr><td>{@code norm_layer.weight}, {@code .bias}</td><td>F32[featureSize], "norm.scale" and "norm.shift"</td></tr>
 * <tr><td>{@code norm_layer.running_mean}, {@code running_var}</td><td>F32[featureSize], batch norm</td></tr>
 * <tr><td>{@code norm_layer.num_batches_tracked}</td><td>I64[], written as the number of training forwards, not
 * read</td></tr>
 * <tr><td>{@code data_initialized}</td><td>F32[1], 0 while an initialisation by k-means is due; where it is missing it
 * is not</td></tr>
 * <tr><td>{@code _counts}</td><td>F32[numCodes], what is left of every code's life; where it is missing, it
 * stays</td></tr>
 * </table>
 *
 * <p>Other tensors of the file are those of other modules. What the reference does not have stays as it is: the
 * training step, and the inner optimiser's state. The reference's codebook norms "l2" and "l2c" are MAX_NORM and UNIT.
 */
public final class ReferenceStateDict {
    private static final String CODEBOOK = "codebook.weight";
    private static final String AFFINE = "affine_transform.";
    private static final String STARTED = AFFINE + "running_statistics_initialized";
    private static final String NORM = "norm_layer.";
    private static final String BATCHES = NORM + "num_batches_tracked";
    private static final String INITIALIZED = "data_initialized";
    private static final String COUNTS = "_counts";

    /** What each codebook has, by its name here: the name there. */
    private static final Map<String, String> OF_CODEBOOK = Map.of(
            "affine.scale", AFFINE + "scale",
            "affine.bias", AFFINE + "bias",
            "affine.input.mean", AFFINE + "running_ze_mean",
            "affine.input.variance", AFFINE + "running_ze_var",
            "affine.codebook.mean", AFFINE + "running_c_mean",
            "affine.codebook.variance", AFFINE + "running_c_var");

    /** What the layer has. */
    private static final Map<String, String> OF_LAYER = Map.of(
            "norm.scale", NORM + "weight",
            "norm.shift", NORM + "bias",
            "norm.running.mean", NORM + "running_mean",
            "norm.running.variance", NORM + "running_var");

    private ReferenceStateDict() {}

    /**
     * Reads a state_dict into a layer. Nothing is changed unless it fits.
     *
     * @param prefix what the names begin with in the dictionary of a whole model, such as "encoder.vq."; "" if nothing
     * @throws IOException if the file cannot be read or is not a safetensors file
     * @throws IllegalArgumentException if the layer's options do not go with the tensors, or a tensor has a NaN, an
     *     infinity or a negative variance; the message names them
     */
    public static void load(Path path, String prefix, Quantizer layer) throws IOException {
        checkForm(layer);
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            Import visitor = new Import(file, prefix, layer);
            layer.visitState(visitor);
            visitor.checkAllUsed();
            visitor.changes.forEach(Runnable::run);
        } catch (UncheckedIOException failure) {
            throw failure.getCause();
        }
    }

    /**
     * Writes the state_dict of a layer.
     *
     * @param prefix what the names are to begin with; "" for nothing
     * @throws IOException if the file cannot be written; one that was there is still there then
     * @throws IllegalArgumentException if codebooks have different affines, or the layer a linear codebook or projections,
     *     which the reference cannot hold
     */
    public static void save(Path path, String prefix, Quantizer layer) throws IOException {
        checkForm(layer);
        Export visitor = new Export();
        layer.visitState(visitor);
        visitor.writer(prefix, layer).write(path);
    }

    private static void checkForm(Quantizer layer) {
        boolean isLinear = layer.options().get("linearCodebook").equals("true");
        String lookupSize = layer.options().get("lookupSize");
        if (isLinear || !lookupSize.equals("0")) {
            throw new IllegalArgumentException(
                    "need a layer without linearCodebook and lookupSize, which the reference does"
                            + " not have, got linearCodebook = " + isLinear + ", lookupSize = " + lookupSize);
        }
    }

    private static int affineGroups(Quantizer layer) {
        return Integer.parseInt(layer.options().get("affineGroups"));
    }

    /** A name of the layer's state: the codebook it belongs to, 0 where there is one, and the name within it. */
    private record Name(int codebook, String local) {
        static Name of(String name) {
            int dot = name.indexOf('.');
            boolean numbered = dot > 0 && name.chars().limit(dot).allMatch(Character::isDigit);
            return numbered ? new Name(Integer.parseInt(name, 0, dot, 10), name.substring(dot + 1)) : new Name(0, name);
        }
    }

    private static final class Import implements StateVisitor {
        private final SafetensorsFile file;
        private final String prefix;
        private final Quantizer layer;
        private final long features;
        private final int codesOfOne;
        private final Set<String> used = new TreeSet<>();
        private final List<Runnable> changes = new ArrayList<>();

        Import(SafetensorsFile file, String prefix, Quantizer layer) {
            this.file = file;
            this.prefix = prefix;
            this.layer = layer;
            features = layer.codebook(0).size(1);
            codesOfOne = layer.numCodes() / layer.codebookCount();
        }

        @Override
        public void floats(String name, Kernels kernels, FloatPointer values, long... shape) {
            Name place = Name.of(name);
            float[] read = read(place, kernels, shape);
            if (read != null && place.local.equals("codebook")) {
                // What follows the codebook starts anew with it.
                changes.add(() -> layer.setCodebook(place.codebook, Tensor.of(read, shape)));
            } else if (read != null) {
                changes.add(() -> kernels.write(read, values));
            }
        }

        private float @Nullable [] read(Name name, Kernels kernels, long[] shape) {
            if (name.local.equals("codebook")) {
                int size = codesOfOne * (int) features;
                float[] codes = part(floats(CODEBOOK, layer.numCodes(), features), name.codebook * size, size);
                check(kernels, codes, name.codebook);
                return codes;
            }
            if (OF_CODEBOOK.containsKey(name.local)) {
                String there = OF_CODEBOOK.get(name.local);
                float[] rows = floats(there, affineGroups(layer), features);
                return name.local.startsWith("affine.input.") ? oneOfEqualRows(there, rows) : rows;
            }
            return OF_LAYER.containsKey(name.local) ? floats(OF_LAYER.get(name.local), shape) : null;
        }

        @Override
        public void ints(String name, Kernels kernels, IntPointer values, int least, int most, long... shape) {
            Name place = Name.of(name);
            if (!place.local.equals("replacement.counters") || !file.has(prefix + COUNTS)) {
                return;
            }
            float[] counts = part(floats(COUNTS, layer.numCodes()), place.codebook * codesOfOne, codesOfOne);
            int[] read = new int[codesOfOne];
            for (int k = 0; k < codesOfOne; k++) {
                read[k] = (int) counts[k];
                if (read[k] != counts[k] || read[k] < least || read[k] > most) {
                    throw bad("need whole " + COUNTS + " from " + least + " to replaceFreq = " + most + ", got "
                            + counts[k]);
                }
            }
            changes.add(() -> kernels.write(read, values));
        }

        @Override
        public void number(String name, long least, long most, LongSupplier value, LongConsumer restore) {
            long read;
            switch (Name.of(name).local) {
                case "affine.input.started", "affine.codebook.started" -> read = floats(STARTED, 1)[0] == 0 ? 0 : 1;
                case "awaitsKmeans" -> read = file.has(prefix + INITIALIZED) && floats(INITIALIZED, 1)[0] == 0 ? 1 : 0;
                // Restored as it is: that also forgets gradients and a pending backward.
                case "trainingSteps" -> read = value.getAsLong();
                default -> {
                    return;
                }
            }
            changes.add(() -> restore.accept(read));
        }

        @Override
        public void real(String name, DoubleSupplier value, DoubleUnaryOperator check, DoubleConsumer restore) {
            // Learning rates are not part of a state_dict of a module.
        }

        /** Refuses what would have changed the codes of the layer. */
        void checkAllUsed() {
            for (String name : file.names()) {
                boolean counts = name.startsWith(prefix + AFFINE) || name.startsWith(prefix + NORM);
                if (counts && !used.contains(name) && !name.equals(prefix + BATCHES)) {
                    throw bad("need a layer with a place for " + name + ": with affineLr > 0 for a learned affine, "
                            + "statisticsAffine for running statistics, norm BATCH or GROUP for a norm_layer; got "
                            + layer);
                }
            }
        }

        private float[] floats(String name, long... shape) {
            String full = prefix + name;
            try {
                boolean fits =
                        file.has(full) && file.type(full).equals("F32") && Arrays.equals(file.shape(full), shape);
                if (!fits) {
                    throw bad("need a tensor " + full + " F32" + Arrays.toString(shape) + " for " + layer + ", got "
                            + (file.has(full) ? file.type(full) + Arrays.toString(file.shape(full)) : none(name)));
                }
                used.add(full);
                float[] values = file.floats(full);
                checkEach(full, "finite numbers", Float::isFinite, values);
                if (name.endsWith("_var")) {
                    checkEach(full, "variances of at least 0", variance -> variance >= 0, values);
                }
                return values;
            } catch (IOException failure) {
                throw new UncheckedIOException(failure);
            }
        }

        private void checkEach(String name, String needed, Predicate<Float> is, float[] values) {
            for (int i = 0; i < values.length; i++) {
                if (!is.test(values[i])) {
                    throw bad("need " + needed + " in " + name + ", got " + values[i] + " at position " + i);
                }
            }
        }

        /** "none", and what has the name behind another prefix, which is easily mistaken. */
        private String none(String name) {
            List<String> others = file.names().stream()
                    .filter(other -> other.equals(name) || other.endsWith("." + name))
                    .limit(8)
                    .toList();
            return others.isEmpty() ? "none" : "none, but with other prefixes " + others;
        }

        private float[] oneOfEqualRows(String name, float[] rows) {
            float[] first = part(rows, 0, (int) features);
            for (int begin = 0; begin < rows.length; begin += first.length) {
                if (!Arrays.equals(first, part(rows, begin, first.length))) {
                    throw bad("need the same moments of the input in every row of " + prefix + name
                            + ", got others in row " + begin / first.length);
                }
            }
            return first;
        }

        private void check(Kernels kernels, float[] codes, int codebook) {
            try (Memory<FloatPointer> staged = Memory.floats(kernels, codes.length)) {
                kernels.write(codes, staged.pointer());
                layer.codebooks.get(codebook).check(staged.pointer());
            }
        }

        private IllegalArgumentException bad(String what) {
            return new IllegalArgumentException(file.malformed(what).getMessage());
        }
    }

    private static float[] part(float[] values, int begin, int size) {
        return Arrays.copyOfRange(values, begin, begin + size);
    }

    /** Collects the layer's state, what belongs to codebooks one after the other. */
    private static final class Export implements StateVisitor {
        private final Map<String, List<float[]>> parts = new HashMap<>();
        private final Map<String, Long> numbers = new HashMap<>();

        @Override
        public void floats(String name, Kernels kernels, FloatPointer values, long... shape) {
            float[] copy = new float[Arguments.product(shape)];
            kernels.read(values, copy);
            add(name, copy);
        }

        @Override
        public void ints(String name, Kernels kernels, IntPointer values, int least, int most, long... shape) {
            int[] copy = new int[Arguments.product(shape)];
            kernels.read(values, copy);
            float[] counts = new float[copy.length];
            for (int k = 0; k < copy.length; k++) {
                counts[k] = copy[k];
            }
            add(name, counts);
        }

        @Override
        public void number(String name, long least, long most, LongSupplier value, LongConsumer restore) {
            numbers.put(Name.of(name).local, value.getAsLong());
        }

        @Override
        public void real(String name, DoubleSupplier value, DoubleUnaryOperator check, DoubleConsumer restore) {
            // Learning rates are not part of a state_dict of a module.
        }

        SafetensorsWriter writer(String prefix, Quantizer layer) {
            SafetensorsWriter writer = new SafetensorsWriter();
            long features = layer.codebook(0).size(1);
            writer.floats(prefix + CODEBOOK, joined(parts.get("codebook")), layer.numCodes(), features);
            int groups = affineGroups(layer);
            OF_CODEBOOK.forEach((here, there) -> {
                if (parts.containsKey(here)) {
                    int copies = here.startsWith("affine.input.") ? groups : 1;
                    float[] rows = joined(Collections.nCopies(copies, same(here)));
                    writer.floats(prefix + there, rows, groups, features);
                }
            });
            if (numbers.containsKey("affine.input.started")) {
                writer.floats(prefix + STARTED, new float[] {numbers.get("affine.input.started")}, 1);
            }
            OF_LAYER.forEach((here, there) -> {
                if (parts.containsKey(here)) {
                    writer.floats(prefix + there, parts.get(here).get(0), layer.featureSize());
                }
            });
            if (parts.containsKey("norm.running.mean")) {
                writer.longs(prefix + BATCHES, new long[] {numbers.get("trainingSteps")});
            }
            if (layer.options().get("kmeansInit").equals("true")) {
                writer.floats(prefix + INITIALIZED, new float[] {1 - numbers.get("awaitsKmeans")}, 1);
            }
            if (parts.containsKey("replacement.counters")) {
                writer.floats(prefix + COUNTS, joined(parts.get("replacement.counters")), layer.numCodes());
            }
            return writer;
        }

        private void add(String name, float[] values) {
            parts.computeIfAbsent(Name.of(name).local, local -> new ArrayList<>())
                    .add(values);
        }

        private float[] same(String name) {
            List<float[]> ofCodebooks = parts.get(name);
            for (int i = 1; i < ofCodebooks.size(); i++) {
                if (!Arrays.equals(ofCodebooks.get(0), ofCodebooks.get(i))) {
                    throw new IllegalArgumentException("need the same " + name
                            + " in all codebooks, as the reference has " + "one for all, got another in codebook " + i);
                }
            }
            return ofCodebooks.get(0);
        }

        private static float[] joined(List<float[]> parts) {
            float[] all = new float[parts.stream().mapToInt(part -> part.length).sum()];
            int end = 0;
            for (float[] part : parts) {
                System.arraycopy(part, 0, all, end, part.length);
                end += part.length;
            }
            return all;
        }
    }
}
