package io.github.vq4j.cli;

import io.github.vq4j.FrozenQuantizer;
import io.github.vq4j.Tensor;
import io.github.vq4j.cli.vectors.VectorWriter;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "decode", description = "Writes the vectors that stand behind codes.", mixinStandardHelpOptions = true)
final class DecodeCommand implements Callable<Integer> {
    @Parameters(paramLabel = "CODEBOOK", description = "What fit wrote.")
    private Path codebook;

    @Parameters(paramLabel = "CODES", description = "What encode wrote.")
    private Path codes;

    @Option(
            names = {"-o", "--output"},
            required = true,
            paramLabel = "VECTORS",
            description = "Where to write the vectors: " + VectorWriter.FORMATS + ".")
    private Path output;

    @Mixin
    private Output results;

    @Override
    public Integer call() throws IOException {
        long begin = System.nanoTime();
        VectorWriter.checkFormat(output);
        OutputPath.of(output, codebook, codes);
        OptionalInt codesOfRow = CodebookFile.codesOfRow(CodebookFile.optionsForRows(codebook));
        try (FrozenQuantizer quantizer = FrozenQuantizer.load(codebook);
                CodesFile.Reader reader =
                        new CodesFile.Reader(codes, quantizer.packing(), codesOfRow, CodesFile.fingerprint(codebook));
                VectorWriter writer = new VectorWriter(output, reader.rows(), quantizer.featureSize())) {
            Progress.of("decoding", reader.rows(), bar -> {
                int rowsOfBatch = Batches.rows(quantizer.featureSize());
                for (long done = 0; done < reader.rows(); done += rowsOfBatch) {
                    try (Tensor batch = reader.read(rowsOfBatch);
                            Tensor rows = quantizer.decode(batch)) {
                        writer.write(rows.toFloatArray());
                        bar.stepBy(rows.size(0));
                    }
                }
                return null;
            });
            writer.finish();
            Map<String, Object> named = new LinkedHashMap<>();
            named.put("vectors", output.toString());
            named.put("rows", reader.rows());
            named.put("features", quantizer.featureSize());
            named.put("seconds", (System.nanoTime() - begin) / 1e9);
            results.print(named);
        }
        return 0;
    }
}
