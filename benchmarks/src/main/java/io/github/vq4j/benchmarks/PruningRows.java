package io.github.vq4j.benchmarks;

import java.util.ArrayList;
import java.util.List;

/** Nearest codes by a layer of vq4j with its filters and without: what they bring on data of one kind, or cost. */
final class PruningRows {
    private PruningRows() {}

    /** Measures a codebook. */
    static Report.Row measure(Comparison comparison, Matrix rows, Matrix codebook, String data) {
        List<Contender> contenders = new ArrayList<>();
        try {
            contenders.add(new LayerAssignment(rows, codebook));
            contenders.add(new UnprunedAssignment(rows, codebook));
            return comparison.measure(Comparison.Task.ofCodes(Operation.PRUNING, rows, codebook, data), contenders);
        } finally {
            Comparison.close(contenders);
        }
    }

    /** Measures a codebook of every size, fitted to the rows by k-means; not those with more codes than rows. */
    static List<Report.Row> measureTrained(
            Comparison comparison, Matrix rows, List<Integer> sizes, int moves, String data) {
        List<Report.Row> measured = new ArrayList<>();
        for (int codes : sizes) {
            if (codes <= rows.rows()) {
                try (Matrix codebook = KMeansFit.codebook(rows, codes, moves)) {
                    measured.add(measure(comparison, rows, codebook, data));
                }
            }
        }
        return measured;
    }
}
