package io.github.vq4j.benchmarks.jmh;

import org.bytedeco.javacpp.FloatPointer;
import org.openjdk.jmh.annotations.Benchmark;

/** Linear maps of rows to as many features. */
public class LinearBenchmark extends OperationData {
    private FloatPointer weight;
    private FloatPointer weightGradient;
    private FloatPointer biasGradient;

    @Override
    protected void prepareMore() {
        weight = normal(7, (long) features * features);
        weightGradient = floats((long) features * features);
        biasGradient = floats(features);
    }

    /** A map of every row. */
    @Benchmark
    public void linear() {
        kernels.linearMaps.linear("z", z, layout, weight, zeros, features, false, out);
    }

    /** Gradients of its weight and bias. */
    @Benchmark
    public void linearGradient() {
        kernels.linearMaps.linearGradient(z, gradient, layout, features, weightGradient, biasGradient);
    }
}
