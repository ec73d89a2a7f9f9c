package io.github.vq4j.benchmarks.jmh;

import org.bytedeco.javacpp.FloatPointer;
import org.openjdk.jmh.annotations.Benchmark;

/** Steps of optimisers on a codebook. */
public class OptimizerBenchmark extends OperationData {
    private static final double LEARNING_RATE = 1e-6;

    private FloatPointer codebookGradient;
    private FloatPointer first;
    private FloatPointer second;
    private long count;

    @Override
    protected void prepareMore() {
        count = (long) codes * features;
        codebookGradient = normal(14, count);
        first = floats(count);
        second = floats(count);
    }

    /** With momentum. */
    @Benchmark
    public void sgdStep() {
        kernels.sgdStep(codebook, codebookGradient, first, count, LEARNING_RATE, 0.9, 0);
    }

    /** AdamW. */
    @Benchmark
    public void adamStep() {
        kernels.adamStep(
                codebook, codebookGradient, first, second, count, 1, LEARNING_RATE, 0.9, 0.999, 1e-8, 0.01, true);
    }

    /** State of every 64th code. */
    @Benchmark
    public void clearRows() {
        kernels.clearRows(first, codes, features, mask);
    }
}
