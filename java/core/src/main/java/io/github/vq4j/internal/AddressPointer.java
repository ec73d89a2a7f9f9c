package io.github.vq4j.internal;

import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.ShortPointer;

/** Pointers to memory known by its address only. */
public final class AddressPointer {
    private AddressPointer() {}

    /** A pointer to fp32 numbers. */
    public static FloatPointer floats(long address, long count) {
        return new FloatPointer(new At(address)).capacity(count);
    }

    /** A pointer to 16-bit numbers. */
    public static ShortPointer shorts(long address, long count) {
        return new ShortPointer(new At(address)).capacity(count);
    }

    /** A pointer to int32 numbers. */
    public static IntPointer ints(long address, long count) {
        return new IntPointer(new At(address)).capacity(count);
    }

    /** A pointer to int64 numbers. */
    public static LongPointer longs(long address, long count) {
        return new LongPointer(new At(address)).capacity(count);
    }

    /** A pointer to what is not memory of the host: a handle. */
    static Pointer handle(long address) {
        return new At(address);
    }

    private static final class At extends Pointer {
        At(long address) {
            this.address = address;
        }
    }
}
