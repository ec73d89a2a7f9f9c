package io.github.vq4j.cli;

import io.github.vq4j.FrozenQuantizer;
import io.github.vq4j.Tensor;
import io.github.vq4j.cli.vectors.VectorReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "encode",
        description = "Writes the codes of the vectors of a file, packed into bits.",
        footer = VectorReader.TEXT,
        mixinStandardHelpOptions = true)
final class EncodeCommand implements Callable<Integer> {
    @Parameters(paramLabel = "CODEBOOK", description = "What fit wrote.")
    private Path codebook;

    @Parameters(paramLabel = "VECTORS", description = "File of vectors: " + VectorReader.FORMATS + ".")
    private Path vectors;

    @Option(
            names = {"-o", "--output"},
            required = true,
            paramLabel = "CODES",
            description = "Where to write the codes.")
    private Path output;

    @Option(names = "--tensor", paramLabel = "NAME", description = "Which tensor of a .safetensors file.")
    private String tensor;

    @Mixin
    private Output results;

    @Override
    public Integer call() throws IOException {
        long begin = System.nanoTime();
        OutputPath.of(output, codebook, vectors);
        OptionalInt codesOfRow = CodebookFile.codesOfRow(CodebookFile.optionsForRows(codebook));
        try (FrozenQuantizer quantizer = FrozenQuantizer.load(codebook);
                VectorReader reader = Batches.open(vectors, tensor, quantizer.featureSize());
                CodesFile.Writer writer = new CodesFile.Writer(
                        output, quantizer.packing(), codesOfRow, CodesFile.fingerprint(codebook), reader.rows())) {
            Progress.of("encoding", reader.rows(), bar -> {
                Batches.forEach(reader, Batches.rows(reader.features()), bar, rows -> {
                    try (Tensor codes = quantizer.encode(rows)) {
                        writer.write(codes);
                    }
                });
                return null;
            });
            writer.finish();
            Map<String, Object> named = new LinkedHashMap<>();
            named.put("codes", output.toString());
            named.put("rows", reader.rows());
            named.put("bytes", Files.size(output));
            named.put("bytes of the vectors as float32", reader.rows() * reader.features() * Float.BYTES);
            named.put("seconds", (System.nanoTime() - begin) / 1e9);
            results.print(named);
        }
        return 0;
    }
}
