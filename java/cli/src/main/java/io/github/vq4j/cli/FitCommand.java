package io.github.vq4j.cli;

import io.github.vq4j.FrozenQuantizer;
import io.github.vq4j.GroupVectorQuant;
import io.github.vq4j.Norm;
import io.github.vq4j.Quantized;
import io.github.vq4j.Quantizer;
import io.github.vq4j.QuantizerBuilder;
import io.github.vq4j.ResidualVectorQuant;
import io.github.vq4j.Tensor;
import io.github.vq4j.VectorQuant;
import io.github.vq4j.cli.vectors.VectorReader;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "fit",
        description =
                "Fits codebooks to the vectors of a file: k-means of a sample that fits in memory, then, for larger"
                        + " files, moving averages over all of it in mini-batches.",
        footer = VectorReader.TEXT,
        mixinStandardHelpOptions = true,
        sortOptions = false)
final class FitCommand implements Callable<Integer> {
    private static final double DECAY = 0.99;

    @Parameters(paramLabel = "VECTORS", description = "File of vectors: " + VectorReader.FORMATS + ".")
    private Path vectors;

    @Option(
            names = {"-o", "--output"},
            required = true,
            paramLabel = "CODEBOOK",
            description = "Where to write the codebooks (.safetensors).")
    private Path output;

    @Option(
            names = "--codes",
            paramLabel = "K",
            defaultValue = "256",
            description = "Codes of each codebook; 256 take a byte. Default: ${DEFAULT-VALUE}.")
    private int codes;

    @ArgGroup(exclusive = true)
    private Kind kind = new Kind();

    /** What has several codebooks. */
    private static final class Kind {
        @Option(
                names = "--groups",
                paramLabel = "M",
                description = "Product quantization: split each vector into M parts.")
        private int groups = 1;

        @Option(names = "--stages", paramLabel = "S", description = "Residual quantization: each code is a sum of S.")
        private int stages = 1;
    }

    @Option(
            names = "--norm",
            defaultValue = "NONE",
            description = "NONE, or UNIT to compare directions only. Default: ${DEFAULT-VALUE}.")
    private RowNorm norm;

    /** The norms that a file of vectors has a use for. */
    private enum RowNorm {
        NONE(Norm.NONE),
        UNIT(Norm.UNIT);

        private final Norm norm;

        RowNorm(Norm norm) {
            this.norm = norm;
        }
    }

    @Option(
            names = "--sample",
            paramLabel = "N",
            defaultValue = "262144",
            description = "Most rows for k-means, held in memory. Default: ${DEFAULT-VALUE}.")
    private int sample;

    @Option(
            names = "--epochs",
            paramLabel = "E",
            description =
                    "Passes over the file in mini-batches after k-means. Default: 1 for files of more rows than the"
                            + " sample, else 0.")
    private Integer epochs;

    @Option(
            names = "--batch",
            paramLabel = "N",
            defaultValue = "8192",
            description = "Rows of a mini-batch. Default: ${DEFAULT-VALUE}.")
    private int batch;

    @Option(names = "--seed", defaultValue = "0", description = "Of all random numbers. Default: ${DEFAULT-VALUE}.")
    private long seed;

    @Option(names = "--tensor", paramLabel = "NAME", description = "Which tensor of a .safetensors file.")
    private String tensor;

    @Mixin
    private Output results;

    @Override
    public Integer call() throws IOException {
        requireAtLeast(1, "--codes", codes);
        requireAtLeast(1, "--groups", kind.groups);
        requireAtLeast(1, "--stages", kind.stages);
        requireAtLeast(1, "--sample", sample);
        requireAtLeast(1, "--batch", batch);
        if (epochs != null) {
            requireAtLeast(0, "--epochs", epochs);
        }
        Path file = OutputPath.of(output, vectors);
        long begin = System.nanoTime();
        try (VectorReader reader = VectorReader.open(vectors, tensor)) {
            int passes = epochs != null ? epochs : reader.rows() > sample ? 1 : 0;
            try (Quantizer layer = builder(reader.features(), passes).build()) {
                start(layer, reader);
                for (int epoch = 1; epoch <= passes; epoch++) {
                    pass(layer, epoch, passes);
                }
                layer.eval();
                double seconds = (System.nanoTime() - begin) / 1e9;
                Measurement measured = Measurement.of(layer, vectors, tensor);
                try (FrozenQuantizer frozen = layer.freeze()) {
                    frozen.save(file);
                }
                Map<String, Object> named = new LinkedHashMap<>();
                named.put("codebook", output.toString());
                named.put("rows", reader.rows());
                named.put("features", reader.features());
                named.put("seconds", seconds);
                named.putAll(measured.named());
                results.print(named);
            }
        }
        return 0;
    }

    private QuantizerBuilder<?> builder(int features, int passes) {
        QuantizerBuilder<?> builder;
        if (kind.groups > 1) {
            builder = GroupVectorQuant.builder(features, inAll("--groups", kind.groups), kind.groups);
        } else if (kind.stages > 1) {
            builder = ResidualVectorQuant.builder(features, inAll("--stages", kind.stages), kind.stages);
        } else {
            builder = VectorQuant.builder(features, codes);
        }
        builder.dim(1).norm(norm.norm).seed(seed).kmeansInit(true);
        return passes > 0 ? builder.ema(DECAY) : builder;
    }

    /** The first batch of a layer initialises its codebooks: by k-means of the sample, stage by stage. */
    private void start(Quantizer layer, VectorReader reader) throws IOException {
        Tensor rows = Progress.of("reading", reader.rows(), bar -> Batches.sample(reader, sample, seed, bar));
        Progress.of("k-means", -1, bar -> {
            layer.forward(rows).close();
            return null;
        });
    }

    private void pass(Quantizer layer, int epoch, int passes) throws IOException {
        try (VectorReader again = VectorReader.open(vectors, tensor)) {
            Progress.of("epoch " + epoch + " of " + passes, again.rows(), bar -> {
                Batches.forEach(again, batch, bar, rows -> {
                    try (Quantized q = layer.forward(rows)) {
                        bar.setExtraMessage(String.format(java.util.Locale.ROOT, " error %.4g", q.loss()));
                    }
                });
                return null;
            });
        }
    }

    private int inAll(String option, int codebooks) {
        if (codes > Integer.MAX_VALUE / codebooks) {
            throw new IllegalArgumentException("need --codes times " + option + " of at most " + Integer.MAX_VALUE
                    + ", got " + codes + " and " + codebooks);
        }
        return codes * codebooks;
    }

    private static void requireAtLeast(int least, String option, int value) {
        if (value < least) {
            throw new IllegalArgumentException("need " + option + " of at least " + least + ", got " + value);
        }
    }
}
