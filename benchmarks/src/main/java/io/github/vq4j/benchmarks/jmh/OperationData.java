package io.github.vq4j.benchmarks.jmh;

import io.github.vq4j.DataType;
import io.github.vq4j.internal.Halves;
import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Memory;
import io.github.vq4j.internal.Rows;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.ShortPointer;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * Data that benchmarks of single operations share: normal rows, gradients and codebook, random codes, and room for results.
 * A benchmark has the name of its method in {@link Kernels}.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
public abstract class OperationData {
    private static final long SEED = 1;

    /** N. */
    @Param("8192")
    public int rows;

    /** K. */
    @Param("1024")
    public int codes;

    /** D. */
    @Param("64")
    public int features;

    /** The operations. */
    protected final Kernels kernels = Kernels.cpu();

    /** N x D, row-major. */
    protected Rows layout;

    /** N x D. */
    protected FloatPointer z;

    /** N x D, as of a mean over a batch. */
    protected FloatPointer gradient;

    /** N x D, for results. */
    protected FloatPointer out;

    /** N, random. */
    protected IntPointer codesOfRows;

    /** K x D. */
    protected FloatPointer codebook;

    /** K x D, for results. */
    protected FloatPointer codebookOut;

    /** K: how often each code occurs. */
    protected LongPointer counts;

    /** K, ones at every 64th code. */
    protected IntPointer mask;

    /** D, ones. */
    protected FloatPointer ones;

    /** D, zeros. */
    protected FloatPointer zeros;

    private final List<Memory<?>> memories = new ArrayList<>();

    /** Makes the shared data, then the benchmark's own. */
    @Setup
    public void prepare() {
        layout = Rows.matrix(rows, features);
        z = normal(SEED, layout.elements());
        gradient = normal(SEED + 1, layout.elements());
        kernels.tensors.weightedSum(1e-4f, gradient, 0, gradient, layout.elements(), gradient);
        out = floats(layout.elements());
        codebook = normal(SEED + 2, (long) codes * features);
        codebookOut = normal(SEED + 3, (long) codes * features);
        codesOfRows = ints(new Random(SEED).ints(rows, 0, codes).toArray());
        counts = longs(codes);
        kernels.assignment.countCodes(codesOfRows, rows, codes, counts);
        int[] everySixtyFourth = new int[codes];
        for (int k = 0; k < codes; k += 64) {
            everySixtyFourth[k] = 1;
        }
        mask = ints(everySixtyFourth);
        ones = constant(1, features);
        zeros = constant(0, features);
        prepareMore();
    }

    /** What a class of benchmarks needs beside the shared data. */
    protected void prepareMore() {}

    /** Gives the memory back. */
    @TearDown(Level.Trial)
    public void release() {
        memories.forEach(Memory::close);
        memories.clear();
    }

    /** Standard normal numbers. */
    protected final FloatPointer normal(long seed, long count) {
        FloatPointer numbers = floats(count);
        kernels.tensors.fillNormal(seed, 0, count, numbers);
        return numbers;
    }

    /** One number, many times. */
    protected final FloatPointer constant(float value, int count) {
        FloatPointer numbers = floats(count);
        float[] values = new float[count];
        java.util.Arrays.fill(values, value);
        kernels.write(values, numbers);
        return numbers;
    }

    /** Room for fp32 numbers, zero. */
    protected final FloatPointer floats(long count) {
        return kept(Memory.floats(kernels, count), count * Float.BYTES);
    }

    /** Room for fp64 numbers, zero. */
    protected final DoublePointer doubles(long count) {
        return kept(Memory.doubles(kernels, count), count * Double.BYTES);
    }

    /** Room for int64 numbers, zero. */
    protected final LongPointer longs(long count) {
        return kept(Memory.longs(kernels, count), count * Long.BYTES);
    }

    /** Room for int32 numbers, zero. */
    protected final IntPointer ints(long count) {
        return kept(Memory.ints(kernels, count), count * Integer.BYTES);
    }

    /** A copy of int32 numbers. */
    protected final IntPointer ints(int[] values) {
        IntPointer numbers = ints((long) values.length);
        kernels.write(values, numbers);
        return numbers;
    }

    /** Numbers in FLOAT16. */
    protected final ShortPointer halves(FloatPointer values, long count) {
        ShortPointer numbers = kept(Memory.shorts(kernels, count), count * Short.BYTES);
        kernels.tensors.narrow(values, count, new Halves(numbers, DataType.FLOAT16));
        return numbers;
    }

    /** Room for a packed codebook. */
    protected final Pointer packed(int codes, int features) {
        long bytes = kernels.assignment.packedCodebookBytes(codes, features);
        return kept(Memory.bytes(kernels, bytes), bytes);
    }

    /** The numbers 0, step, 2 step ... */
    protected final LongPointer everyNth(int count, int step) {
        LongPointer numbers = longs(count);
        long[] values = new long[count];
        for (int i = 0; i < count; i++) {
            values[i] = (long) i * step;
        }
        kernels.write(values, numbers);
        return numbers;
    }

    private <P extends Pointer> P kept(Memory<P> memory, long bytes) {
        memories.add(memory);
        kernels.clear(memory.pointer(), bytes);
        return memory.pointer();
    }
}
