package io.github.vq4j.benchmarks;

import java.util.ArrayList;
import java.util.List;

/**
 * Whole fits of k-means, each library with its own seeding and the same number of moves; the objective says how good the
 * codebooks are. Operations are those of plain Lloyd moves alone, so that a rate above the peak is work that bounds saved.
 */
final class KMeansRows {
    private static final long SEED = 7;

    private KMeansRows() {}

    /** Measures a size. */
    static Report.Row measure(Comparison comparison, Peers peers, Matrix rows, int codes, int iterations, String data) {
        List<Contender> contenders = new ArrayList<>();
        SparkKMeans.Rows cached = peers.spark() == null ? null : peers.spark().rows(rows, peers.threads());
        try {
            contenders.add(new KMeansFit(rows, codes, iterations, SEED));
            if (cached != null) {
                contenders.add(cached.fitByVq4j(codes, iterations, SEED));
                contenders.add(cached.fitByBlocks(codes, iterations, SEED));
                contenders.add(cached.fit(codes, iterations, SEED));
            }
            if (peers.faiss() != null) {
                contenders.add(peers.faiss().kmeans(rows, codes, iterations, SEED));
            }
            Comparison.Task task = new Comparison.Task(
                    Operation.KMEANS,
                    rows.rows(),
                    codes,
                    rows.columns(),
                    data + ", " + iterations + " moves",
                    2.0 * rows.rows() * codes * rows.columns() * iterations,
                    0,
                    null,
                    new Objective(rows, codes));
            return comparison.measure(task, contenders);
        } finally {
            Comparison.close(contenders);
            if (cached != null) {
                cached.close();
            }
        }
    }
}
