package io.github.vq4j.benchmarks.jmh;

import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.openjdk.jmh.annotations.Benchmark;

/** Replacement of unused codes, every 64th. */
public class ReplacementBenchmark extends OperationData {
    private IntPointer counters;
    private IntPointer marks;
    private LongPointer replaced;
    private FloatPointer distances;
    private LongPointer farthest;
    private LongPointer busiest;
    private LongPointer tickets;
    private LongPointer chosen;

    @Override
    protected void prepareMore() {
        counters = ints((long) codes);
        marks = ints((long) codes);
        replaced = longs(1);
        distances = floats(rows);
        kernels.loss.commitmentLoss(z, layout, codebook, codesOfRows, 1, distances, doubles(1), doubles(1), null, null);
        farthest = longs(rows);
        busiest = longs(codes);
        tickets = longs(codes);
        chosen = longs(codes);
    }

    /** The life of unused codes. */
    @Benchmark
    public void countDown() {
        kernels.replacement.countDown(counts, codes, 20, counters, marks, replaced);
    }

    /** By random rows. */
    @Benchmark
    public void replaceCodes() {
        kernels.replacement.replaceCodes(z, layout, mask, codes, ones, zeros, 1, 0.01f, 1, 1, codebookOut);
    }

    /** By vectors in turn. */
    @Benchmark
    public void placeCodes() {
        kernels.replacement.placeCodes(z, rows, mask, codes, features, ones, zeros, 1, 1, 0.01f, 1, 1, codebookOut);
    }

    /** A tenth of the rows, farthest first. */
    @Benchmark
    public void farthestRows() {
        kernels.replacement.farthestRows(distances, rows, Math.max(1, rows / 10), null, farthest);
    }

    /** The codes by their uses. */
    @Benchmark
    public void busiestCodes() {
        kernels.replacement.busiestCodes(counts, codes, null, busiest);
    }

    /** Candidates of a worker. */
    @Benchmark
    public void drawRows() {
        kernels.workers.drawRows(z, layout, mask, codes, 1, 1, tickets, chosen);
    }
}
