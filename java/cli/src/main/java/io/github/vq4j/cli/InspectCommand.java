package io.github.vq4j.cli;

import io.github.vq4j.Checkpoint;
import io.github.vq4j.FrozenQuantizer;
import io.github.vq4j.Norm;
import io.github.vq4j.Quantizer;
import io.github.vq4j.Tensor;
import io.github.vq4j.cli.vectors.VectorReader;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "inspect",
        description = "Describes codebooks, and how well they do on the vectors of a file.",
        footer = VectorReader.TEXT,
        mixinStandardHelpOptions = true,
        sortOptions = false)
final class InspectCommand implements Callable<Integer> {
    @Parameters(paramLabel = "CODEBOOK", description = "What fit wrote, or a checkpoint of a layer.")
    private Path codebook;

    @Option(
            names = "--data",
            paramLabel = "VECTORS",
            description = "Vectors to measure with: " + VectorReader.FORMATS + ".")
    private Path vectors;

    @Option(names = "--tensor", paramLabel = "NAME", description = "Which tensor of a .safetensors file.")
    private String tensor;

    @Option(
            names = "--neighbors",
            paramLabel = "K",
            description =
                    "With --data: how many of the K nearest neighbours are still found after compression (recall@K).")
    private Integer neighbors;

    @Option(
            names = "--picture",
            paramLabel = "PNG",
            description = "With --data: draw how often the codes are used into this file (.png).")
    private Path picture;

    @Mixin
    private Output results;

    @Override
    public Integer call() throws IOException {
        if (vectors == null && (neighbors != null || picture != null || tensor != null)) {
            throw new IllegalArgumentException("need --data with --neighbors, --picture and --tensor");
        }
        if (neighbors != null && neighbors < 1) {
            throw new IllegalArgumentException("need --neighbors of at least 1, got " + neighbors);
        }
        if (picture != null) {
            PngFile.checkName(picture);
            OutputPath.of(picture, codebook, vectors);
        }
        Map<String, String> options =
                vectors == null ? CodebookFile.options(codebook) : CodebookFile.optionsForRows(codebook);
        Map<String, Object> named = new LinkedHashMap<>();
        try (Checkpoint checkpoint = Checkpoint.load(codebook)) {
            Quantizer layer = checkpoint.layer().eval();
            named.put("layer", layer.toString());
            named.put("features", layer.featureSize());
            named.put("norm", options.getOrDefault("layer.norm", Norm.NONE.name()));
            named.put("codebooks", layer.codebookCount());
            named.put("codes of each", layer.numCodes() / layer.codebookCount());
            named.put("bits of a row", bitsOfRow(layer, options));
            double[] lengths = lengths(layer);
            named.put("shortest code", Arrays.stream(lengths).min().orElseThrow());
            named.put("mean length of a code", Arrays.stream(lengths).average().orElseThrow());
            named.put("longest code", Arrays.stream(lengths).max().orElseThrow());
            if (vectors != null) {
                measure(layer, named);
            }
        } catch (IllegalStateException untrained) {
            throw new IOException(codebook + ": " + untrained.getMessage(), untrained);
        }
        results.print(named);
        return 0;
    }

    private static int bitsOfRow(Quantizer layer, Map<String, String> options) {
        return CodebookFile.codesOfRow(options).orElse(1) * layer.packing().bitsOfCode();
    }

    private void measure(Quantizer layer, Map<String, Object> named) throws IOException {
        Measurement measured = Measurement.of(layer, vectors, tensor);
        named.putAll(measured.named());
        if (neighbors != null) {
            try (FrozenQuantizer frozen = layer.freeze()) {
                named.put("recall@" + neighbors, Recall.recall(frozen, vectors, tensor, neighbors));
            }
        }
        if (picture != null) {
            UsagePicture.write(measured, picture);
            named.put("picture", picture.toString());
        }
    }

    private static double[] lengths(Quantizer layer) {
        return IntStream.range(0, layer.codebookCount())
                .mapToObj(layer::effectiveCodebook)
                .flatMapToDouble(InspectCommand::lengths)
                .toArray();
    }

    private static java.util.stream.DoubleStream lengths(Tensor codebook) {
        int features = Math.toIntExact(codebook.size(1));
        float[] values = codebook.toFloatArray();
        codebook.close();
        return IntStream.range(0, values.length / features).mapToDouble(k -> {
            double sum = 0;
            for (int d = 0; d < features; d++) {
                sum += (double) values[k * features + d] * values[k * features + d];
            }
            return Math.sqrt(sum);
        });
    }
}
