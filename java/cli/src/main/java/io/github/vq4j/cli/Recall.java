package io.github.vq4j.cli;

import io.github.vq4j.FrozenQuantizer;
import io.github.vq4j.NearestCodes;
import io.github.vq4j.Neighbors;
import io.github.vq4j.Tensor;
import io.github.vq4j.cli.vectors.VectorReader;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** How many of the nearest neighbours of vectors are still their nearest after compression. */
final class Recall {
    /** Vectors searched in, and those that are searched for. */
    private static final int MOST_ROWS = 1 << 18;

    private static final int QUERIES = 1000;

    private Recall() {}

    /**
     * Recall@k: of the k vectors nearest to one by Euclidean distance, the vector itself left out, the share that is among
     * the k nearest when all but the one searched for are decoded codes. A mean over 1000 vectors, or all if there are
     * fewer, spread evenly over the file, or over 262,144 rows of it drawn at random.
     */
    static double recall(FrozenQuantizer quantizer, Path vectors, @Nullable String tensor, int k) throws IOException {
        try (VectorReader reader = VectorReader.open(vectors, tensor)) {
            Tensor rows = Progress.of("reading", reader.rows(), bar -> Batches.sample(reader, MOST_ROWS, 0, bar));
            if (rows.size(0) <= k) {
                throw new IllegalArgumentException(
                        "need --neighbors below the number of vectors, " + rows.size(0) + ", got " + k);
            }
            int[] asked = numbers(Math.toIntExact(rows.size(0)));
            Tensor queries = take(rows, asked, reader.features());
            return Progress.of("neighbours", -1, bar -> {
                try (Tensor codes = quantizer.encode(rows);
                        Tensor decoded = quantizer.decode(codes)) {
                    return recall(find(rows, queries, k + 1), find(decoded, queries, k + 1), asked, k);
                }
            });
        }
    }

    private static int[] find(Tensor rows, Tensor queries, int k) {
        try (NearestCodes search = NearestCodes.builder(rows).k(k).dim(-1).build();
                Neighbors found = search.find(queries)) {
            return found.codes().toIntArray();
        }
    }

    private static double recall(int[] exact, int[] compressed, int[] asked, int k) {
        double hits = 0;
        for (int q = 0; q < asked.length; q++) {
            Set<Integer> expected = others(exact, q, asked[q], k);
            expected.retainAll(others(compressed, q, asked[q], k));
            hits += expected.size();
        }
        return hits / asked.length / k;
    }

    /** The k nearest without the vector itself. */
    private static Set<Integer> others(int[] found, int query, int itself, int k) {
        return new HashSet<>(Arrays.stream(found, query * (k + 1), (query + 1) * (k + 1))
                .filter(row -> row != itself)
                .limit(k)
                .boxed()
                .toList());
    }

    private static int[] numbers(int rows) {
        int count = Math.min(QUERIES, rows);
        int[] numbers = new int[count];
        for (int i = 0; i < count; i++) {
            numbers[i] = Math.toIntExact((long) i * rows / count);
        }
        return numbers;
    }

    private static Tensor take(Tensor rows, int[] numbers, int features) {
        float[] all = rows.toFloatArray();
        float[] taken = new float[numbers.length * features];
        for (int i = 0; i < numbers.length; i++) {
            System.arraycopy(all, numbers[i] * features, taken, i * features, features);
        }
        return Tensor.of(taken, numbers.length, features);
    }
}
