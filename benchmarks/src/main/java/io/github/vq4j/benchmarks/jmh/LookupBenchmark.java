package io.github.vq4j.benchmarks.jmh;

import io.github.vq4j.DataType;
import io.github.vq4j.internal.Halves;
import io.github.vq4j.internal.Rows;
import org.bytedeco.javacpp.ShortPointer;
import org.openjdk.jmh.annotations.Benchmark;

/** Vectors of codes, and 16-bit numbers. */
public class LookupBenchmark extends OperationData {
    private ShortPointer halves;

    @Override
    protected void prepareMore() {
        halves = halves(z, layout.elements());
    }

    /** The codes' vectors. */
    @Benchmark
    public void lookup() {
        kernels.assignment.lookup(codebook, codes, codesOfRows, layout, out);
    }

    /** Of one group of all features. */
    @Benchmark
    public void lookupGroups() {
        Rows codesOfRow = new Rows(layout.outer(), 1, layout.inner());
        kernels.assignment.lookupGroups(codebook, codes, codesOfRows, codesOfRow, layout.features(), out);
    }

    /** Added to a sum. */
    @Benchmark
    public void addLookup() {
        kernels.assignment.addLookup(codebook, codes, codesOfRows, layout, out);
    }

    /** What codes leave of rows. */
    @Benchmark
    public void residual() {
        kernels.assignment.residual(z, layout, codebook, codes, codesOfRows, out);
    }

    /** How often each code occurs. */
    @Benchmark
    public void countCodes() {
        kernels.assignment.countCodes(codesOfRows, rows, codes, counts);
    }

    /** FLOAT16 to fp32. */
    @Benchmark
    public void widen() {
        kernels.tensors.widen(new Halves(halves, DataType.FLOAT16), layout.elements(), out);
    }

    /** fp32 to FLOAT16. */
    @Benchmark
    public void narrow() {
        kernels.tensors.narrow(z, layout.elements(), new Halves(halves, DataType.FLOAT16));
    }
}
