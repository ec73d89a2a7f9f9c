package io.github.vq4j.benchmarks.jmh;

import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.openjdk.jmh.annotations.Benchmark;

/** k-means: seeding, one move, mini-batches. */
public class ClusteringBenchmark extends OperationData {
    private IntPointer nearest;
    private DoublePointer objective;
    private LongPointer moves;
    private LongPointer totals;
    private FloatPointer sums;

    @Override
    protected void prepareMore() {
        nearest = ints((long) rows);
        objective = doubles(1);
        moves = longs(1);
        totals = longs(codes);
        sums = floats((long) codes * features);
        kernels.loss.scatter(z, layout, codesOfRows, codes, sums);
    }

    /** k-means++; needs as many rows as codes. */
    @Benchmark
    public void seedCodebook() {
        kernels.clustering.seedCodebook(z, layout, Math.min(rows, codes), 1, codebookOut);
    }

    /** One move. */
    @Benchmark
    public void lloyd() {
        kernels.clustering.lloyd(z, layout, codes, 1, 0, codebook, nearest, objective, moves);
    }

    /** What a move makes of the codes' sums. */
    @Benchmark
    public void updateCentroids() {
        kernels.clustering.updateCentroids(sums, counts, codes, features, codebookOut);
    }

    /** A mini-batch as large as the rows. */
    @Benchmark
    public void sampleRows() {
        kernels.clustering.sampleRows(z, layout, rows, 1, 1, out);
    }

    /** Once, with noise. */
    @Benchmark
    public void repeatRows() {
        kernels.clustering.repeatRows(z, layout, 1, 1e-3f, 1, out);
    }

    /** The move of a mini-batch. */
    @Benchmark
    public void miniBatchUpdate() {
        kernels.clustering.miniBatchUpdate(sums, counts, codes, features, totals, codebookOut);
    }
}
