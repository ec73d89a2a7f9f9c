package io.github.vq4j.benchmarks.jmh;

import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.openjdk.jmh.annotations.Benchmark;

/** Codebooks of moving averages. */
public class MovingAveragesBenchmark extends OperationData {
    private FloatPointer sums;
    private FloatPointer sizes;
    private FloatPointer averages;
    private FloatPointer nextSizes;
    private FloatPointer nextAverages;
    private IntPointer marks;
    private LongPointer marked;

    @Override
    protected void prepareMore() {
        long elements = (long) codes * features;
        sums = floats(elements);
        kernels.loss.scatter(z, layout, codesOfRows, codes, sums);
        sizes = constant(1, codes);
        averages = normal(15, elements);
        nextSizes = floats(codes);
        nextAverages = floats(elements);
        marks = ints((long) codes);
        marked = longs(1);
    }

    /** A step. */
    @Benchmark
    public void movingAverages() {
        kernels.movingAverages.movingAverages(
                counts, sums, codes, features, 0.01f, 1e-5, sizes, averages, nextSizes, nextAverages, codebookOut);
    }

    /** Of every 64th code. */
    @Benchmark
    public void restartAverages() {
        kernels.movingAverages.restartAverages(codebook, mask, counts, codes, features, 1, sizes, averages);
    }

    /** Those used less than once. */
    @Benchmark
    public void expireCodes() {
        kernels.movingAverages.expireCodes(sizes, codes, 1, 0, null, marks, marked);
    }
}
