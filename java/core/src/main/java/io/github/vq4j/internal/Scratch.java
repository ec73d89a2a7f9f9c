package io.github.vq4j.internal;

import java.util.function.LongFunction;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.ShortPointer;

/**
 * Memory that grows to what is asked for and is kept for the next time.
 *
 * @param <P> pointer of the element type
 */
public final class Scratch<P extends Pointer> implements AutoCloseable {
    private final LongFunction<Memory<P>> allocate;
    private Memory<P> memory;

    private Scratch(LongFunction<Memory<P>> allocate) {
        this.allocate = allocate;
    }

    /** Scratch for fp32 numbers. */
    public static Scratch<FloatPointer> floats(Kernels kernels) {
        return new Scratch<>(count -> Memory.floats(kernels, count));
    }

    /** Scratch for 16-bit numbers. */
    public static Scratch<ShortPointer> shorts(Kernels kernels) {
        return new Scratch<>(count -> Memory.shorts(kernels, count));
    }

    /** Scratch for int32 numbers. */
    public static Scratch<IntPointer> ints(Kernels kernels) {
        return new Scratch<>(count -> Memory.ints(kernels, count));
    }

    /** Scratch for int64 numbers. */
    public static Scratch<LongPointer> longs(Kernels kernels) {
        return new Scratch<>(count -> Memory.longs(kernels, count));
    }

    /** Scratch for fp64 numbers. */
    public static Scratch<DoublePointer> doubles(Kernels kernels) {
        return new Scratch<>(count -> Memory.doubles(kernels, count));
    }

    /** Scratch for bytes, aligned to 64. */
    public static Scratch<Pointer> bytes(Kernels kernels) {
        return new Scratch<>(count -> Memory.bytes(kernels, count));
    }

    /** Room for at least {@code count} elements; what was there before is lost if it has to grow. */
    public P atLeast(long count) {
        if (memory == null || memory.pointer().capacity() < count) {
            close();
            memory = allocate.apply(count);
        }
        return memory.pointer();
    }

    /** Gives the memory back; it may be asked for again. */
    @Override
    public void close() {
        if (memory != null) {
            memory.close();
            memory = null;
        }
    }
}
