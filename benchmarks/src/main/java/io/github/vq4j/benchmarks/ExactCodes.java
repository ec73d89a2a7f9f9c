package io.github.vq4j.benchmarks;

import java.util.stream.IntStream;

/** Nearest codes of some of the rows by plain squared distances in float64, to compare the contenders' with. */
final class ExactCodes {
    /** Multiplications that one comparison may take. */
    private static final long WORK = 1L << 27;

    private static final long LEAST_ROWS = 64;

    private final long[] sample;
    private final int[] codes;

    /** Finds the codes of evenly spaced rows, of all if they are few. */
    ExactCodes(Matrix rows, Matrix codebook) {
        long affordable = Math.max(LEAST_ROWS, WORK / (codebook.rows() * codebook.columns()));
        int count = Math.toIntExact(Math.min(rows.rows(), affordable));
        sample = IntStream.range(0, count)
                .mapToLong(i -> i * rows.rows() / count)
                .toArray();
        float[][] vectors = IntStream.range(0, Math.toIntExact(codebook.rows()))
                .mapToObj(codebook::row)
                .toArray(float[][]::new);
        codes = IntStream.range(0, count)
                .parallel()
                .map(i -> nearest(rows.row(sample[i]), vectors))
                .toArray();
    }

    private static int nearest(float[] row, float[][] vectors) {
        int best = 0;
        double least = Double.POSITIVE_INFINITY;
        for (int code = 0; code < vectors.length; code++) {
            double distance = 0;
            for (int d = 0; d < row.length; d++) {
                double difference = (double) row[d] - vectors[code][d];
                distance += difference * difference;
            }
            if (distance < least) {
                least = distance;
                best = code;
            }
        }
        return best;
    }

    /** The share of the sampled rows of which these codes of all rows have the code. */
    double shareEqual(int[] codesOfAllRows) {
        long equal = IntStream.range(0, codes.length)
                .filter(i -> codesOfAllRows[Math.toIntExact(sample[i])] == codes[i])
                .count();
        return (double) equal / codes.length;
    }
}
