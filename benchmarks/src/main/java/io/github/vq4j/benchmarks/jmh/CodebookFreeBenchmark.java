package io.github.vq4j.benchmarks.jmh;

import io.github.vq4j.internal.Rows;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.openjdk.jmh.annotations.Benchmark;

/** Finite scalar and sign codes of 8 features; the codes of random rows. */
public class CodebookFreeBenchmark extends OperationData {
    private static final int FEATURES = 8;
    private static final float SCALE = 1;
    private static final double SHARPNESS = 2;

    private Rows narrowRows;
    private IntPointer levels;
    private IntPointer scalarCodes;
    private IntPointer signCodes;
    private DoublePointer losses;
    private DoublePointer meanLogits;
    private DoublePointer entropy;
    private LongPointer used;

    @Override
    protected void prepareMore() {
        narrowRows = Rows.matrix(rows, Math.min(FEATURES, features));
        levels = ints(new int[] {8, 8, 5, 5, 5, 5, 4, 4});
        scalarCodes = ints((long) rows);
        signCodes = ints((long) rows);
        losses = doubles(3);
        meanLogits = doubles(FEATURES);
        entropy = doubles(1);
        used = longs(1);
    }

    /** Values and codes. */
    @Benchmark
    public void finiteScalarQuantize() {
        kernels.codebookFree.finiteScalarQuantize(z, narrowRows, levels, out, scalarCodes);
    }

    /** Values of codes. */
    @Benchmark
    public void finiteScalarDecode() {
        kernels.codebookFree.finiteScalarDecode(scalarCodes, narrowRows, levels, out);
    }

    /** Through the rounding. */
    @Benchmark
    public void finiteScalarGradient() {
        kernels.codebookFree.finiteScalarGradient(z, gradient, narrowRows, levels, out);
    }

    /** Values and codes. */
    @Benchmark
    public void signQuantize() {
        kernels.codebookFree.signQuantize(z, narrowRows, SCALE, out, signCodes);
    }

    /** Values of codes. */
    @Benchmark
    public void signDecode() {
        kernels.codebookFree.signDecode(signCodes, narrowRows, SCALE, out);
    }

    /** Commitment and entropies. */
    @Benchmark
    public void signLosses() {
        kernels.codebookFree.signLosses(z, narrowRows, SCALE, SHARPNESS, losses, meanLogits);
    }

    /** Straight-through and losses. */
    @Benchmark
    public void signGradient() {
        kernels.codebookFree.signGradient(z, gradient, narrowRows, SCALE, SHARPNESS, 1e-6, 1e-6, 1, meanLogits, out);
    }

    /** Entropy of the codes and how many occur. */
    @Benchmark
    public void codeUsage() {
        kernels.codebookFree.codeUsage(codesOfRows, rows, codes, entropy, used);
    }
}
