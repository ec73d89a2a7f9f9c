package io.github.vq4j.cli;

import io.github.vq4j.Histogram;
import io.github.vq4j.Quantizer;
import io.github.vq4j.Tensor;
import io.github.vq4j.cli.vectors.VectorReader;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * How well codebooks do on a file of vectors.
 *
 * @param error mean squared difference of an element from that of the decoded vector
 * @param usage how often each code occurs, one codebook after the other
 * @param codebooks how many there are
 * @param bitsOfRow the bits that the codes of a row take
 * @param ratio the bytes of a row of float32, divided by those
 */
record Measurement(double error, long[] usage, int codebooks, int bitsOfRow, double ratio) {
    /** Runs the file through a layer in inference. */
    static Measurement of(Quantizer layer, Path vectors, @Nullable String tensor) throws IOException {
        try (VectorReader reader = Batches.open(vectors, tensor, layer.featureSize())) {
            long[] usage = new long[layer.numCodes()];
            double[] sum = new double[1];
            long[] codes = new long[1];
            Progress.of("measuring", reader.rows(), bar -> {
                Batches.forEach(reader, Batches.rows(reader.features()), bar, rows -> {
                    try (Tensor found = layer.encode(rows);
                            Tensor decoded = layer.decode(found)) {
                        sum[0] += squaredDistance(rows.toFloatArray(), decoded.toFloatArray());
                        codes[0] += found.size();
                        for (int code : found.toIntArray()) {
                            usage[code]++;
                        }
                    }
                });
                return null;
            });
            int bits =
                    Math.toIntExact(codes[0] / reader.rows() * layer.packing().bitsOfCode());
            double error = sum[0] / ((double) reader.rows() * reader.features());
            return new Measurement(
                    error, usage, layer.codebookCount(), bits, (double) reader.features() * Float.SIZE / bits);
        }
    }

    private static double squaredDistance(float[] rows, float[] decoded) {
        double sum = 0;
        for (int i = 0; i < rows.length; i++) {
            double difference = (double) rows[i] - decoded[i];
            sum += difference * difference;
        }
        return sum;
    }

    /** How often each code of a codebook occurs. */
    long[] usageOf(int codebook) {
        int codes = usage.length / codebooks;
        return Arrays.copyOfRange(usage, codebook * codes, (codebook + 1) * codes);
    }

    /** By the names that commands print. */
    Map<String, Object> named() {
        double perplexity = 0;
        for (int i = 0; i < codebooks; i++) {
            perplexity += Histogram.perplexity(usageOf(i)) / codebooks;
        }
        Map<String, Object> named = new LinkedHashMap<>();
        named.put("mean squared error", error);
        named.put("codebooks", codebooks);
        named.put("codes of each", usage.length / codebooks);
        named.put(
                "codes never used",
                Arrays.stream(usage).filter(count -> count == 0).count());
        named.put("mean perplexity", perplexity);
        named.put("bits of a row", bitsOfRow);
        named.put("compression", ratio);
        return named;
    }
}
