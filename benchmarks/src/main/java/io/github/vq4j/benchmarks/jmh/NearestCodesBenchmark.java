package io.github.vq4j.benchmarks.jmh;

import io.github.vq4j.DataType;
import io.github.vq4j.internal.CpuKernels;
import io.github.vq4j.internal.Halves;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.ShortPointer;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** Packed codebooks and the nearest codes of rows. */
public class NearestCodesBenchmark extends OperationData {
    /** Neighbours of a row. */
    @Param("5")
    public int neighbors;

    private Pointer packed;
    private Pointer directions;
    private IntPointer nearest;
    private FloatPointer distances;
    private ShortPointer halves;

    @Override
    protected void prepareMore() {
        packed = packed(codes, features);
        kernels.assignment.packCodebook(codebook, codes, features, packed);
        directions = packed(codes, features);
        nearest = ints((long) rows * neighbors);
        kernels.assignment.assignTopK(z, layout, packed, codes, neighbors, nearest);
        distances = floats((long) rows * neighbors);
        halves = halves(z, layout.elements());
    }

    /** A codebook for comparisons of distances. */
    @Benchmark
    public void packCodebook() {
        kernels.assignment.packCodebook(codebook, codes, features, packed);
    }

    /** A codebook for comparisons of cosines. */
    @Benchmark
    public void packDirections() {
        kernels.assignment.packDirections(codebook, codes, features, directions);
    }

    /** The nearest code of every row. */
    @Benchmark
    public void assign() {
        kernels.assignment.assign(z, layout, packed, codes, codesOfRows);
    }

    /** A code of every row, drawn by its distance. */
    @Benchmark
    public void sampleCodes() {
        kernels.assignment.sampleCodes(z, layout, packed, codes, 1, 1, 1, codesOfRows);
    }

    /** The nearest code of every row in FLOAT16. */
    @Benchmark
    public void assignHalf() {
        kernels.assignment.assign(new Halves(halves, DataType.FLOAT16), null, layout, packed, codes, codesOfRows);
    }

    /** The nearest codes of every row. */
    @Benchmark
    public void assignTopK() {
        kernels.assignment.assignTopK(z, layout, packed, codes, neighbors, nearest);
    }

    /** Squared distances to them. */
    @Benchmark
    public void codeDistances() {
        kernels.assignment.codeDistances(
                z, layout, codebook, nearest, neighbors, CpuKernels.VQ4J_SQUARED_EUCLIDEAN, distances);
    }
}
