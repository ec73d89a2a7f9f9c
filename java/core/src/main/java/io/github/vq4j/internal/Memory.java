package io.github.vq4j.internal;

import java.lang.ref.Cleaner;
import java.util.function.Function;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;
import org.bytedeco.javacpp.ShortPointer;

/**
 * Memory of a backend, given back by {@link #close}, or by the garbage collector once nobody holds the pointer. It belongs
 * to no {@link org.bytedeco.javacpp.PointerScope}, and to none of JavaCPP's limits, which refuse the smallest pointer to a
 * process that takes four times as much as its heap may.
 *
 * @param <P> pointer of the element type
 */
public final class Memory<P extends Pointer> implements AutoCloseable {
    private static final Cleaner CLEANER = Cleaner.create();

    private final P pointer;
    private final Release release;
    private final Cleaner.Cleanable cleanable;

    private Memory(Kernels kernels, long count, int elementBytes, Function<Pointer, P> type) {
        long bytes = Math.multiplyExact(count, (long) elementBytes);
        Pointer address = allocate(kernels, bytes);
        pointer = type.apply(address);
        pointer.capacity(count);
        release = new Release(kernels, address, bytes);
        // Tied to the pointer, not to this object: a native call keeps its pointer arguments alive while it runs.
        cleanable = CLEANER.register(pointer, release);
    }

    /** All that giving the memory back needs, without the pointer, which is held by who uses it. */
    private static final class Release implements Runnable {
        private final Kernels kernels;
        private final Pointer address;
        private final long bytes;
        private volatile boolean whenIdle;

        Release(Kernels kernels, Pointer address, long bytes) {
            this.kernels = kernels;
            this.address = address;
            this.bytes = bytes;
        }

        @Override
        public void run() {
            if (whenIdle) {
                kernels.releaseWhenIdle(address);
            } else {
                kernels.release(address);
            }
            MemoryInUse.remove(bytes);
        }
    }

    private static Pointer allocate(Kernels kernels, long bytes) {
        MemoryInUse.add(bytes);
        try {
            return kernels.allocate(bytes);
        } catch (OutOfMemoryError none) {
            MemoryInUse.collect();
        }
        try {
            return kernels.allocate(bytes);
        } catch (RuntimeException | Error none) {
            MemoryInUse.remove(bytes);
            throw none;
        }
    }

    /** Room for fp32 numbers. */
    public static Memory<FloatPointer> floats(Kernels kernels, long count) {
        return new Memory<>(kernels, count, Float.BYTES, FloatPointer::new);
    }

    /** Room for 16-bit numbers. */
    public static Memory<ShortPointer> shorts(Kernels kernels, long count) {
        return new Memory<>(kernels, count, Short.BYTES, ShortPointer::new);
    }

    /** Room for int32 numbers. */
    public static Memory<IntPointer> ints(Kernels kernels, long count) {
        return new Memory<>(kernels, count, Integer.BYTES, IntPointer::new);
    }

    /** Room for int64 numbers. */
    public static Memory<LongPointer> longs(Kernels kernels, long count) {
        return new Memory<>(kernels, count, Long.BYTES, LongPointer::new);
    }

    /** Room for fp64 numbers. */
    public static Memory<DoublePointer> doubles(Kernels kernels, long count) {
        return new Memory<>(kernels, count, Double.BYTES, DoublePointer::new);
    }

    /** Room for addresses. */
    public static <T extends Pointer> Memory<PointerPointer<T>> addresses(Kernels kernels, long count) {
        return new Memory<>(kernels, count, Long.BYTES, PointerPointer::new);
    }

    /** Room for bytes, aligned to 64. */
    public static Memory<Pointer> bytes(Kernels kernels, long count) {
        return new Memory<>(kernels, count, 1, Pointer::new);
    }

    /** Whose memory it is. */
    public Kernels kernels() {
        return release.kernels;
    }

    /**
     * From now on kernels of another stream, or another library, may use the memory: that it is given back in the order of its
     * own stream is not enough.
     */
    public void useElsewhere() {
        release.whenIdle = true;
    }

    /** The memory's beginning. */
    public P pointer() {
        return pointer;
    }

    /** Gives the memory back; a second call does nothing. */
    @Override
    public void close() {
        cleanable.clean();
    }
}
