package io.github.vq4j.cli;

import io.github.vq4j.Backend;
import io.github.vq4j.FrozenQuantizer;
import io.github.vq4j.Tensor;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "bench",
        description =
                "Measures how fast this machine encodes and decodes with codebooks: random vectors, medians of rounds.",
        mixinStandardHelpOptions = true)
final class BenchCommand implements Callable<Integer> {
    private static final int WARM_UP = 3;

    @Parameters(paramLabel = "CODEBOOK", description = "What fit wrote.")
    private Path codebook;

    @Option(names = "--rows", paramLabel = "N", defaultValue = "65536", description = "Default: ${DEFAULT-VALUE}.")
    private int rows;

    @Option(names = "--rounds", paramLabel = "N", defaultValue = "11", description = "Default: ${DEFAULT-VALUE}.")
    private int rounds;

    @Mixin
    private Output results;

    @Override
    public Integer call() throws IOException {
        if (rows < 1 || rounds < 1) {
            throw new IllegalArgumentException(
                    "need --rows and --rounds of at least 1, got " + rows + " and " + rounds);
        }
        CodebookFile.optionsForRows(codebook);
        Backend backend = Backend.best();
        try (FrozenQuantizer quantizer = FrozenQuantizer.load(codebook, backend)) {
            Tensor z = normal(quantizer.featureSize());
            try (Tensor codes = quantizer.encode(z)) {
                double encode = median("encoding", () -> quantizer.encode(z, codes));
                double decode = median("decoding", () -> quantizer.decode(codes).close());
                double flop = 2.0 * codes.size() * codebookElements(quantizer);
                Map<String, Object> named = new LinkedHashMap<>();
                named.put("backend", backend.description());
                named.put("threads", Backend.cpuThreads());
                named.put("encoded rows per second", rows / encode);
                named.put("GFLOP/s", flop / encode / 1e9);
                named.put("decoded rows per second", rows / decode);
                results.print(named);
            }
        }
        return 0;
    }

    /** What a row, or its part, is compared with for each of its codes: all numbers of a codebook. */
    private static double codebookElements(FrozenQuantizer quantizer) {
        try (Tensor one = quantizer.codebook(0)) {
            return one.size();
        }
    }

    private double median(String task, Runnable work) throws IOException {
        return Progress.of(task, WARM_UP + rounds, bar -> {
            double[] seconds = new double[rounds];
            for (int round = -WARM_UP; round < rounds; round++) {
                long begin = System.nanoTime();
                work.run();
                if (round >= 0) {
                    seconds[round] = (System.nanoTime() - begin) / 1e9;
                }
                bar.step();
            }
            Arrays.sort(seconds);
            return seconds[rounds / 2];
        });
    }

    private Tensor normal(int features) {
        int most = Integer.MAX_VALUE / Float.BYTES / features;
        if (rows > most) {
            throw new IllegalArgumentException("need --rows of at most " + most + ", got " + rows);
        }
        FloatBuffer values = ByteBuffer.allocateDirect(rows * Float.BYTES * features)
                .order(ByteOrder.nativeOrder())
                .asFloatBuffer();
        Random random = new Random(0);
        for (int i = 0; i < values.capacity(); i++) {
            values.put(i, (float) random.nextGaussian());
        }
        return Tensor.of(values, rows, features);
    }
}
