package io.github.vq4j;

import io.github.vq4j.internal.AddressPointer;
import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Memory;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.nio.ShortBuffer;
import java.util.Arrays;
import java.util.Objects;
import java.util.function.Supplier;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.ShortPointer;
import org.jspecify.annotations.Nullable;

/**
 * A view of memory: element type, row-major shape, place. Nothing is copied when a tensor is made. A tensor over a heap
 * array crosses to native memory by one copy each time a layer uses it (and back, as an output): the garbage collector
 * must stay free to move the array while kernels run. Direct buffers, pointers and addresses are used in place.
 *
 * <p>{@link #close} gives back only memory that the tensor owns, that is of {@link #allocate}, of results and of
 * {@link Dlpack}.
 */
public final class Tensor implements AutoCloseable {
    private static final int NOT_ASKED = -2;

    private final DataType type;
    private final Device device;
    private final long[] shape;
    private final long size;
    private final Object storage;
    private final @Nullable Runnable release;

    /** What {@link #allocate} has made. */
    private final @Nullable Memory<?> memory;

    /** The caller's, whose memory this is; closed with it. */
    private final @Nullable Pointer source;

    private final boolean readOnly;
    private final Tensor owner;

    /** The number of the CUDA device whose memory this is; negative for memory of the host, and until it is asked for. */
    private int cudaDevice = NOT_ASKED;

    private boolean closed;
    private int loans;

    private Tensor(
            DataType type,
            Device device,
            long[] shape,
            Object storage,
            @Nullable Runnable release,
            @Nullable Tensor owner) {
        this(type, device, shape, storage, release, null, null, owner != null && owner.readOnly, owner);
    }

    private Tensor(
            DataType type,
            Device device,
            long[] shape,
            Object storage,
            @Nullable Runnable release,
            @Nullable Memory<?> memory,
            @Nullable Pointer source,
            boolean readOnly,
            @Nullable Tensor owner) {
        this.type = type;
        this.device = Objects.requireNonNull(device, "device");
        this.shape = shape.clone();
        this.size = sizeOf(shape);
        this.storage = storage;
        this.release = release;
        this.memory = memory;
        this.source = source;
        this.readOnly = readOnly;
        this.owner = owner == null ? this : owner;
    }

    /**
     * A view of an array of floats.
     *
     * @param values as many as the shape has elements
     */
    public static Tensor of(float[] values, long... shape) {
        checkLength("array", values.length, shape);
        return new Tensor(DataType.FLOAT32, Device.HOST, shape, values, null, null);
    }

    /**
     * A view of an array of codes.
     *
     * @param values as many as the shape has elements
     */
    public static Tensor of(int[] values, long... shape) {
        checkLength("array", values.length, shape);
        return new Tensor(DataType.INT32, Device.HOST, shape, values, null, null);
    }

    /**
     * A view of an array of 16-bit numbers.
     *
     * @param values their bits, as many as the shape has elements
     * @param type FLOAT16 or BFLOAT16
     */
    public static Tensor of(short[] values, DataType type, long... shape) {
        checkHalf(type);
        checkLength("array", values.length, shape);
        return new Tensor(type, Device.HOST, shape, values, null, null);
    }

    /**
     * A view of the remaining floats of a direct buffer, in place. Of a read-only buffer it can be read alone.
     *
     * @param values direct, of native byte order, with as many remaining as the shape has elements
     */
    public static Tensor of(FloatBuffer values, long... shape) {
        checkBuffer(values.isDirect(), values.order());
        checkLength("buffer", values.remaining(), shape);
        return ofBuffer(DataType.FLOAT32, shape, () -> new FloatPointer(values.slice()), values.isReadOnly());
    }

    /**
     * A view of the remaining codes of a direct buffer, in place. Of a read-only buffer it can be read alone.
     *
     * @param values direct, of native byte order, with as many remaining as the shape has elements
     */
    public static Tensor of(IntBuffer values, long... shape) {
        checkBuffer(values.isDirect(), values.order());
        checkLength("buffer", values.remaining(), shape);
        return ofBuffer(DataType.INT32, shape, () -> new IntPointer(values.slice()), values.isReadOnly());
    }

    /**
     * A view of the remaining 16-bit numbers of a direct buffer, in place. Of a read-only buffer it can be read alone.
     *
     * @param values direct, of native byte order, with as many remaining as the shape has elements
     * @param type FLOAT16 or BFLOAT16
     */
    public static Tensor of(ShortBuffer values, DataType type, long... shape) {
        checkHalf(type);
        checkBuffer(values.isDirect(), values.order());
        checkLength("buffer", values.remaining(), shape);
        return ofBuffer(type, shape, () -> new ShortPointer(values.slice()), values.isReadOnly());
    }

    /** @param storage made once the native library is loaded, which knows a buffer's address */
    private static Tensor ofBuffer(DataType type, long[] shape, Supplier<Pointer> storage, boolean readOnly) {
        Backend.cpu();
        return new Tensor(type, Device.HOST, shape, storage.get(), null, null, null, readOnly, null);
    }

    /**
     * A view of host memory, in place, from the pointer's position at this time. The pointer is kept, so that memory it owns
     * stays; once it is closed the tensor cannot be used.
     *
     * @param values a limit that it has must reach the shape's size
     */
    public static Tensor of(FloatPointer values, long... shape) {
        checkPointer(values, shape);
        return ofPointer(DataType.FLOAT32, shape, new FloatPointer(values), values);
    }

    /**
     * A view of codes in host memory, in place, as {@link #of(FloatPointer, long...)}.
     *
     * @param values a limit that it has must reach the shape's size
     */
    public static Tensor of(IntPointer values, long... shape) {
        checkPointer(values, shape);
        return ofPointer(DataType.INT32, shape, new IntPointer(values), values);
    }

    /**
     * A view of 16-bit numbers in host memory, in place, as {@link #of(FloatPointer, long...)}.
     *
     * @param values a limit that it has must reach the shape's size
     * @param type FLOAT16 or BFLOAT16
     */
    public static Tensor of(ShortPointer values, DataType type, long... shape) {
        checkHalf(type);
        checkPointer(values, shape);
        return ofPointer(type, shape, new ShortPointer(values), values);
    }

    /** @param storage a copy, since the caller may move the position of the source */
    private static Tensor ofPointer(DataType type, long[] shape, Pointer storage, Pointer source) {
        return new Tensor(type, Device.HOST, shape, storage, null, null, source, false, null);
    }

    /**
     * A view of floats at an address, in place. The caller keeps the memory alive. A layer on one CUDA device refuses memory of
     * another; managed memory is of the device on which it was allocated.
     */
    public static Tensor ofAddress(long address, Device device, long... shape) {
        long size = checkAddress(address, shape);
        return new Tensor(DataType.FLOAT32, device, shape, AddressPointer.floats(address, size), null, null);
    }

    /** A view of codes at an address, in place, as {@link #ofAddress}. */
    public static Tensor codesAtAddress(long address, Device device, long... shape) {
        long size = checkAddress(address, shape);
        return new Tensor(DataType.INT32, device, shape, AddressPointer.ints(address, size), null, null);
    }

    /**
     * A view of 16-bit numbers at an address, in place, as {@link #ofAddress}.
     *
     * @param type FLOAT16 or BFLOAT16
     */
    public static Tensor halvesAtAddress(long address, DataType type, Device device, long... shape) {
        checkHalf(type);
        long size = checkAddress(address, shape);
        return new Tensor(type, device, shape, AddressPointer.shorts(address, size), null, null);
    }

    /** New host memory, all zero, that {@link #close} gives back. */
    public static Tensor allocate(DataType type, long... shape) {
        Kernels kernels = Backend.cpu().kernels();
        Tensor tensor = allocate(kernels, type, shape);
        if (tensor.size > 0) {
            kernels.clear(tensor.pointer(), tensor.bytes());
        }
        return tensor;
    }

    /** New memory of a backend, contents undefined. */
    static Tensor allocate(Kernels kernels, DataType type, long... shape) {
        long size = sizeOf(shape);
        Memory<?> memory =
                switch (type) {
                    case FLOAT32 -> Memory.floats(kernels, size);
                    case FLOAT16, BFLOAT16 -> Memory.shorts(kernels, size);
                    case INT32 -> Memory.ints(kernels, size);
                };
        Device device = kernels.onCuda() ? Device.CUDA : Device.HOST;
        return new Tensor(type, device, shape, memory.pointer(), memory::close, memory, null, false, null);
    }

    /**
     * A view of memory that {@link #close} gives back.
     *
     * @param cudaDevice the number of its CUDA device; negative for memory of the host
     * @param release may be called more than once, and does nothing then
     */
    static Tensor owning(
            DataType type,
            Device device,
            int cudaDevice,
            long[] shape,
            Pointer memory,
            boolean readOnly,
            Runnable release) {
        Tensor tensor = new Tensor(type, device, shape, memory, release, null, null, readOnly, null);
        tensor.cudaDevice = cudaDevice;
        return tensor;
    }

    /** The sizes of the axes, in a new array. */
    public long[] shape() {
        return shape.clone();
    }

    /** The size of an axis, counted from 0. */
    public long size(int axis) {
        return shape[Objects.checkIndex(axis, shape.length)];
    }

    /** The number of axes. */
    public int rank() {
        return shape.length;
    }

    /** The number of elements. */
    public long size() {
        return size;
    }

    /** The type of the elements. */
    public DataType dataType() {
        return type;
    }

    /** Where the memory lies. */
    public Device device() {
        return device;
    }

    /** The address of the first element. The memory stays while this tensor is open and reachable. */
    public long address() {
        if (owner.memory != null) {
            owner.memory.useElsewhere();
        }
        return addressOf(pointer());
    }

    /** All elements, copied into a new array. */
    public float[] toFloatArray() {
        checkReadable(DataType.FLOAT32);
        float[] values = new float[arrayLength()];
        if (storage instanceof float[] array) {
            System.arraycopy(array, 0, values, 0, values.length);
        } else {
            kernels().read((FloatPointer) storage, values);
        }
        return values;
    }

    /** All codes, copied into a new array. */
    public int[] toIntArray() {
        checkReadable(DataType.INT32);
        int[] values = new int[arrayLength()];
        if (storage instanceof int[] array) {
            System.arraycopy(array, 0, values, 0, values.length);
        } else {
            kernels().read((IntPointer) storage, values);
        }
        return values;
    }

    /** The bits of all 16-bit numbers, copied into a new array. */
    public short[] toShortArray() {
        checkOpen();
        checkHalf(type);
        short[] values = new short[arrayLength()];
        if (storage instanceof short[] array) {
            System.arraycopy(array, 0, values, 0, values.length);
        } else {
            kernels().read((ShortPointer) storage, values);
        }
        return values;
    }

    /** The one float of a tensor of size 1. */
    public float item() {
        if (size != 1) {
            throw new IllegalArgumentException("need a tensor of one element, got shape " + Arrays.toString(shape));
        }
        return toFloatArray()[0];
    }

    /**
     * The host memory as a buffer, not copied, read-only where it came from a read-only buffer. It may be used while this
     * tensor is open and reachable.
     */
    public FloatBuffer floatBuffer() {
        checkReadable(DataType.FLOAT32);
        if (storage instanceof float[] array) {
            return FloatBuffer.wrap(array);
        }
        if (device != Device.HOST) {
            throw new IllegalStateException("need a tensor on HOST, got one on " + device);
        }
        arrayLength();
        Backend.cpu();
        FloatBuffer buffer =
                AddressPointer.floats(address(), size).asByteBuffer().asFloatBuffer();
        return readOnly ? buffer.asReadOnlyBuffer() : buffer;
    }

    /** The same memory with another shape of the same size; the view does not own it. */
    public Tensor reshape(long... newShape) {
        checkOpen();
        if (sizeOf(newShape) != size) {
            throw new IllegalArgumentException("shape " + Arrays.toString(newShape) + " does not have the " + size
                    + " elements of shape " + Arrays.toString(shape));
        }
        return new Tensor(type, device, newShape, storage, null, owner);
    }

    /** Gives owned memory back, once nobody has it by {@link Dlpack}; a second call does nothing. */
    @Override
    public void close() {
        if (owner == this) {
            synchronized (this) {
                closed = true;
            }
            releaseUnlessLent();
        }
    }

    @Override
    public String toString() {
        return "Tensor " + type + Arrays.toString(shape) + " on " + device;
    }

    // ---- for Dlpack --------------------------------------------------------------------------------------------

    void checkLendable() {
        checkOpen();
        if (!(storage instanceof Pointer)) {
            throw new IllegalArgumentException("need a tensor in native memory, got a view of a heap array: " + this);
        }
    }

    boolean isReadOnly() {
        return readOnly;
    }

    /** From here to {@link #takeBack}, close does not give the memory back. */
    void lend() {
        synchronized (owner) {
            checkOpen();
            owner.loans++;
        }
    }

    void takeBack() {
        synchronized (owner) {
            owner.loans--;
        }
        owner.releaseUnlessLent();
    }

    private void releaseUnlessLent() {
        synchronized (this) {
            if (!closed || loans > 0) {
                return;
            }
        }
        if (release != null) {
            release.run();
        }
    }

    // ---- for the layers ----------------------------------------------------------------------------------------

    boolean hasShape(long[] other) {
        return Arrays.equals(shape, other);
    }

    boolean isClosed() {
        return owner.closed || owner.lostSource();
    }

    private boolean lostSource() {
        return source != null && source.isNull() && size > 0;
    }

    /** Whether kernels can use the memory where it is. */
    boolean isReachedBy(Kernels kernels) {
        return storage instanceof Pointer && (device == Device.CUDA) == kernels.onCuda();
    }

    FloatPointer floats() {
        checkOpen();
        return (FloatPointer) storage;
    }

    IntPointer ints() {
        checkOpen();
        return (IntPointer) storage;
    }

    ShortPointer halves() {
        checkOpen();
        return (ShortPointer) storage;
    }

    /** Copies all elements to memory of a backend. */
    void copyTo(Kernels kernels, Pointer to) {
        checkOpen();
        if (storage instanceof float[] array) {
            kernels.write(array, (FloatPointer) to);
        } else if (storage instanceof int[] array) {
            kernels.write(array, (IntPointer) to);
        } else if (storage instanceof short[] array) {
            kernels.write(array, (ShortPointer) to);
        } else {
            kernels.copy(to, (Pointer) storage, bytes());
        }
    }

    /** Fills all elements from memory of a backend. */
    void copyFrom(Kernels kernels, Pointer from) {
        checkOpen();
        if (storage instanceof float[] array) {
            kernels.read((FloatPointer) from, array);
        } else if (storage instanceof int[] array) {
            kernels.read((IntPointer) from, array);
        } else {
            kernels.copy((Pointer) storage, from, bytes());
        }
    }

    boolean overlaps(Tensor other) {
        if (!(storage instanceof Pointer) || !(other.storage instanceof Pointer)) {
            return storage == other.storage;
        }
        return device == other.device
                && addressOf(pointer()) < addressOf(other.pointer()) + other.bytes()
                && addressOf(other.pointer()) < addressOf(pointer()) + bytes();
    }

    /** Refuses a tensor that is closed, of another type, or on a device that the kernels do not reach. */
    void checkUsable(String name, DataType needed, Kernels kernels) {
        checkOpen(name);
        if (type != needed) {
            throw new IllegalArgumentException("need " + name + " of type " + needed + ", got " + this);
        }
        checkReached(name, kernels);
    }

    /** As {@link #checkUsable}, for results: refuses also what cannot be written to. */
    void checkWritable(String name, DataType needed, Kernels kernels) {
        checkUsable(name, needed, kernels);
        if (readOnly) {
            throw new IllegalArgumentException(
                    "need " + name + " that can be written to, got a view of read-only memory: " + this);
        }
    }

    /** As {@link #checkUsable}, for inputs that may be of any floating-point type. */
    void checkUsableInput(String name, Kernels kernels) {
        checkOpen(name);
        if (type != DataType.FLOAT32 && !type.isHalf()) {
            throw new IllegalArgumentException("need " + name + " of type FLOAT32, FLOAT16 or BFLOAT16, got " + this);
        }
        checkReached(name, kernels);
    }

    private void checkReached(String name, Kernels kernels) {
        if (device == Device.CUDA && !kernels.onCuda()) {
            throw new IllegalArgumentException("need " + name + " on HOST for the CPU's kernels, got " + this);
        }
        // Where there is one device, nothing is asked.
        if (device == Device.CUDA && Backend.cudaDevices() > 1) {
            int found = owner.cudaDevice();
            if (found >= 0 && found != kernels.device()) {
                throw new IllegalArgumentException("need " + name + " on cuda:" + kernels.device()
                        + ", where it is to be used, got " + this + " on cuda:" + found);
            }
        }
        if (owner.memory != null && !owner.memory.kernels().haveStreamOf(kernels)) {
            owner.memory.useElsewhere();
        }
    }

    private int cudaDevice() {
        if (memory != null) {
            return memory.kernels().device();
        }
        if (cudaDevice == NOT_ASKED) {
            cudaDevice = size == 0 ? Kernels.CPU : Kernels.cudaDeviceOf((Pointer) storage);
        }
        return cudaDevice;
    }

    void checkOpen() {
        checkOpen("this");
    }

    private void checkOpen(String name) {
        if (owner.closed) {
            throw new IllegalStateException(name + " " + this + " is closed");
        }
        if (owner.lostSource()) {
            throw new IllegalStateException(
                    name + " " + this + " is a view of a pointer that has been closed, by hand or by its PointerScope");
        }
    }

    // ---- checks ------------------------------------------------------------------------------------------------

    private Pointer pointer() {
        checkOpen();
        if (storage instanceof Pointer pointer) {
            return pointer;
        }
        throw new IllegalStateException("a tensor over a heap array has no address");
    }

    private void checkReadable(DataType needed) {
        checkOpen();
        if (type != needed) {
            throw new IllegalArgumentException("need a tensor of " + needed + ", got " + this);
        }
    }

    private static void checkHalf(DataType type) {
        if (!type.isHalf()) {
            throw new IllegalArgumentException("need FLOAT16 or BFLOAT16, got " + type);
        }
    }

    private static long addressOf(Pointer pointer) {
        return pointer.address() + pointer.position() * pointer.sizeof();
    }

    /** Who can read the memory: its owner, whose work on it comes first; else its device, once that has nothing left to do. */
    Kernels kernels() {
        if (owner.memory != null) {
            return owner.memory.kernels();
        }
        return device == Device.CUDA
                ? Backend.cudaOf(pointer()).kernels()
                : Backend.cpu().kernels();
    }

    private long bytes() {
        return size * type.bytes();
    }

    private int arrayLength() {
        if (size > Integer.MAX_VALUE / type.bytes()) {
            throw new IllegalStateException(this + " does not fit in one array or buffer");
        }
        return (int) size;
    }

    /** The number of elements of a shape, whose size in bytes fits in 63 bits. */
    static long sizeOf(long[] shape) {
        long size = 1;
        boolean empty = false;
        for (long axis : shape) {
            if (axis < 0) {
                throw new IllegalArgumentException("need sizes >= 0, got shape " + Arrays.toString(shape));
            }
            empty |= axis == 0;
        }
        if (empty) {
            return 0;
        }
        try {
            for (long axis : shape) {
                size = Math.multiplyExact(size, axis);
            }
            Math.multiplyExact(size, 8L);
        } catch (ArithmeticException overflow) {
            throw new IllegalArgumentException(
                    "the sizes of shape " + Arrays.toString(shape) + " overflow 63 bits in bytes", overflow);
        }
        return size;
    }

    private static void checkLength(String what, long length, long[] shape) {
        if (length != sizeOf(shape)) {
            throw new IllegalArgumentException("shape " + Arrays.toString(shape) + " has " + sizeOf(shape)
                    + " elements, the " + what + " has " + length);
        }
    }

    /** Refuses buffers that kernels cannot read. The caller then loads the native library, which knows addresses. */
    private static void checkBuffer(boolean direct, ByteOrder order) {
        if (!direct) {
            throw new IllegalArgumentException("need a direct buffer; for a heap buffer pass its array");
        }
        if (order != ByteOrder.nativeOrder()) {
            throw new IllegalArgumentException(
                    "need a buffer of byte order " + ByteOrder.nativeOrder() + ", got " + order);
        }
    }

    private static void checkPointer(Pointer pointer, long[] shape) {
        long size = checkAddress(addressOf(pointer), shape);
        // Pointers that come from native code know no limit: it is 0 there.
        if (pointer.limit() > 0 && pointer.limit() - pointer.position() < size) {
            checkLength("pointer", pointer.limit() - pointer.position(), shape);
        }
    }

    static long checkAddress(long address, long[] shape) {
        long size = sizeOf(shape);
        if (address == 0 && size > 0) {
            throw new IllegalArgumentException("need an address, got null for shape " + Arrays.toString(shape));
        }
        return size;
    }
}
