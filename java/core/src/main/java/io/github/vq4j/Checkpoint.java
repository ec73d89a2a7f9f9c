package io.github.vq4j;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A layer and its optimisers as one safetensors file: all that training needs to go on, bit for bit, on whatever
 * backend. It is to be saved between steps, after the optimiser's: gradients and a pending backward are not in it.
 *
 * <pre>{@code
 * Checkpoint.save(file, layer, optimizer);
 * Checkpoint.restore(file, layer, optimizer);                  // into what is there, built with the same options
 * try (Checkpoint saved = Checkpoint.load(file)) {             // or into new ones, built as the file says
 *     Quantizer layer = saved.layer();
 *     Optimizer optimizer = saved.optimizers().get(0);
 *     ...
 * }
 * }</pre>
 *
 * <p>Version 1 of the format. Text, in the file's metadata:
 *
 * <table>
 * <caption>Metadata</caption>
 * <tr><td>{@code format}, {@code version}</td><td>{@code vq4j.checkpoint}, {@code 1}</td></tr>
 * <tr><td>{@code layer.kind}</td><td>{@code VectorQuant}, {@code GroupVectorQuant} or
 * {@code ResidualVectorQuant}</td></tr>
 * <tr><td>{@code layer.NAME}</td><td>every option by its name in the builder, numbers as Java writes them; an option
 * that is missing has its default, one that is unknown is an error. {@code layer.alternated} is the inner optimiser,
 * {@code none}, {@code SGD} or {@code Adam}, {@code layer.alternated.NAME} its options</td></tr>
 * <tr><td>{@code optimizers}</td><td>how many there are</td></tr>
 * <tr><td>{@code optimizer.i}</td><td>{@code SGD} or {@code Adam}, {@code optimizer.i.NAME} what it was made
 * with</td></tr>
 * </table>
 *
 * <p>Tensors; what belongs to codebook c of several begins with {@code c.}:
 *
 * <table>
 * <caption>Tensors</caption>
 * <tr><td>{@code codebook}</td><td>F32[codes, features], the stored codebook C</td></tr>
 * <tr><td>{@code linear.weight}</td><td>F32[features, features], linear codebook: its map</td></tr>
 * <tr><td>{@code affine.scale}, {@code affine.bias}</td><td>F32[affineGroups, features], learned affine</td></tr>
 * <tr><td>{@code affine.input.mean}, {@code .variance}, {@code .started}</td><td>F32[features] twice, I64[]: the
 * running moments of the statistics affine and whether a batch has been seen</td></tr>
 * <tr><td>{@code affine.codebook.mean}, {@code .variance}, {@code .started}</td><td>the same of the codebook,
 * F32[affineGroups * features]</td></tr>
 * <tr><td>{@code replacement.counters}, {@code .mask}, {@code .replaced}</td><td>I32[codes] twice, I64[]: what is left
 * of every code's life, and the codes last replaced</td></tr>
 * <tr><td>{@code ema.sizes}, {@code ema.sums}</td><td>F32[codes], F32[codes, features]: the moving averages N and
 * m</td></tr>
 * <tr><td>{@code alternated.TENSOR}</td><td>the inner optimiser's state, as an optimiser's</td></tr>
 * <tr><td>{@code awaitsKmeans}</td><td>I64[], 1 before the initialisation by k-means</td></tr>
 * <tr><td>{@code norm.scale}, {@code norm.shift}</td><td>F32[featureSize], with a lookupSize F32[lookupSize]: batch and
 * group norm</td></tr>
 * <tr><td>{@code norm.running.mean}, {@code .variance}</td><td>the same shape twice: batch norm</td></tr>
 * <tr><td>{@code projection.in.weight}, {@code .bias}</td><td>F32[lookupSize, featureSize], F32[lookupSize]</td></tr>
 * <tr><td>{@code projection.out.weight}, {@code .bias}</td><td>F32[featureSize, lookupSize], F32[featureSize]</td></tr>
 * <tr><td>{@code trainingSteps}</td><td>I64[]: with the seed, the state of the random numbers</td></tr>
 * <tr><td>{@code optimizer.i.learningRate}</td><td>F64[]; of Adam {@code .beta1}, {@code .beta2}, {@code .epsilon}
 * too</td></tr>
 * <tr><td>{@code optimizer.i.PARAMETER.steps}</td><td>I64[]; with it {@code .velocity}, or {@code .firstMoment} and
 * {@code .secondMoment}, of the parameter's shape</td></tr>
 * </table>
 *
 * @param layer built as the file says, in training mode
 * @param optimizers in the order in which they were saved
 */
public record Checkpoint(Quantizer layer, List<Optimizer> optimizers) implements AutoCloseable {
    private static final String FORMAT = "vq4j.checkpoint";
    private static final String VERSION = "1";
    private static final String LAYER = "layer.";
    private static final String OPTIMIZER = "optimizer.";

    /**
     * Saves a layer and what the optimisers hold of its parameters. The same state gives the same bytes.
     *
     * @throws IOException if the file cannot be written; one that was there is still there then
     * @throws IllegalArgumentException if a number of the state is not finite, as after a step too long: {@link #load} would
     *     refuse the file. One that was there is still there then, too
     */
    public static void save(Path path, Quantizer layer, Optimizer... optimizers) throws IOException {
        writer(layer, optimizers).write(path);
    }

    static SafetensorsWriter writer(Quantizer layer, Optimizer... optimizers) {
        SafetensorsWriter writer = new SafetensorsWriter()
                .metadata("format", FORMAT)
                .metadata("version", VERSION)
                .metadata("optimizers", Integer.toString(optimizers.length));
        layer.options().forEach((name, value) -> writer.metadata(LAYER + name, value));
        for (int i = 0; i < optimizers.length; i++) {
            described(optimizers[i], OPTIMIZER + i).forEach(writer::metadata);
        }
        visitState(new StateSaver(writer), layer, List.of(optimizers));
        return writer;
    }

    /**
     * Restores a layer and optimisers that were built as those saved. Nothing is changed unless the file fits. A
     * pending backward is cancelled, and gradients are forgotten. A layer that is to go on with another beta, seed or the like
     * takes the state alone: {@code layer.restore(saved.layer().state())} of what {@link #load(Path)} gives.
     *
     * @param optimizers as many as were saved, in their order, or none: then those saved are left
     * @throws IOException if the file cannot be read, or is not a whole checkpoint
     * @throws IllegalArgumentException if an option of the layer or of an optimiser differs; the message names it
     */
    public static void restore(Path path, Quantizer layer, Optimizer... optimizers) throws IOException {
        layer.checkOpen();
        try (SafetensorsFile file = open(path)) {
            check(path, layer.options(), fromFile(file, () -> builder(file).named()));
            List<Optimizer> saved = fromFile(file, () -> optimizers(file));
            if (optimizers.length > 0 && optimizers.length != saved.size()) {
                throw new IllegalArgumentException(path + ": need as many optimisers as were saved, " + saved.size()
                        + ", or none, got " + optimizers.length);
            }
            for (int i = 0; i < optimizers.length; i++) {
                String name = OPTIMIZER + i;
                check(path, described(optimizers[i], name), described(saved.get(i), name));
            }
            restore(file, layer, List.of(optimizers));
        }
    }

    /**
     * As {@link #load(Path, Backend)}, on {@link Backend#best}.
     *
     * @throws IOException if the file cannot be read, or is not a whole checkpoint
     */
    public static Checkpoint load(Path path) throws IOException {
        return load(path, Backend.best());
    }

    /**
     * Builds the layer and the optimisers that a file has.
     *
     * @param backend where the layer is to compute
     * @throws IOException if the file cannot be read, or is not a whole checkpoint; the message says why
     */
    public static Checkpoint load(Path path, Backend backend) throws IOException {
        try (SafetensorsFile file = open(path)) {
            List<Optimizer> optimizers = fromFile(file, () -> optimizers(file));
            return new Checkpoint(loadLayer(file, backend, null, optimizers), optimizers);
        }
    }

    /**
     * As {@link #load(Path, Backend)}, for a layer that goes on as one of several workers.
     *
     * @param workers as for {@link QuantizerBuilder#workers}
     */
    public static Checkpoint load(Path path, Backend backend, AllReduce workers) throws IOException {
        Objects.requireNonNull(workers, "workers");
        try (SafetensorsFile file = open(path)) {
            List<Optimizer> optimizers = fromFile(file, () -> optimizers(file));
            return new Checkpoint(loadLayer(file, backend, workers, optimizers), optimizers);
        }
    }

    /** Builds the layer alone. */
    static Quantizer loadLayer(Path path, Backend backend) throws IOException {
        try (SafetensorsFile file = open(path)) {
            return loadLayer(file, backend, null, List.of());
        }
    }

    /** Closes the layer and the optimisers. */
    @Override
    public void close() {
        optimizers.forEach(Optimizer::close);
        layer.close();
    }

    private static Quantizer loadLayer(
            SafetensorsFile file, Backend backend, @Nullable AllReduce workers, List<Optimizer> optimizers)
            throws IOException {
        Quantizer layer = fromFile(file, () -> {
            QuantizerBuilder<?> builder = builder(file);
            checkSize(file, builder);
            builder.backend(backend);
            return (workers == null ? builder : builder.workers(workers)).build();
        });
        try {
            restore(file, layer, optimizers);
            return layer;
        } catch (IOException | RuntimeException | Error failure) {
            optimizers.forEach(Optimizer::close);
            layer.close();
            throw failure;
        }
    }

    private static void restore(SafetensorsFile file, Quantizer layer, List<Optimizer> optimizers) throws IOException {
        StateRestorer restorer = new StateRestorer(file);
        try {
            fromFile(file, () -> {
                visitState(restorer, layer, optimizers);
                if (optimizers.isEmpty()) {
                    restorer.ignore(OPTIMIZER);
                }
                restorer.checkAllRead();
                return layer;
            });
        } catch (UncheckedIOException failure) {
            throw failure.getCause();
        }
        restorer.restore();
    }

    private static void visitState(StateVisitor visitor, Quantizer layer, List<Optimizer> optimizers) {
        layer.visitState(visitor);
        for (int i = 0; i < optimizers.size(); i++) {
            optimizers.get(i).visitState(visitor, OPTIMIZER + i + ".", layer.parameters());
        }
    }

    // ---- text --------------------------------------------------------------------------------------------------

    private static SafetensorsFile open(Path path) throws IOException {
        SafetensorsFile file = SafetensorsFile.open(path);
        String format = file.metadata().get("format");
        String version = file.metadata().get("version");
        if (!FORMAT.equals(format) || !VERSION.equals(version)) {
            file.close();
            throw file.malformed(
                    "need format " + FORMAT + " of version " + VERSION + ", got " + format + " of version " + version);
        }
        return file;
    }

    private static QuantizerBuilder<?> builder(SafetensorsFile file) {
        return QuantizerBuilder.of(metadata(file, LAYER, LAYER.length()));
    }

    private static List<Optimizer> optimizers(SafetensorsFile file) {
        List<Optimizer> optimizers = new ArrayList<>();
        int count = new NamedOptions(file.metadata()).required("optimizers");
        if (count < 0) {
            throw new IllegalArgumentException("need at least 0 optimisers, got " + count);
        }
        for (int i = 0; i < count; i++) {
            NamedOptions options = new NamedOptions(metadata(file, OPTIMIZER + i, 0));
            Optimizer optimizer = Optimizer.visitOptions(options, OPTIMIZER + i, null);
            if (optimizer == null) {
                throw new IllegalArgumentException("need " + count + " optimisers, got " + i);
            }
            options.checkAllRead();
            optimizers.add(optimizer);
        }
        return optimizers;
    }

    /** The lines whose keys begin with the prefix, without the first {@code cut} characters of the keys. */
    private static Map<String, String> metadata(SafetensorsFile file, String prefix, int cut) {
        Map<String, String> lines = new TreeMap<>();
        file.metadata().forEach((key, value) -> {
            if (key.equals(prefix) || key.startsWith(prefix.endsWith(".") ? prefix : prefix + ".")) {
                lines.put(key.substring(cut), value);
            }
        });
        return lines;
    }

    private static Map<String, String> described(Optimizer optimizer, String name) {
        NamedOptions options = new NamedOptions();
        optimizer.describe(options, name);
        return options.values();
    }

    /** Refuses options other than those of what is there. */
    private static void check(Path path, Map<String, String> needed, Map<String, String> saved) {
        checkOption(path, "kind", needed, saved);
        needed.keySet().forEach(name -> checkOption(path, name, needed, saved));
        saved.keySet().forEach(name -> checkOption(path, name, needed, saved));
    }

    private static void checkOption(Path path, String name, Map<String, String> needed, Map<String, String> saved) {
        String value = needed.getOrDefault(name, "none");
        if (!value.equals(saved.getOrDefault(name, "none"))) {
            throw new IllegalArgumentException(path + ": need " + name + " = " + value
                    + " as what is to be restored has, got " + saved.getOrDefault(name, "none"));
        }
    }

    /** The memory that a layer takes goes with its options: refuses those for which the file has too few tensors. */
    private static void checkSize(SafetensorsFile file, QuantizerBuilder<?> builder) {
        long codebooks = (long) builder.numCodes * builder.codebookFeatures() * Float.BYTES;
        // Their product may not fit in 63 bits.
        double maps = builder.linearCodebook
                ? (double) builder.codebookCount()
                        * builder.codebookFeatures()
                        * builder.codebookFeatures()
                        * Float.BYTES
                : 0;
        long norm = builder.norm == Norm.BATCH || builder.norm == Norm.GROUP
                ? (long) builder.lookupFeatures() * Float.BYTES
                : 0;
        long projections = (long) builder.featureSize * builder.lookupSize * Float.BYTES;
        if (maps + projections + codebooks + norm > file.dataBytes()) {
            throw new IllegalArgumentException("need " + codebooks + " bytes of codebooks, " + (long) maps
                    + " of linear maps, "
                    + projections + " of projections and " + norm + " of norm for the options, got " + file.dataBytes()
                    + " bytes of tensors");
        }
    }

    private interface Reading<T> {
        T read();
    }

    /** What cannot be used in a file is an error of the file. */
    private static <T> T fromFile(SafetensorsFile file, Reading<T> reading) throws IOException {
        try {
            return reading.read();
        } catch (IllegalArgumentException bad) {
            throw file.malformed(bad.getMessage());
        }
    }
}
