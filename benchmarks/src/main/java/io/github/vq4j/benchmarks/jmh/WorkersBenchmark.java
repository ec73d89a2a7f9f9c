package io.github.vq4j.benchmarks.jmh;

import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.LongPointer;
import org.openjdk.jmh.annotations.Benchmark;

/** Fixed-point sums over workers. */
public class WorkersBenchmark extends OperationData {
    private static final int EXPONENT = 30;

    private FloatPointer largest;
    private LongPointer sums;
    private LongPointer tickets;

    @Override
    protected void prepareMore() {
        largest = floats(1);
        sums = longs((long) codes * features);
        tickets = longs(layout.count());
    }

    /** The largest element. */
    @Benchmark
    public void largestMagnitude() {
        kernels.workers.largestMagnitude(z, layout, largest);
    }

    /** Sums of rows by code. */
    @Benchmark
    public void fixedPointScatter() {
        kernels.workers.fixedPointScatter(z, layout, codesOfRows, codes, null, 1, EXPONENT, sums);
    }

    /** A ticket for every row. */
    @Benchmark
    public void rowTickets() {
        kernels.workers.rowTickets(z, layout, 1, tickets);
    }

    /** As fp32. */
    @Benchmark
    public void fromFixedPoint() {
        kernels.workers.fromFixedPoint(sums, (long) codes * features, EXPONENT, 1, codebookOut);
    }
}
