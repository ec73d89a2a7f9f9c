package io.github.vq4j.benchmarks;

import io.github.vq4j.Backend;
import io.github.vq4j.KMeans;
import io.github.vq4j.KMeansResult;
import io.github.vq4j.Tensor;
import org.jspecify.annotations.Nullable;

/** A fit of vq4j's k-means. */
final class KMeansFit implements Contender {
    private final KMeans kmeans;
    private final Tensor rows;
    private @Nullable KMeansResult last;

    KMeansFit(Matrix rows, int codes, int iterations, long seed) {
        this.rows = rows.tensor();
        kmeans = KMeans.builder(codes)
                .maxIterations(iterations)
                .tolerance(0)
                .seed(seed)
                .backend(Backend.cpu())
                .build();
    }

    /** A codebook fitted to rows, in memory of the caller's. */
    static Matrix codebook(Matrix rows, int codes, int moves) {
        try (KMeansFit fit = new KMeansFit(rows, codes, moves, 1)) {
            fit.run();
            Matrix codebook = new Matrix(codes, rows.columns());
            codebook.put(Bits.numbers(fit.result()));
            return codebook;
        }
    }

    @Override
    public String name() {
        return Report.OURS;
    }

    @Override
    public void run() {
        close();
        last = kmeans.fit(rows, -1);
    }

    @Override
    public int[] result() {
        return Bits.of(last.codebook().toFloatArray());
    }

    @Override
    public void close() {
        if (last != null) {
            last.close();
            last = null;
        }
    }
}
