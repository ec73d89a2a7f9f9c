package io.github.vq4j.benchmarks.jmh;

import org.openjdk.jmh.annotations.Benchmark;

/** Random numbers. */
public class RandomNumbersBenchmark extends OperationData {
    /** As many as the rows have elements. */
    @Benchmark
    public void fillNormal() {
        kernels.tensors.fillNormal(1, 1, layout.elements(), out);
    }
}
