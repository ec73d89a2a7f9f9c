package io.github.vq4j.benchmarks.jmh;

import io.github.vq4j.internal.CpuKernels;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.openjdk.jmh.annotations.Benchmark;

/** The loss, its gradients, and sums of rows by code. */
public class GradientsBenchmark extends OperationData {
    private static final float COEFFICIENT = 1e-6f;
    private static final float NU = 2;

    private FloatPointer distances;
    private DoublePointer sampleMeans;
    private DoublePointer mean;
    private FloatPointer ofRows;
    private FloatPointer ofCodes;

    @Override
    protected void prepareMore() {
        distances = floats(rows);
        sampleMeans = doubles(rows);
        mean = doubles(1);
        ofRows = floats(layout.elements());
        ofCodes = floats(layout.elements());
        kernels.assignment.lookup(codebook, codes, codesOfRows, layout, out);
        kernels.loss.commitmentLoss(z, layout, codebook, codesOfRows, 1, distances, sampleMeans, mean, null, null);
    }

    /** Squared errors and their mean. */
    @Benchmark
    public void commitmentLoss() {
        kernels.loss.commitmentLoss(z, layout, codebook, codesOfRows, 1, distances, sampleMeans, mean, null, null);
    }

    /** Means of squared errors that are there. */
    @Benchmark
    public void meanDistances() {
        kernels.loss.meanDistances(distances, null, rows, 1, rows, 1, features, sampleMeans, mean);
    }

    /** Straight-through and commitment. */
    @Benchmark
    public void inputGradient() {
        kernels.loss.inputGradient(z, gradient, layout, codebook, codesOfRows, COEFFICIENT, out);
    }

    /** Synchronised, by code. */
    @Benchmark
    public void codebookGradient() {
        kernels.loss.codebookGradient(z, gradient, layout, codebook, codesOfRows, codes, COEFFICIENT, NU, codebookOut);
    }

    /** Of rows and codes, synchronised. */
    @Benchmark
    public void gradients() {
        kernels.loss.gradients(
                z, gradient, layout, codebook, codesOfRows, codes, COEFFICIENT, COEFFICIENT, NU, out, codebookOut);
    }

    /** Through the direction of the error. */
    @Benchmark
    public void estimateGradient() {
        kernels.loss.estimateGradient(z, out, gradient, layout, CpuKernels.VQ4J_DIRECTED, ofRows, ofCodes);
    }

    /** Sums of rows by code. */
    @Benchmark
    public void scatter() {
        kernels.loss.scatter(z, layout, codesOfRows, codes, codebookOut);
    }
}
