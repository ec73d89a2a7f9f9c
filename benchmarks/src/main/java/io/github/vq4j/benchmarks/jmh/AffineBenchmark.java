package io.github.vq4j.benchmarks.jmh;

import org.bytedeco.javacpp.FloatPointer;
import org.openjdk.jmh.annotations.Benchmark;

/** The affine codebook, one group. */
public class AffineBenchmark extends OperationData {
    private static final float RATE = 2;

    private FloatPointer scale;
    private FloatPointer shift;

    @Override
    protected void prepareMore() {
        scale = floats(features);
        shift = floats(features);
    }

    /** Coefficients of the learned affine. */
    @Benchmark
    public void affineLearned() {
        kernels.affine.affineLearned(zeros, zeros, features, RATE, scale, shift);
    }

    /** Coefficients of the statistics affine. */
    @Benchmark
    public void affineStatistics() {
        kernels.affine.affineStatistics(zeros, ones, zeros, ones, 1, features, scale, shift);
    }

    /** The effective codebook. */
    @Benchmark
    public void affine() {
        kernels.affine.affine(codebook, codes, features, 1, ones, zeros, codebookOut);
    }

    /** Through it. */
    @Benchmark
    public void affineGradient() {
        kernels.affine.affineGradient(codebook, codebook, codes, features, 1, ones, RATE, codebookOut, scale, shift);
    }
}
