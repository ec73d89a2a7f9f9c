package io.github.vq4j.cli;

import io.github.vq4j.Tensor;
import io.github.vq4j.cli.vectors.VectorReader;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.SplittableRandom;
import me.tongfei.progressbar.ProgressBar;
import org.jspecify.annotations.Nullable;

/** Reads files of vectors as batches that fit in memory. */
final class Batches {
    /** Of a batch: 32 MiB, but a multiple of 8 rows, whose codes take whole bytes. */
    private static final int BATCH_FLOATS = 1 << 23;

    private Batches() {}

    /** Takes a batch, rows x features. */
    interface Consumer {
        void take(Tensor batch) throws IOException;
    }

    /**
     * Opens the vectors that a layer is to take.
     *
     * @param features that it takes
     * @throws IOException also if the vectors have others
     */
    static VectorReader open(Path vectors, @Nullable String tensor, int features) throws IOException {
        VectorReader reader = VectorReader.open(vectors, tensor);
        if (reader.features() != features) {
            reader.close();
            throw new IOException(vectors + ": need vectors of " + features + " features, as the codebook's, got "
                    + reader.features());
        }
        return reader;
    }

    /** Rows of a batch. */
    static int rows(int features) {
        return Math.max(8, BATCH_FLOATS / features / 8 * 8);
    }

    /** Every row of the file, in order. */
    static void forEach(VectorReader vectors, int rowsOfBatch, ProgressBar bar, Consumer consumer) throws IOException {
        int features = vectors.features();
        float[] batch = floats(Math.min(rowsOfBatch, vectors.rows()), features);
        for (int rows = vectors.read(batch); rows > 0; rows = vectors.read(batch)) {
            consumer.take(Tensor.of(
                    rows * features == batch.length ? batch : Arrays.copyOf(batch, rows * features), rows, features));
            bar.stepBy(rows);
        }
    }

    /** Rows drawn without repetition, in the file's order: all of them if there are no more than wanted. */
    static Tensor sample(VectorReader vectors, long wanted, long seed, ProgressBar bar) throws IOException {
        int features = vectors.features();
        long count = Math.min(wanted, vectors.rows());
        float[] chosen = floats(count, features);
        int rowsOfBatch = (int) Math.min(rows(features), vectors.rows());
        float[] batch = floats(rowsOfBatch, features);
        SplittableRandom random = new SplittableRandom(seed);
        long left = vectors.rows();
        int taken = 0;
        for (int rows = vectors.read(batch); rows > 0; rows = vectors.read(batch)) {
            for (int n = 0; n < rows; n++, left--) {
                if (random.nextLong(left) < count - taken) {
                    System.arraycopy(batch, n * features, chosen, taken++ * features, features);
                }
            }
            bar.stepBy(rows);
        }
        return Tensor.of(chosen, count, features);
    }

    private static float[] floats(long rows, int features) {
        if (rows > Integer.MAX_VALUE / features) {
            throw new IllegalArgumentException("need at most " + Integer.MAX_VALUE / features + " rows of " + features
                    + " features at once, got " + rows);
        }
        return new float[Math.toIntExact(rows * features)];
    }
}
