package io.github.vq4j.benchmarks.jmh;

import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.openjdk.jmh.annotations.Benchmark;

/** Norms of inputs and codebooks, and their gradients. */
public class NormsBenchmark extends OperationData {
    private static final float EPSILON = 1e-5f;

    private FloatPointer mean;
    private FloatPointer variance;
    private FloatPointer runningMean;
    private IntPointer started;
    private FloatPointer scaleGradient;
    private FloatPointer shiftGradient;

    @Override
    protected void prepareMore() {
        mean = floats(features);
        variance = floats(features);
        runningMean = floats(features);
        started = ints(new int[] {1});
        scaleGradient = floats(features);
        shiftGradient = floats(features);
        kernels.norms.moments("z", z, layout, 1, features, mean, variance);
    }

    /** Mean and variance of every feature. */
    @Benchmark
    public void moments() {
        kernels.norms.moments("z", z, layout, 1, features, mean, variance);
    }

    /** A running mean of every feature. */
    @Benchmark
    public void runningAverage() {
        kernels.norms.runningAverage(0.1f, mean, started, runningMean, features, runningMean);
    }

    /** By them. */
    @Benchmark
    public void normalize() {
        kernels.norms.normalize(z, layout, 1, features, mean, variance, EPSILON, ones, zeros, out);
    }

    /** Through it, in training. */
    @Benchmark
    public void normalizeGradient() {
        kernels.norms.normalizeGradient(
                z,
                gradient,
                layout,
                1,
                features,
                mean,
                variance,
                EPSILON,
                ones,
                true,
                out,
                scaleGradient,
                shiftGradient);
    }

    /** Rows of length 1. */
    @Benchmark
    public void rowNorm() {
        kernels.norms.rowNorm("z", z, layout, true, out);
    }

    /** Through it. */
    @Benchmark
    public void rowNormGradient() {
        kernels.norms.rowNormGradient(z, gradient, layout, true, out);
    }

    /** Rows of the target's lengths. */
    @Benchmark
    public void matchNorms() {
        kernels.norms.matchNorms(z, gradient, layout, out);
    }
}
