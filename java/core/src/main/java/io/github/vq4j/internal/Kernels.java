package io.github.vq4j.internal;

import io.github.vq4j.NotFiniteException;
import java.util.List;
import java.util.Objects;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.ShortPointer;
import org.jspecify.annotations.Nullable;

/**
 * The C API as Java methods, one an operation, on the CPU or on one CUDA device. Pointers are to memory of that
 * implementation. What an operation computes is written in {@code vq4j/operations.h}; its failures arrive here as
 * exceptions.
 *
 * <p>{@link CudaKernels} is touched only by an object made with {@link #cuda}, so that nothing of CUDA is loaded on a
 * machine without it.
 */
public final class Kernels {
    private static final int CPU = -1;
    private static final Pattern BAD_ROW = Pattern.compile("(.+) has a NaN or an infinity, first in row (\\d+).*");
    private static final Kernels ON_CPU = new Kernels(CPU, null);

    private final int device;

    /** Null: the device's default stream. */
    private final @Nullable Pointer stream;

    private Kernels(int device, @Nullable Pointer stream) {
        this.device = device;
        this.stream = stream;
    }

    /** The CPU's kernels. */
    public static Kernels cpu() {
        return ON_CPU;
    }

    /** The kernels of a CUDA device that is known to exist, on its default stream. */
    public static Kernels cuda(int device) {
        return new Kernels(device, null);
    }

    /** The kernels of a CUDA device that is known to exist, on a stream (a cudaStream_t) of the caller's. */
    public static Kernels cuda(int device, long stream) {
        return new Kernels(device, stream == 0 ? null : AddressPointer.handle(stream));
    }

    /**
     * The kernels of the CUDA device whose memory this is, of another library. Whatever works on the device is waited for: it
     * may be on any stream.
     *
     * @throws IllegalArgumentException if it is memory of the host
     */
    public static Kernels cudaOf(Pointer memory) {
        try (IntPointer device = new IntPointer(1)) {
            Kernels kernels = cuda(0);
            kernels.check(CudaKernels.deviceOf(memory, device));
            if (device.get() < 0) {
                throw new IllegalArgumentException("need memory of a CUDA device, got memory of the host at 0x"
                        + Long.toHexString(memory.address()));
            }
            kernels = cuda(device.get());
            kernels.check(CudaKernels.useDevice(device.get()));
            kernels.check(CudaKernels.synchronizeDevice());
            return kernels;
        }
    }

    /** Whether these are a CUDA device's kernels. */
    public boolean onCuda() {
        return device != CPU;
    }

    /** The CUDA device; negative on the CPU. */
    public int device() {
        return device;
    }

    /** The address of the CUDA stream; 0: the default stream. */
    public long streamAddress() {
        return stream == null ? 0 : stream.address();
    }

    /** Whether these run on the same device, and in the order of the same stream. */
    public boolean haveStreamOf(Kernels others) {
        return device == others.device && streamAddress() == others.streamAddress();
    }

    // ---- batches ----------------------------------------------------------------------------------------------

    /** Opens a batch of the calling thread: what it calls from now on runs when the batch is submitted. */
    public Batch beginBatch() {
        return beginBatch(null);
    }

    /**
     * As {@link #beginBatch()}, of operations that use results of an earlier batch.
     *
     * @param before whose failure is the new batch's, too
     */
    public Batch beginBatch(@Nullable Batch before) {
        if (!onCuda()) {
            return new Batch(this, 0, before);
        }
        try (LongPointer number = new LongPointer(1)) {
            check(CudaKernels.beginBatch(stream(), number));
            return new Batch(this, number.get(), before);
        }
    }

    /** Copies bytes to the host when the open batch comes to this place. */
    void fetch(Pointer to, Pointer from, long bytes) {
        check(onCuda() ? CudaKernels.fetch(stream(), to, from, bytes) : CpuKernels.fetch(to, from, bytes));
    }

    void submitBatch(long number) {
        check(CudaKernels.submitBatch(number));
    }

    /** @param batch whose number it is */
    void finishBatch(long number, Batch batch) {
        int status = CudaKernels.finishBatch(number);
        if (status != CpuKernels.VQ4J_OK) {
            throw failure(status, batch);
        }
    }

    /** How many checks of data the calling thread's open batch has. */
    static long checks() {
        return CudaKernels.checks();
    }

    /**
     * Runs operations whose failures mean something else to the caller, as rows of another tensor: in a batch also those
     * that are thrown when it is finished.
     */
    public void withFailures(UnaryOperator<NotFiniteException> meaning, Runnable operations) {
        Batch batch = openBatch();
        if (batch != null) {
            batch.withFailures(meaning, operations);
            return;
        }
        try {
            operations.run();
        } catch (NotFiniteException failure) {
            throw meaning.apply(failure);
        }
    }

    private @Nullable Batch openBatch() {
        return onCuda() ? Batch.openOn(this) : null;
    }

    /** Finishes a batch whose results nobody wants. */
    void forgetBatch(long number) {
        CudaKernels.finishBatch(number);
    }

    void dropBatch(long number) {
        check(CudaKernels.dropBatch(number));
    }

    /** Waits until all is done that was called so far. */
    public void synchronize() {
        if (onCuda()) {
            check(CudaKernels.synchronize(stream()));
        }
    }

    // ---- memory -----------------------------------------------------------------------------------------------

    /** Memory aligned to 64 bytes. */
    public Pointer allocate(long bytes) {
        long size = Math.max(bytes, 1);
        Pointer memory;
        if (onCuda()) {
            stream();
            memory = CudaKernels.allocate(size);
        } else {
            memory = CpuKernels.allocate(size);
        }
        if (memory == null || memory.isNull()) {
            throw new OutOfMemoryError("cannot allocate " + size + " bytes: " + lastError());
        }
        return memory;
    }

    /** Gives memory of {@link #allocate} back. */
    public void release(Pointer memory) {
        if (onCuda()) {
            CudaKernels.release(memory);
        } else {
            CpuKernels.release(memory);
        }
    }

    /** Copies between any two places that this implementation reaches; complete when it returns. */
    public void copy(Pointer to, Pointer from, long bytes) {
        check(onCuda() ? CudaKernels.copy(stream(), to, from, bytes) : CpuKernels.copy(to, from, bytes));
    }

    /** Copies within this implementation's memory, unless the open batch has found bad data before: nothing changes then. */
    public void commit(Pointer to, Pointer from, long bytes) {
        check(onCuda() ? CudaKernels.commit(stream(), to, from, bytes) : CpuKernels.commit(to, from, bytes));
    }

    /** Sets bytes to zero. */
    public void clear(Pointer memory, long bytes) {
        check(onCuda() ? CudaKernels.clear(stream(), memory, bytes) : CpuKernels.clear(memory, bytes));
    }

    /** Copies numbers of this implementation's memory to the heap. */
    public void read(FloatPointer from, float[] to) {
        if (!onCuda()) {
            from.get(to);
        } else if (to.length > 0) {
            try (Memory<FloatPointer> host = Memory.floats(ON_CPU, to.length)) {
                copy(host.pointer(), from, (long) to.length * Float.BYTES);
                host.pointer().get(to);
            }
        }
    }

    /** Copies numbers of this implementation's memory to the heap. */
    public void read(IntPointer from, int[] to) {
        if (!onCuda()) {
            from.get(to);
        } else if (to.length > 0) {
            try (Memory<IntPointer> host = Memory.ints(ON_CPU, to.length)) {
                copy(host.pointer(), from, (long) to.length * Integer.BYTES);
                host.pointer().get(to);
            }
        }
    }

    /** Copies numbers of this implementation's memory to the heap. */
    public void read(ShortPointer from, short[] to) {
        if (!onCuda()) {
            from.get(to);
        } else if (to.length > 0) {
            try (Memory<ShortPointer> host = Memory.shorts(ON_CPU, to.length)) {
                copy(host.pointer(), from, (long) to.length * Short.BYTES);
                host.pointer().get(to);
            }
        }
    }

    /** Copies numbers of this implementation's memory to the heap. */
    public void read(LongPointer from, long[] to) {
        if (!onCuda()) {
            from.get(to);
        } else {
            try (Memory<LongPointer> host = Memory.longs(ON_CPU, to.length)) {
                copy(host.pointer(), from, (long) to.length * Long.BYTES);
                host.pointer().get(to);
            }
        }
    }

    /** Copies numbers of this implementation's memory to the heap. */
    public void read(DoublePointer from, double[] to) {
        if (!onCuda()) {
            from.get(to);
        } else {
            try (Memory<DoublePointer> host = Memory.doubles(ON_CPU, to.length)) {
                copy(host.pointer(), from, (long) to.length * Double.BYTES);
                host.pointer().get(to);
            }
        }
    }

    /** Copies numbers of the heap to this implementation's memory. */
    public void write(float[] from, FloatPointer to) {
        if (!onCuda()) {
            to.put(from);
        } else if (from.length > 0) {
            try (Memory<FloatPointer> host = Memory.floats(ON_CPU, from.length)) {
                host.pointer().put(from);
                copy(to, host.pointer(), (long) from.length * Float.BYTES);
            }
        }
    }

    /** Copies numbers of the heap to this implementation's memory. */
    public void write(int[] from, IntPointer to) {
        if (!onCuda()) {
            to.put(from);
        } else if (from.length > 0) {
            try (Memory<IntPointer> host = Memory.ints(ON_CPU, from.length)) {
                host.pointer().put(from);
                copy(to, host.pointer(), (long) from.length * Integer.BYTES);
            }
        }
    }

    /** Copies numbers of the heap to this implementation's memory. */
    public void write(long[] from, LongPointer to) {
        if (!onCuda()) {
            to.put(from);
        } else if (from.length > 0) {
            try (Memory<LongPointer> host = Memory.longs(ON_CPU, from.length)) {
                host.pointer().put(from);
                copy(to, host.pointer(), (long) from.length * Long.BYTES);
            }
        }
    }

    /** Copies numbers of the heap to this implementation's memory. */
    public void write(short[] from, ShortPointer to) {
        if (!onCuda()) {
            to.put(from);
        } else if (from.length > 0) {
            try (Memory<ShortPointer> host = Memory.shorts(ON_CPU, from.length)) {
                host.pointer().put(from);
                copy(to, host.pointer(), (long) from.length * Short.BYTES);
            }
        }
    }

    /** Copies numbers of the heap, at least one, as they are now: does not wait where a batch is open. */
    public void send(int[] from, IntPointer to) {
        long bytes = (long) from.length * Integer.BYTES;
        try (Memory<IntPointer> host = Memory.ints(ON_CPU, from.length)) {
            host.pointer().put(from);
            check(
                    onCuda()
                            ? CudaKernels.send(stream(), to, host.pointer(), bytes)
                            : CpuKernels.send(to, host.pointer(), bytes));
        }
    }

    /** Fills with standard normal numbers. */
    public void fillNormal(long seed, long purpose, long count, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.fillNormal(stream(), seed, purpose, count, out)
                        : CpuKernels.fillNormal(seed, purpose, count, out));
    }

    // ---- assignment -------------------------------------------------------------------------------------------

    /** Size in bytes of a packed codebook. */
    public long packedCodebookBytes(long codes, long features) {
        long bytes = onCuda()
                ? CudaKernels.packedCodebookBytes(codes, features)
                : CpuKernels.packedCodebookBytes(codes, features);
        if (bytes < 0) {
            throw new IllegalArgumentException(
                    "a codebook of " + codes + " codes x " + features + " features does not fit in 63 bits");
        }
        return bytes;
    }

    /** Prepares a K x D codebook for {@link #assign}. */
    public void packCodebook(FloatPointer codebook, long codes, long features, Pointer packed) {
        check(
                onCuda()
                        ? CudaKernels.packCodebook(stream(), codebook, codes, features, packed)
                        : CpuKernels.packCodebook(codebook, codes, features, packed));
    }

    /** The nearest code of every row. */
    public void assign(FloatPointer z, Rows rows, Pointer packed, long codes, IntPointer out) {
        check(
                onCuda()
                        ? CudaKernels.assign(
                                stream(), z, rows.outer(), rows.inner(), rows.features(), packed, codes, out)
                        : CpuKernels.assign(z, rows.outer(), rows.inner(), rows.features(), packed, codes, out));
    }

    /**
     * A code of every row, drawn with probabilities proportional to exp(-|z - c|^2 / temperature).
     *
     * @param step draws of different steps are independent
     */
    public void sampleCodes(
            FloatPointer z,
            Rows rows,
            Pointer packed,
            long codes,
            double temperature,
            long seed,
            long step,
            IntPointer out) {
        check(
                onCuda()
                        ? CudaKernels.sampleCodes(
                                stream(),
                                z,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                packed,
                                codes,
                                temperature,
                                seed,
                                step,
                                out)
                        : CpuKernels.sampleCodes(
                                z,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                packed,
                                codes,
                                temperature,
                                seed,
                                step,
                                out));
    }

    /** As {@link #sampleCodes}, of z in 16 bits, which is left in z; null: z is there. */
    public void sampleCodes(
            @Nullable Halves unread,
            FloatPointer z,
            Rows rows,
            Pointer packed,
            long codes,
            double temperature,
            long seed,
            long step,
            IntPointer out) {
        if (unread == null) {
            sampleCodes(z, rows, packed, codes, temperature, seed, step, out);
            return;
        }
        check(
                onCuda()
                        ? CudaKernels.sampleCodesHalf(
                                stream(),
                                unread.values(),
                                unread.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                packed,
                                codes,
                                temperature,
                                seed,
                                step,
                                out,
                                z)
                        : CpuKernels.sampleCodesHalf(
                                unread.values(),
                                unread.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                packed,
                                codes,
                                temperature,
                                seed,
                                step,
                                out,
                                z));
    }

    /** Prepares a K x D codebook for assignment by cosine, by {@link #assign} or {@link #assignTopK}. */
    public void packDirections(FloatPointer codebook, long codes, long features, Pointer packed) {
        check(
                onCuda()
                        ? CudaKernels.packDirections(stream(), codebook, codes, features, packed)
                        : CpuKernels.packDirections(codebook, codes, features, packed));
    }

    /** The k nearest codes of every row, nearest first. */
    public void assignTopK(FloatPointer z, Rows rows, Pointer packed, long codes, long k, IntPointer out) {
        check(
                onCuda()
                        ? CudaKernels.assignTopK(
                                stream(), z, rows.outer(), rows.inner(), rows.features(), packed, codes, k, out)
                        : CpuKernels.assignTopK(z, rows.outer(), rows.inner(), rows.features(), packed, codes, k, out));
    }

    /** As {@link #assignTopK}, of z in 16 bits, which is left in z; null: z is there. */
    public void assignTopK(
            @Nullable Halves unread, FloatPointer z, Rows rows, Pointer packed, long codes, long k, IntPointer out) {
        if (unread == null) {
            assignTopK(z, rows, packed, codes, k, out);
            return;
        }
        check(
                onCuda()
                        ? CudaKernels.assignTopKHalf(
                                stream(),
                                unread.values(),
                                unread.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                packed,
                                codes,
                                k,
                                out,
                                z)
                        : CpuKernels.assignTopKHalf(
                                unread.values(),
                                unread.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                packed,
                                codes,
                                k,
                                out,
                                z));
    }

    /** Distance of every row to each of its k codes. */
    public void codeDistances(
            FloatPointer z, Rows rows, FloatPointer codebook, IntPointer codes, long k, int kind, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.codeDistances(
                                stream(), z, rows.outer(), rows.inner(), rows.features(), codebook, codes, k, kind, out)
                        : CpuKernels.codeDistances(
                                z, rows.outer(), rows.inner(), rows.features(), codebook, codes, k, kind, out));
    }

    /**
     * As {@link #assign}, of z in 16 bits, which is left in z; null: z is there.
     *
     * @param z null where z in 16 bits is not read again
     */
    public void assign(
            @Nullable Halves unread, @Nullable FloatPointer z, Rows rows, Pointer packed, long codes, IntPointer out) {
        if (unread == null) {
            assign(Objects.requireNonNull(z, "z"), rows, packed, codes, out);
            return;
        }
        check(
                onCuda()
                        ? CudaKernels.assignHalf(
                                stream(),
                                unread.values(),
                                unread.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                packed,
                                codes,
                                out,
                                z)
                        : CpuKernels.assignHalf(
                                unread.values(),
                                unread.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                packed,
                                codes,
                                out,
                                z));
    }

    /** Numbers in 16 bits as fp32. */
    public void widen(Halves halves, long count, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.widen(stream(), halves.values(), halves.nativeType(), count, out)
                        : CpuKernels.widen(halves.values(), halves.nativeType(), count, out));
    }

    /** fp32 numbers rounded to 16 bits. */
    public void narrow(FloatPointer values, long count, Halves out) {
        check(
                onCuda()
                        ? CudaKernels.narrow(stream(), values, count, out.nativeType(), out.values())
                        : CpuKernels.narrow(values, count, out.nativeType(), out.values()));
    }

    /** How often each code occurs. */
    public void countCodes(IntPointer codes, long rows, long codesCount, LongPointer counts) {
        check(
                onCuda()
                        ? CudaKernels.countCodes(stream(), codes, rows, codesCount, counts)
                        : CpuKernels.countCodes(codes, rows, codesCount, counts));
    }

    /** The codes' vectors, in the layout of {@code rows}. */
    public void lookup(FloatPointer codebook, long codesCount, IntPointer codes, Rows rows, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.lookup(
                                stream(), codebook, codesCount, codes, rows.outer(), rows.inner(), rows.features(), out)
                        : CpuKernels.lookup(
                                codebook, codesCount, codes, rows.outer(), rows.inner(), rows.features(), out));
    }

    /**
     * The rows behind codes of groups of features, whose codebooks stand one below the other; {@code groups} has the codes
     * of a row in the place of features, those of group g from g * codesCount.
     *
     * @param features of a group
     */
    public void lookupGroups(
            FloatPointer codebooks, long codesCount, IntPointer codes, Rows groups, long features, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.lookupGroups(
                                stream(),
                                codebooks,
                                codesCount,
                                codes,
                                groups.outer(),
                                groups.features(),
                                groups.inner(),
                                features,
                                out)
                        : CpuKernels.lookupGroups(
                                codebooks,
                                codesCount,
                                codes,
                                groups.outer(),
                                groups.features(),
                                groups.inner(),
                                features,
                                out));
    }

    /** What the codes leave of the rows: z - e. {@code out} may be {@code z}. */
    public void residual(
            FloatPointer z, Rows rows, FloatPointer codebook, long codesCount, IntPointer codes, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.residual(
                                stream(),
                                z,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                codebook,
                                codesCount,
                                codes,
                                out)
                        : CpuKernels.residual(
                                z, rows.outer(), rows.inner(), rows.features(), codebook, codesCount, codes, out));
    }

    /** Adds the codes' vectors to a sum. */
    public void addLookup(FloatPointer codebook, long codesCount, IntPointer codes, Rows rows, FloatPointer sum) {
        check(
                onCuda()
                        ? CudaKernels.addLookup(
                                stream(), codebook, codesCount, codes, rows.outer(), rows.inner(), rows.features(), sum)
                        : CpuKernels.addLookup(
                                codebook, codesCount, codes, rows.outer(), rows.inner(), rows.features(), sum));
    }

    // ---- parts of tensors -------------------------------------------------------------------------------------

    /** Some features of every row, as rows of their own. */
    public void takeFeatures(FloatPointer z, Rows rows, long first, long count, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.takeFeatures(
                                stream(), z, rows.outer(), rows.inner(), rows.features(), first, count, out)
                        : CpuKernels.takeFeatures(z, rows.outer(), rows.inner(), rows.features(), first, count, out));
    }

    /**
     * As {@link #takeFeatures}, of rows in 16 bits.
     *
     * @param z receives the same features in their places; null: nothing does
     */
    public void takeFeatures(
            Halves halves, @Nullable FloatPointer z, Rows rows, long first, long count, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.takeFeaturesHalf(
                                stream(),
                                halves.values(),
                                halves.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                first,
                                count,
                                out,
                                z)
                        : CpuKernels.takeFeaturesHalf(
                                halves.values(),
                                halves.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                first,
                                count,
                                out,
                                z));
    }

    /** The reverse of {@link #takeFeatures}. */
    public void putFeatures(FloatPointer part, Rows rows, long first, long count, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.putFeatures(
                                stream(), part, rows.outer(), rows.inner(), rows.features(), first, count, out)
                        : CpuKernels.putFeatures(part, rows.outer(), rows.inner(), rows.features(), first, count, out));
    }

    /** One stage's codes, with an offset added, among those of all stages. */
    public void putCodes(IntPointer codes, Rows rows, long stages, long stage, int offset, IntPointer out) {
        check(
                onCuda()
                        ? CudaKernels.putCodes(stream(), codes, rows.outer(), rows.inner(), stages, stage, offset, out)
                        : CpuKernels.putCodes(codes, rows.outer(), rows.inner(), stages, stage, offset, out));
    }

    /** The reverse of {@link #putCodes}. */
    public void takeCodes(IntPointer codes, Rows rows, long stages, long stage, int offset, IntPointer out) {
        check(
                onCuda()
                        ? CudaKernels.takeCodes(stream(), codes, rows.outer(), rows.inner(), stages, stage, offset, out)
                        : CpuKernels.takeCodes(codes, rows.outer(), rows.inner(), stages, stage, offset, out));
    }

    /** The rows with these numbers, as a row-major matrix. */
    public void takeRows(FloatPointer z, Rows rows, LongPointer order, long count, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.takeRows(
                                stream(), z, rows.outer(), rows.inner(), rows.features(), order, count, out)
                        : CpuKernels.takeRows(z, rows.outer(), rows.inner(), rows.features(), order, count, out));
    }

    /** As {@link #takeRows}, of rows in 16 bits. */
    public void takeRows(Halves halves, Rows rows, LongPointer order, long count, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.takeRowsHalf(
                                stream(),
                                halves.values(),
                                halves.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                order,
                                count,
                                out)
                        : CpuKernels.takeRowsHalf(
                                halves.values(),
                                halves.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                order,
                                count,
                                out));
    }

    /** The reverse of {@link #takeRows}. */
    public void putRows(FloatPointer part, LongPointer order, long count, Rows rows, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.putRows(
                                stream(), part, order, count, rows.outer(), rows.inner(), rows.features(), out)
                        : CpuKernels.putRows(part, order, count, rows.outer(), rows.inner(), rows.features(), out));
    }

    /**
     * Codes as a stream of bits.
     *
     * @param stages the codes' layout, its features being the stages
     */
    public void packCodes(IntPointer codes, Rows stages, long codesCount, IntPointer words, long wordsCount) {
        check(
                onCuda()
                        ? CudaKernels.packCodes(
                                stream(),
                                codes,
                                stages.outer(),
                                stages.features(),
                                stages.inner(),
                                codesCount,
                                words,
                                wordsCount)
                        : CpuKernels.packCodes(
                                codes,
                                stages.outer(),
                                stages.features(),
                                stages.inner(),
                                codesCount,
                                words,
                                wordsCount));
    }

    /** The reverse of {@link #packCodes}. */
    public void unpackCodes(IntPointer words, long wordsCount, Rows stages, long codesCount, IntPointer codes) {
        check(
                onCuda()
                        ? CudaKernels.unpackCodes(
                                stream(),
                                words,
                                wordsCount,
                                stages.outer(),
                                stages.features(),
                                stages.inner(),
                                codesCount,
                                codes)
                        : CpuKernels.unpackCodes(
                                words,
                                wordsCount,
                                stages.outer(),
                                stages.features(),
                                stages.inner(),
                                codesCount,
                                codes));
    }

    /** Numbers of the rows whose value is above a bound, ascending, and how many there are. */
    public void rowsAbove(IntPointer values, long rows, int bound, LongPointer order, LongPointer count) {
        check(
                onCuda()
                        ? CudaKernels.rowsAbove(stream(), values, rows, bound, order, count)
                        : CpuKernels.rowsAbove(values, rows, bound, order, count));
    }

    /** The codes of the rows with these numbers; {@code rows} has the codes of a row in the place of features. */
    public void takeCodesOfRows(IntPointer codes, Rows rows, LongPointer order, long count, IntPointer out) {
        check(
                onCuda()
                        ? CudaKernels.takeCodesOfRows(
                                stream(), codes, rows.outer(), rows.inner(), rows.features(), order, count, out)
                        : CpuKernels.takeCodesOfRows(
                                codes, rows.outer(), rows.inner(), rows.features(), order, count, out));
    }

    /** The reverse of {@link #takeCodesOfRows}. */
    public void putCodesOfRows(IntPointer part, LongPointer order, long count, Rows rows, IntPointer out) {
        check(
                onCuda()
                        ? CudaKernels.putCodesOfRows(
                                stream(), part, order, count, rows.outer(), rows.inner(), rows.features(), out)
                        : CpuKernels.putCodesOfRows(
                                part, order, count, rows.outer(), rows.inner(), rows.features(), out));
    }

    /** Sets all codes to one. */
    public void fillCodes(int code, long count, IntPointer out) {
        check(onCuda() ? CudaKernels.fillCodes(stream(), code, count, out) : CpuKernels.fillCodes(code, count, out));
    }

    /** out = a x + b y; {@code out} may be either. */
    public void weightedSum(float a, FloatPointer x, float b, FloatPointer y, long count, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.weightedSum(stream(), a, x, b, y, count, out)
                        : CpuKernels.weightedSum(a, x, b, y, count, out));
    }

    // ---- sums over workers ------------------------------------------------------------------------------------

    /** The largest magnitude of all elements. */
    public void largestMagnitude(FloatPointer z, Rows rows, FloatPointer largest) {
        check(
                onCuda()
                        ? CudaKernels.largestMagnitude(
                                stream(), z, rows.outer(), rows.inner(), rows.features(), largest)
                        : CpuKernels.largestMagnitude(z, rows.outer(), rows.inner(), rows.features(), largest));
    }

    /** Fixed-point sum of the rows of each code; null codes for one code that has all rows. */
    public void fixedPointScatter(
            FloatPointer z,
            Rows rows,
            @Nullable IntPointer codes,
            long codesCount,
            @Nullable FloatPointer shift,
            int power,
            int exponent,
            LongPointer sums) {
        check(
                onCuda()
                        ? CudaKernels.fixedPointScatter(
                                stream(),
                                z,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                codes,
                                codesCount,
                                shift,
                                power,
                                exponent,
                                sums)
                        : CpuKernels.fixedPointScatter(
                                z,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                codes,
                                codesCount,
                                shift,
                                power,
                                exponent,
                                sums));
    }

    /** sums / 2^exponent / divisor. */
    public void fromFixedPoint(LongPointer sums, long count, int exponent, double divisor, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.fromFixedPoint(stream(), sums, count, exponent, divisor, out)
                        : CpuKernels.fromFixedPoint(sums, count, exponent, divisor, out));
    }

    /** This worker's candidates for the places of marked codes. */
    public void drawRows(
            FloatPointer z,
            Rows rows,
            IntPointer mask,
            long codesCount,
            long seed,
            long step,
            LongPointer tickets,
            LongPointer chosen) {
        check(
                onCuda()
                        ? CudaKernels.drawRows(
                                stream(),
                                z,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                mask,
                                codesCount,
                                seed,
                                step,
                                tickets,
                                chosen)
                        : CpuKernels.drawRows(
                                z,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                mask,
                                codesCount,
                                seed,
                                step,
                                tickets,
                                chosen));
    }

    /** The ticket of every row: those with the largest are a sample that does not depend on the rows' order. */
    public void rowTickets(FloatPointer z, Rows rows, long seed, LongPointer tickets) {
        check(
                onCuda()
                        ? CudaKernels.rowTickets(
                                stream(), z, rows.outer(), rows.inner(), rows.features(), seed, tickets)
                        : CpuKernels.rowTickets(z, rows.outer(), rows.inner(), rows.features(), seed, tickets));
    }

    // ---- loss and gradients -----------------------------------------------------------------------------------

    /**
     * Squared error of every row to its code, and its means over each sample and over all.
     *
     * @param out receives the codes' vectors as of {@link #lookup}; null: nothing does
     */
    public void commitmentLoss(
            FloatPointer z,
            Rows rows,
            FloatPointer codebook,
            IntPointer codes,
            long samples,
            FloatPointer distances,
            DoublePointer sampleMeans,
            DoublePointer mean,
            @Nullable FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.commitmentLoss(
                                stream(),
                                z,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                codebook,
                                codes,
                                samples,
                                distances,
                                sampleMeans,
                                mean,
                                out)
                        : CpuKernels.commitmentLoss(
                                z,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                codebook,
                                codes,
                                samples,
                                distances,
                                sampleMeans,
                                mean,
                                out));
    }

    /**
     * Means of squared errors that some of the rows have, over each sample's and over all.
     *
     * @param order the rows' numbers, {@code count} of them; null for all
     * @param distancesOfRow distances of each
     */
    public void meanDistances(
            FloatPointer distances,
            LongPointer order,
            long count,
            long distancesOfRow,
            long rows,
            long samples,
            long features,
            DoublePointer sampleMeans,
            DoublePointer mean) {
        check(
                onCuda()
                        ? CudaKernels.meanDistances(
                                stream(),
                                distances,
                                order,
                                count,
                                distancesOfRow,
                                rows,
                                samples,
                                features,
                                sampleMeans,
                                mean)
                        : CpuKernels.meanDistances(
                                distances, order, count, distancesOfRow, rows, samples, features, sampleMeans, mean));
    }

    /** Gradient of the input: gradient + coefficient * (z - e). A null gradient counts as zero. */
    public void inputGradient(
            FloatPointer z,
            FloatPointer gradient,
            Rows rows,
            FloatPointer codebook,
            IntPointer codes,
            float coefficient,
            FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.inputGradient(
                                stream(),
                                z,
                                gradient,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                codebook,
                                codes,
                                coefficient,
                                out)
                        : CpuKernels.inputGradient(
                                z,
                                gradient,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                codebook,
                                codes,
                                coefficient,
                                out));
    }

    /**
     * {@link #inputGradient} and {@link #codebookGradient}, of one read of the rows where that is possible; one by one
     * outside of a batch, where the first one's failure leaves the codes' gradient as it was.
     *
     * @param nu where it is 0, the codes receive nothing of the task's gradient
     */
    public void gradients(
            FloatPointer z,
            @Nullable FloatPointer gradient,
            Rows rows,
            FloatPointer codebook,
            IntPointer codes,
            long codesCount,
            float inputCoefficient,
            float codebookCoefficient,
            float nu,
            FloatPointer outRows,
            FloatPointer outCodebook) {
        if (openBatch() == null) {
            inputGradient(z, gradient, rows, codebook, codes, inputCoefficient, outRows);
            FloatPointer shared = nu == 0 ? null : gradient;
            codebookGradient(z, shared, rows, codebook, codes, codesCount, codebookCoefficient, nu, outCodebook);
            return;
        }
        check(CudaKernels.gradients(
                stream(),
                z,
                gradient,
                rows.outer(),
                rows.inner(),
                rows.features(),
                codebook,
                codes,
                codesCount,
                inputCoefficient,
                codebookCoefficient,
                nu,
                outRows,
                outCodebook));
    }

    /** Gradient of the codebook: sums of nu * gradient + coefficient * (e - z). A null gradient counts as zero. */
    public void codebookGradient(
            FloatPointer z,
            FloatPointer gradient,
            Rows rows,
            FloatPointer codebook,
            IntPointer codes,
            long codesCount,
            float coefficient,
            float nu,
            FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.codebookGradient(
                                stream(),
                                z,
                                gradient,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                codebook,
                                codes,
                                codesCount,
                                coefficient,
                                nu,
                                out)
                        : CpuKernels.codebookGradient(
                                z,
                                gradient,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                codebook,
                                codes,
                                codesCount,
                                coefficient,
                                nu,
                                out));
    }

    /**
     * Gradients through the replacement of vectors by {@code replacedBy}, of a kind of the C API. {@code ofCodes} is written by
     * VQ4J_DIRECTED only.
     */
    public void estimateGradient(
            FloatPointer z,
            FloatPointer replacedBy,
            FloatPointer gradient,
            Rows rows,
            int kind,
            FloatPointer ofRows,
            FloatPointer ofCodes) {
        check(
                onCuda()
                        ? CudaKernels.estimateGradient(
                                stream(),
                                z,
                                replacedBy,
                                gradient,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                kind,
                                ofRows,
                                ofCodes)
                        : CpuKernels.estimateGradient(
                                z,
                                replacedBy,
                                gradient,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                kind,
                                ofRows,
                                ofCodes));
    }

    /** Sum of the rows of each code. */
    public void scatter(FloatPointer z, Rows rows, IntPointer codes, long codesCount, FloatPointer sums) {
        check(
                onCuda()
                        ? CudaKernels.scatter(
                                stream(), z, rows.outer(), rows.inner(), rows.features(), codes, codesCount, sums)
                        : CpuKernels.scatter(z, rows.outer(), rows.inner(), rows.features(), codes, codesCount, sums));
    }

    // ---- stages of a residual layer ---------------------------------------------------------------------------

    /**
     * How many stages each row uses, drawn by sample.
     *
     * @param order the rows' numbers, {@code count} of them; null for all
     */
    public void drawStages(
            long seed,
            long step,
            LongPointer order,
            long count,
            long rows,
            long samples,
            int least,
            int most,
            IntPointer stages) {
        check(
                onCuda()
                        ? CudaKernels.drawStages(stream(), seed, step, order, count, rows, samples, least, most, stages)
                        : CpuKernels.drawStages(seed, step, order, count, rows, samples, least, most, stages));
    }

    /** One stage of a beam search; sizes as in the C API. */
    public void extendBeams(
            FloatPointer distances,
            IntPointer codes,
            IntPointer paths,
            long rows,
            long beams,
            long candidates,
            long stages,
            long stage,
            long kept,
            LongPointer parents,
            IntPointer newCodes,
            IntPointer newPaths,
            FloatPointer newDistances) {
        check(
                onCuda()
                        ? CudaKernels.extendBeams(
                                stream(),
                                distances,
                                codes,
                                paths,
                                rows,
                                beams,
                                candidates,
                                stages,
                                stage,
                                kept,
                                parents,
                                newCodes,
                                newPaths,
                                newDistances)
                        : CpuKernels.extendBeams(
                                distances,
                                codes,
                                paths,
                                rows,
                                beams,
                                candidates,
                                stages,
                                stage,
                                kept,
                                parents,
                                newCodes,
                                newPaths,
                                newDistances));
    }

    /** Every row's path with the least distance. */
    public void chooseBeams(
            FloatPointer distances, IntPointer paths, long rows, long beams, long stages, IntPointer best) {
        check(
                onCuda()
                        ? CudaKernels.chooseBeams(stream(), distances, paths, rows, beams, stages, best)
                        : CpuKernels.chooseBeams(distances, paths, rows, beams, stages, best));
    }

    // ---- norms ------------------------------------------------------------------------------------------------

    /**
     * Mean and population variance of contiguous groups of features, per sample.
     *
     * @param tensor what {@code values} is called in an error
     */
    public void moments(
            String tensor,
            FloatPointer values,
            Rows rows,
            long samples,
            long groups,
            FloatPointer mean,
            FloatPointer variance) {
        named(
                tensor,
                () -> check(
                        onCuda()
                                ? CudaKernels.moments(
                                        stream(),
                                        values,
                                        rows.outer(),
                                        rows.inner(),
                                        rows.features(),
                                        samples,
                                        groups,
                                        mean,
                                        variance)
                                : CpuKernels.moments(
                                        values,
                                        rows.outer(),
                                        rows.inner(),
                                        rows.features(),
                                        samples,
                                        groups,
                                        mean,
                                        variance)));
    }

    /** As {@link #moments}, of z in 16 bits, which is left in z; null: z is there. */
    public void moments(
            @Nullable Halves unread,
            FloatPointer z,
            Rows rows,
            long samples,
            long groups,
            FloatPointer mean,
            FloatPointer variance) {
        if (unread == null) {
            moments("z", z, rows, samples, groups, mean, variance);
            return;
        }
        check(
                onCuda()
                        ? CudaKernels.momentsHalf(
                                stream(),
                                unread.values(),
                                unread.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                samples,
                                groups,
                                mean,
                                variance,
                                z)
                        : CpuKernels.momentsHalf(
                                unread.values(),
                                unread.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                samples,
                                groups,
                                mean,
                                variance,
                                z));
    }

    /** (z - mean) / sqrt(variance + epsilon) * scale + shift. */
    public void normalize(
            FloatPointer z,
            Rows rows,
            long samples,
            long groups,
            FloatPointer mean,
            FloatPointer variance,
            float epsilon,
            FloatPointer scale,
            FloatPointer shift,
            FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.normalize(
                                stream(),
                                z,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                samples,
                                groups,
                                mean,
                                variance,
                                epsilon,
                                scale,
                                shift,
                                out)
                        : CpuKernels.normalize(
                                z,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                samples,
                                groups,
                                mean,
                                variance,
                                epsilon,
                                scale,
                                shift,
                                out));
    }

    /** As {@link #normalize}, of z in 16 bits, which is left in z; null: z is there. */
    public void normalize(
            @Nullable Halves unread,
            FloatPointer z,
            Rows rows,
            long samples,
            long groups,
            FloatPointer mean,
            FloatPointer variance,
            float epsilon,
            FloatPointer scale,
            FloatPointer shift,
            FloatPointer out) {
        if (unread == null) {
            normalize(z, rows, samples, groups, mean, variance, epsilon, scale, shift, out);
            return;
        }
        check(
                onCuda()
                        ? CudaKernels.normalizeHalf(
                                stream(),
                                unread.values(),
                                unread.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                samples,
                                groups,
                                mean,
                                variance,
                                epsilon,
                                scale,
                                shift,
                                out,
                                z)
                        : CpuKernels.normalizeHalf(
                                unread.values(),
                                unread.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                samples,
                                groups,
                                mean,
                                variance,
                                epsilon,
                                scale,
                                shift,
                                out,
                                z));
    }

    /** Gradient through {@link #normalize}. */
    public void normalizeGradient(
            FloatPointer z,
            FloatPointer gradient,
            Rows rows,
            long samples,
            long groups,
            FloatPointer mean,
            FloatPointer variance,
            float epsilon,
            FloatPointer scale,
            boolean batchStatistics,
            FloatPointer out,
            FloatPointer scaleGradient,
            FloatPointer shiftGradient) {
        int batch = batchStatistics ? 1 : 0;
        check(
                onCuda()
                        ? CudaKernels.normalizeGradient(
                                stream(),
                                z,
                                gradient,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                samples,
                                groups,
                                mean,
                                variance,
                                epsilon,
                                scale,
                                batch,
                                out,
                                scaleGradient,
                                shiftGradient)
                        : CpuKernels.normalizeGradient(
                                z,
                                gradient,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                samples,
                                groups,
                                mean,
                                variance,
                                epsilon,
                                scale,
                                batch,
                                out,
                                scaleGradient,
                                shiftGradient));
    }

    /**
     * Rows scaled by their length.
     *
     * @param tensor what {@code values} is called in an error
     * @param unit rows of length 1, otherwise rows of length 10 at most
     */
    public void rowNorm(String tensor, FloatPointer values, Rows rows, boolean unit, FloatPointer out) {
        int kind = unit ? CpuKernels.VQ4J_UNIT : CpuKernels.VQ4J_MAX_NORM;
        named(
                tensor,
                () -> check(
                        onCuda()
                                ? CudaKernels.rowNorm(
                                        stream(), values, rows.outer(), rows.inner(), rows.features(), kind, out)
                                : CpuKernels.rowNorm(values, rows.outer(), rows.inner(), rows.features(), kind, out)));
    }

    /** As {@link #rowNorm}, of z in 16 bits, which is left in z; null: z is there. */
    public void rowNorm(@Nullable Halves unread, FloatPointer z, Rows rows, boolean unit, FloatPointer out) {
        if (unread == null) {
            rowNorm("z", z, rows, unit, out);
            return;
        }
        int kind = unit ? CpuKernels.VQ4J_UNIT : CpuKernels.VQ4J_MAX_NORM;
        check(
                onCuda()
                        ? CudaKernels.rowNormHalf(
                                stream(),
                                unread.values(),
                                unread.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                kind,
                                out,
                                z)
                        : CpuKernels.rowNormHalf(
                                unread.values(),
                                unread.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                kind,
                                out,
                                z));
    }

    /** Gradient through {@link #rowNorm}. */
    public void rowNormGradient(FloatPointer z, FloatPointer gradient, Rows rows, boolean unit, FloatPointer out) {
        int kind = unit ? CpuKernels.VQ4J_UNIT : CpuKernels.VQ4J_MAX_NORM;
        check(
                onCuda()
                        ? CudaKernels.rowNormGradient(
                                stream(), z, gradient, rows.outer(), rows.inner(), rows.features(), kind, out)
                        : CpuKernels.rowNormGradient(
                                z, gradient, rows.outer(), rows.inner(), rows.features(), kind, out));
    }

    /** Rows scaled to the lengths of the target's rows. */
    public void matchNorms(FloatPointer z, FloatPointer target, Rows rows, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.matchNorms(stream(), z, target, rows.outer(), rows.inner(), rows.features(), out)
                        : CpuKernels.matchNorms(z, target, rows.outer(), rows.inner(), rows.features(), out));
    }

    // ---- pooling ----------------------------------------------------------------------------------------------

    /**
     * Pooling of vectors by their lengths.
     *
     * @param shape of x, B x C x H x W
     */
    public void normPooling(FloatPointer x, long[] shape, Pooling pooling, int kind, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.normPooling(
                                stream(),
                                x,
                                shape[0],
                                shape[1],
                                shape[2],
                                shape[3],
                                pooling.kernel(),
                                pooling.stride(),
                                pooling.padding(),
                                pooling.dilation(),
                                kind,
                                out)
                        : CpuKernels.normPooling(
                                x,
                                shape[0],
                                shape[1],
                                shape[2],
                                shape[3],
                                pooling.kernel(),
                                pooling.stride(),
                                pooling.padding(),
                                pooling.dilation(),
                                kind,
                                out));
    }

    /** Gradient through {@link #normPooling}. */
    public void normPoolingGradient(
            FloatPointer x, FloatPointer gradient, long[] shape, Pooling pooling, int kind, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.normPoolingGradient(
                                stream(),
                                x,
                                gradient,
                                shape[0],
                                shape[1],
                                shape[2],
                                shape[3],
                                pooling.kernel(),
                                pooling.stride(),
                                pooling.padding(),
                                pooling.dilation(),
                                kind,
                                out)
                        : CpuKernels.normPoolingGradient(
                                x,
                                gradient,
                                shape[0],
                                shape[1],
                                shape[2],
                                shape[3],
                                pooling.kernel(),
                                pooling.stride(),
                                pooling.padding(),
                                pooling.dilation(),
                                kind,
                                out));
    }

    // ---- affine reparameterisation ----------------------------------------------------------------------------

    /** scale = 1 + rate * a, shift = rate * o. */
    public void affineLearned(
            FloatPointer a, FloatPointer o, long count, float rate, FloatPointer scale, FloatPointer shift) {
        check(
                onCuda()
                        ? CudaKernels.affineLearned(stream(), a, o, count, rate, scale, shift)
                        : CpuKernels.affineLearned(a, o, count, rate, scale, shift));
    }

    /** scale = sqrt(var_z / (var_c + 1e-8)), shift = mean_z - scale * mean_c. */
    public void affineStatistics(
            FloatPointer meanZ,
            FloatPointer varianceZ,
            FloatPointer meanC,
            FloatPointer varianceC,
            long groups,
            long features,
            FloatPointer scale,
            FloatPointer shift) {
        check(
                onCuda()
                        ? CudaKernels.affineStatistics(
                                stream(), meanZ, varianceZ, meanC, varianceC, groups, features, scale, shift)
                        : CpuKernels.affineStatistics(
                                meanZ, varianceZ, meanC, varianceC, groups, features, scale, shift));
    }

    /** The effective codebook: scale * c + shift, each group of codes with its own. */
    public void affine(
            FloatPointer codebook,
            long codes,
            long features,
            long groups,
            FloatPointer scale,
            FloatPointer shift,
            FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.affine(stream(), codebook, codes, features, groups, scale, shift, out)
                        : CpuKernels.affine(codebook, codes, features, groups, scale, shift, out));
    }

    /** Gradient through {@link #affine}; the gradients of scale and bias may be null. */
    public void affineGradient(
            FloatPointer gradient,
            FloatPointer codebook,
            long codes,
            long features,
            long groups,
            FloatPointer scale,
            float rate,
            FloatPointer out,
            FloatPointer scaleGradient,
            FloatPointer biasGradient) {
        check(
                onCuda()
                        ? CudaKernels.affineGradient(
                                stream(),
                                gradient,
                                codebook,
                                codes,
                                features,
                                groups,
                                scale,
                                rate,
                                out,
                                scaleGradient,
                                biasGradient)
                        : CpuKernels.affineGradient(
                                gradient,
                                codebook,
                                codes,
                                features,
                                groups,
                                scale,
                                rate,
                                out,
                                scaleGradient,
                                biasGradient));
    }

    // ---- linear maps ------------------------------------------------------------------------------------------

    /**
     * A linear map of every row.
     *
     * @param tensor what {@code z} is called in an error
     * @param bias null for none
     * @param transposed whether the weight is that of the transposed map
     */
    public void linear(
            String tensor,
            FloatPointer z,
            Rows rows,
            FloatPointer weight,
            @Nullable FloatPointer bias,
            long outFeatures,
            boolean transposed,
            FloatPointer out) {
        int turned = transposed ? 1 : 0;
        named(
                tensor,
                () -> check(
                        onCuda()
                                ? CudaKernels.linear(
                                        stream(),
                                        z,
                                        rows.outer(),
                                        rows.inner(),
                                        rows.features(),
                                        weight,
                                        bias,
                                        outFeatures,
                                        turned,
                                        out)
                                : CpuKernels.linear(
                                        z,
                                        rows.outer(),
                                        rows.inner(),
                                        rows.features(),
                                        weight,
                                        bias,
                                        outFeatures,
                                        turned,
                                        out)));
    }

    /** As {@link #linear}, of z in 16 bits, which is left in z; null: z is there. */
    public void linear(
            @Nullable Halves unread,
            FloatPointer z,
            Rows rows,
            FloatPointer weight,
            @Nullable FloatPointer bias,
            long outFeatures,
            FloatPointer out) {
        if (unread == null) {
            linear("z", z, rows, weight, bias, outFeatures, false, out);
            return;
        }
        check(
                onCuda()
                        ? CudaKernels.linearHalf(
                                stream(),
                                unread.values(),
                                unread.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                weight,
                                bias,
                                outFeatures,
                                0,
                                out,
                                z)
                        : CpuKernels.linearHalf(
                                unread.values(),
                                unread.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                weight,
                                bias,
                                outFeatures,
                                0,
                                out,
                                z));
    }

    /** Gradients of the weight and, unless null, the bias of {@link #linear}. */
    public void linearGradient(
            FloatPointer z,
            FloatPointer gradient,
            Rows rows,
            long outFeatures,
            FloatPointer ofWeight,
            @Nullable FloatPointer ofBias) {
        check(
                onCuda()
                        ? CudaKernels.linearGradient(
                                stream(),
                                z,
                                gradient,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                outFeatures,
                                ofWeight,
                                ofBias)
                        : CpuKernels.linearGradient(
                                z,
                                gradient,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                outFeatures,
                                ofWeight,
                                ofBias));
    }

    // ---- optimiser steps --------------------------------------------------------------------------------------

    /**
     * A step of SGD of each of several tensors.
     *
     * @param tensors 3 of each: parameter, gradient, velocity, which is null without momentum
     * @param unless batches before it on the same stream: where one of them fails there is no step
     */
    public void sgdStep(
            SteppedTensors tensors, List<Batch> unless, double learningRate, double momentum, double weightDecay) {
        try (LongPointer batches = unfinished(unless)) {
            check(
                    onCuda()
                            ? CudaKernels.sgdStep(
                                    stream(),
                                    tensors.parts(),
                                    tensors.counts(),
                                    tensors.steps(),
                                    tensors.count(),
                                    batches,
                                    batches.limit(),
                                    learningRate,
                                    momentum,
                                    weightDecay)
                            : CpuKernels.sgdStep(
                                    tensors.parts(),
                                    tensors.counts(),
                                    tensors.steps(),
                                    tensors.count(),
                                    batches,
                                    batches.limit(),
                                    learningRate,
                                    momentum,
                                    weightDecay));
        }
    }

    /**
     * A step of Adam, or of AdamW where the decay is decoupled, of each of several tensors.
     *
     * @param tensors 4 of each: parameter, gradient, first and second moment
     * @param unless as in {@link #sgdStep}
     */
    public void adamStep(
            SteppedTensors tensors,
            List<Batch> unless,
            double learningRate,
            double beta1,
            double beta2,
            double epsilon,
            double weightDecay,
            boolean decoupled) {
        int apart = decoupled ? 1 : 0;
        try (LongPointer batches = unfinished(unless)) {
            check(
                    onCuda()
                            ? CudaKernels.adamStep(
                                    stream(),
                                    tensors.parts(),
                                    tensors.counts(),
                                    tensors.steps(),
                                    tensors.count(),
                                    batches,
                                    batches.limit(),
                                    learningRate,
                                    beta1,
                                    beta2,
                                    epsilon,
                                    weightDecay,
                                    apart)
                            : CpuKernels.adamStep(
                                    tensors.parts(),
                                    tensors.counts(),
                                    tensors.steps(),
                                    tensors.count(),
                                    batches,
                                    batches.limit(),
                                    learningRate,
                                    beta1,
                                    beta2,
                                    epsilon,
                                    weightDecay,
                                    apart));
        }
    }

    /** The numbers of batches that are not finished, and of those before them. */
    private static LongPointer unfinished(List<Batch> batches) {
        long[] numbers =
                batches.stream().flatMapToLong(Batch::unfinished).distinct().toArray();
        LongPointer pointer = new LongPointer(Math.max(1, numbers.length));
        pointer.put(numbers, 0, numbers.length);
        return pointer.limit(numbers.length);
    }

    /** Sets the marked rows of a K x D tensor to zero. */
    public void clearRows(FloatPointer values, long codes, long features, IntPointer mask) {
        check(
                onCuda()
                        ? CudaKernels.clearRows(stream(), values, codes, features, mask)
                        : CpuKernels.clearRows(values, codes, features, mask));
    }

    // ---- initialisation and replacement -----------------------------------------------------------------------

    /** k-means++: as many rows as there are codes, far from each other. */
    public void seedCodebook(FloatPointer z, Rows rows, long codes, long seed, FloatPointer codebook) {
        check(
                onCuda()
                        ? CudaKernels.seedCodebook(
                                stream(), z, rows.outer(), rows.inner(), rows.features(), codes, seed, codebook)
                        : CpuKernels.seedCodebook(
                                z, rows.outer(), rows.inner(), rows.features(), codes, seed, codebook));
    }

    /** The rows, repeated into a row-major matrix, with noise. */
    public void repeatRows(FloatPointer z, Rows rows, long repeats, float noise, long seed, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.repeatRows(
                                stream(), z, rows.outer(), rows.inner(), rows.features(), repeats, noise, seed, out)
                        : CpuKernels.repeatRows(
                                z, rows.outer(), rows.inner(), rows.features(), repeats, noise, seed, out));
    }

    /** k-means by Lloyd's moves from the codebook given. */
    public void lloyd(
            FloatPointer z,
            Rows rows,
            long codesCount,
            long maxIterations,
            double tolerance,
            FloatPointer codebook,
            IntPointer codes,
            DoublePointer objective,
            LongPointer iterations) {
        check(
                onCuda()
                        ? CudaKernels.lloyd(
                                stream(),
                                z,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                codesCount,
                                maxIterations,
                                tolerance,
                                codebook,
                                codes,
                                objective,
                                iterations)
                        : CpuKernels.lloyd(
                                z,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                codesCount,
                                maxIterations,
                                tolerance,
                                codebook,
                                codes,
                                objective,
                                iterations));
    }

    /** Rows drawn uniformly, with repetition, into a row-major matrix. */
    public void sampleRows(FloatPointer z, Rows rows, long count, long seed, long batch, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.sampleRows(
                                stream(), z, rows.outer(), rows.inner(), rows.features(), count, seed, batch, out)
                        : CpuKernels.sampleRows(
                                z, rows.outer(), rows.inner(), rows.features(), count, seed, batch, out));
    }

    /** Codes moved by a mini-batch; {@code totals} counts the rows that moved each. */
    public void miniBatchUpdate(
            FloatPointer sums,
            LongPointer counts,
            long codes,
            long features,
            LongPointer totals,
            FloatPointer codebook) {
        check(
                onCuda()
                        ? CudaKernels.miniBatchUpdate(stream(), sums, counts, codes, features, totals, codebook)
                        : CpuKernels.miniBatchUpdate(sums, counts, codes, features, totals, codebook));
    }

    /** Lloyd's update: each code with rows becomes their mean. */
    public void updateCentroids(
            FloatPointer sums, LongPointer counts, long codes, long features, FloatPointer codebook) {
        check(
                onCuda()
                        ? CudaKernels.updateCentroids(stream(), sums, counts, codes, features, codebook)
                        : CpuKernels.updateCentroids(sums, counts, codes, features, codebook));
    }

    /** Counts the life of unused codes down and marks those at its end. */
    public void countDown(
            LongPointer counts, long codes, int lifetime, IntPointer counters, IntPointer mask, LongPointer replaced) {
        check(
                onCuda()
                        ? CudaKernels.countDown(stream(), counts, codes, lifetime, counters, mask, replaced)
                        : CpuKernels.countDown(counts, codes, lifetime, counters, mask, replaced));
    }

    /** Replaces the marked codes by random rows, mapped back through the affine if there is one. */
    public void replaceCodes(
            FloatPointer z,
            Rows rows,
            IntPointer mask,
            long codes,
            FloatPointer scale,
            FloatPointer shift,
            long groups,
            float noise,
            long seed,
            long step,
            FloatPointer codebook) {
        check(
                onCuda()
                        ? CudaKernels.replaceCodes(
                                stream(),
                                z,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                mask,
                                codes,
                                scale,
                                shift,
                                groups,
                                noise,
                                seed,
                                step,
                                codebook)
                        : CpuKernels.replaceCodes(
                                z,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                mask,
                                codes,
                                scale,
                                shift,
                                groups,
                                noise,
                                seed,
                                step,
                                codebook));
    }

    /** Replaces the marked codes by vectors in turn, from marked code number {@code exact} on with noise. */
    public void placeCodes(
            FloatPointer vectors,
            long vectorsCount,
            IntPointer mask,
            long codes,
            long features,
            FloatPointer scale,
            FloatPointer shift,
            long groups,
            long exact,
            float noise,
            long seed,
            long step,
            FloatPointer codebook) {
        check(
                onCuda()
                        ? CudaKernels.placeCodes(
                                stream(),
                                vectors,
                                vectorsCount,
                                mask,
                                codes,
                                features,
                                scale,
                                shift,
                                groups,
                                exact,
                                noise,
                                seed,
                                step,
                                codebook)
                        : CpuKernels.placeCodes(
                                vectors,
                                vectorsCount,
                                mask,
                                codes,
                                features,
                                scale,
                                shift,
                                groups,
                                exact,
                                noise,
                                seed,
                                step,
                                codebook));
    }

    /**
     * The numbers of the rows with the largest distances, the farthest first.
     *
     * @param wanted how many of them are used, one number; where that is 0 they are all 0; null for all
     */
    public void farthestRows(
            FloatPointer distances, long rows, long count, @Nullable LongPointer wanted, LongPointer order) {
        check(
                onCuda()
                        ? CudaKernels.farthestRows(stream(), distances, rows, count, wanted, order)
                        : CpuKernels.farthestRows(distances, rows, count, wanted, order));
    }

    /** The codes that are used, the busiest first, in turn; {@code wanted} as in {@link #farthestRows}. */
    public void busiestCodes(LongPointer counts, long codes, @Nullable LongPointer wanted, LongPointer order) {
        check(
                onCuda()
                        ? CudaKernels.busiestCodes(stream(), counts, codes, wanted, order)
                        : CpuKernels.busiestCodes(counts, codes, wanted, order));
    }

    // ---- codebooks of moving averages -------------------------------------------------------------------------

    /** A step of a codebook that follows moving averages of its rows. */
    public void movingAverages(
            LongPointer counts,
            FloatPointer sums,
            long codes,
            long features,
            float momentum,
            double epsilon,
            FloatPointer sizes,
            FloatPointer averages,
            FloatPointer nextSizes,
            FloatPointer nextAverages,
            FloatPointer codebook) {
        check(
                onCuda()
                        ? CudaKernels.movingAverages(
                                stream(),
                                counts,
                                sums,
                                codes,
                                features,
                                momentum,
                                epsilon,
                                sizes,
                                averages,
                                nextSizes,
                                nextAverages,
                                codebook)
                        : CpuKernels.movingAverages(
                                counts,
                                sums,
                                codes,
                                features,
                                momentum,
                                epsilon,
                                sizes,
                                averages,
                                nextSizes,
                                nextAverages,
                                codebook));
    }

    /** Starts the averages of the marked codes anew, of all where mask is null; counts may be null. */
    public void restartAverages(
            FloatPointer codebook,
            IntPointer mask,
            LongPointer counts,
            long codes,
            long features,
            float size,
            FloatPointer sizes,
            FloatPointer averages) {
        check(
                onCuda()
                        ? CudaKernels.restartAverages(
                                stream(), codebook, mask, counts, codes, features, size, sizes, averages)
                        : CpuKernels.restartAverages(codebook, mask, counts, codes, features, size, sizes, averages));
    }

    /** Marks the codes whose average size is below a threshold beside those that are marked. */
    public void expireCodes(FloatPointer sizes, long codes, float threshold, IntPointer mask, LongPointer marked) {
        check(
                onCuda()
                        ? CudaKernels.expireCodes(stream(), sizes, codes, threshold, mask, marked)
                        : CpuKernels.expireCodes(sizes, codes, threshold, mask, marked));
    }

    // ---- quantizers without a codebook ------------------------------------------------------------------------

    /**
     * Finite scalar quantization.
     *
     * @param levels one a feature, in host memory
     * @param out may be null
     */
    public void finiteScalarQuantize(FloatPointer z, Rows rows, IntPointer levels, FloatPointer out, IntPointer codes) {
        check(
                onCuda()
                        ? CudaKernels.finiteScalarQuantize(
                                stream(), z, rows.outer(), rows.inner(), rows.features(), levels, out, codes)
                        : CpuKernels.finiteScalarQuantize(
                                z, rows.outer(), rows.inner(), rows.features(), levels, out, codes));
    }

    /** As {@link #finiteScalarQuantize}, of z in 16 bits, which is left in z; null: z is there. */
    public void finiteScalarQuantize(
            @Nullable Halves unread, FloatPointer z, Rows rows, IntPointer levels, FloatPointer out, IntPointer codes) {
        if (unread == null) {
            finiteScalarQuantize(z, rows, levels, out, codes);
            return;
        }
        check(
                onCuda()
                        ? CudaKernels.finiteScalarQuantizeHalf(
                                stream(),
                                unread.values(),
                                unread.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                levels,
                                out,
                                codes,
                                z)
                        : CpuKernels.finiteScalarQuantizeHalf(
                                unread.values(),
                                unread.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                levels,
                                out,
                                codes,
                                z));
    }

    /** The values of codes of {@link #finiteScalarQuantize}. */
    public void finiteScalarDecode(IntPointer codes, Rows rows, IntPointer levels, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.finiteScalarDecode(
                                stream(), codes, rows.outer(), rows.inner(), rows.features(), levels, out)
                        : CpuKernels.finiteScalarDecode(
                                codes, rows.outer(), rows.inner(), rows.features(), levels, out));
    }

    /** Gradient through {@link #finiteScalarQuantize}, straight through its rounding. */
    public void finiteScalarGradient(
            FloatPointer z, FloatPointer gradient, Rows rows, IntPointer levels, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.finiteScalarGradient(
                                stream(), z, gradient, rows.outer(), rows.inner(), rows.features(), levels, out)
                        : CpuKernels.finiteScalarGradient(
                                z, gradient, rows.outer(), rows.inner(), rows.features(), levels, out));
    }

    /**
     * Sign codes: a bit a feature, of value scale or -scale.
     *
     * @param out may be null
     */
    public void signQuantize(FloatPointer z, Rows rows, float scale, FloatPointer out, IntPointer codes) {
        check(
                onCuda()
                        ? CudaKernels.signQuantize(
                                stream(), z, rows.outer(), rows.inner(), rows.features(), scale, out, codes)
                        : CpuKernels.signQuantize(z, rows.outer(), rows.inner(), rows.features(), scale, out, codes));
    }

    /** As {@link #signQuantize}, of z in 16 bits, which is left in z; null: z is there. */
    public void signQuantize(
            @Nullable Halves unread, FloatPointer z, Rows rows, float scale, FloatPointer out, IntPointer codes) {
        if (unread == null) {
            signQuantize(z, rows, scale, out, codes);
            return;
        }
        check(
                onCuda()
                        ? CudaKernels.signQuantizeHalf(
                                stream(),
                                unread.values(),
                                unread.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                scale,
                                out,
                                codes,
                                z)
                        : CpuKernels.signQuantizeHalf(
                                unread.values(),
                                unread.nativeType(),
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                scale,
                                out,
                                codes,
                                z));
    }

    /** The values of sign codes. */
    public void signDecode(IntPointer codes, Rows rows, float scale, FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.signDecode(
                                stream(), codes, rows.outer(), rows.inner(), rows.features(), scale, out)
                        : CpuKernels.signDecode(codes, rows.outer(), rows.inner(), rows.features(), scale, out));
    }

    /**
     * Losses of sign codes.
     *
     * @param losses 3: squared error, entropy of a row's bits, entropy of the mean bits
     * @param meanLogits D, for {@link #signGradient}
     */
    public void signLosses(
            FloatPointer z, Rows rows, float scale, double sharpness, DoublePointer losses, DoublePointer meanLogits) {
        check(
                onCuda()
                        ? CudaKernels.signLosses(
                                stream(),
                                z,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                scale,
                                sharpness,
                                losses,
                                meanLogits)
                        : CpuKernels.signLosses(
                                z, rows.outer(), rows.inner(), rows.features(), scale, sharpness, losses, meanLogits));
    }

    /** Gradient of the input of sign codes, straight-through plus losses. A null gradient counts as zero. */
    public void signGradient(
            FloatPointer z,
            FloatPointer gradient,
            Rows rows,
            float scale,
            double sharpness,
            double commitment,
            double entropy,
            double diversity,
            DoublePointer meanLogits,
            FloatPointer out) {
        check(
                onCuda()
                        ? CudaKernels.signGradient(
                                stream(),
                                z,
                                gradient,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                scale,
                                sharpness,
                                commitment,
                                entropy,
                                diversity,
                                meanLogits,
                                out)
                        : CpuKernels.signGradient(
                                z,
                                gradient,
                                rows.outer(),
                                rows.inner(),
                                rows.features(),
                                scale,
                                sharpness,
                                commitment,
                                entropy,
                                diversity,
                                meanLogits,
                                out));
    }

    /** Entropy of the histogram of codes, and how many codes occur; for any number of codes. */
    public void codeUsage(IntPointer codes, long rows, long codesCount, DoublePointer entropy, LongPointer used) {
        check(
                onCuda()
                        ? CudaKernels.codeUsage(stream(), codes, rows, codesCount, entropy, used)
                        : CpuKernels.codeUsage(codes, rows, codesCount, entropy, used));
    }

    // ---- failures ---------------------------------------------------------------------------------------------

    /** The stream; its device becomes the calling thread's device. */
    private @Nullable Pointer stream() {
        check(CudaKernels.useDevice(device));
        return stream;
    }

    private String lastError() {
        return (onCuda() ? CudaKernels.lastError() : CpuKernels.lastError()).getString();
    }

    private void check(int status) {
        if (status != CpuKernels.VQ4J_OK) {
            throw failure(status, openBatch());
        }
    }

    /** Calls an operation whose "z" is another tensor. */
    private void named(String tensor, Runnable operation) {
        if (tensor.equals("z")) {
            operation.run();
            return;
        }
        withFailures(
                failure -> failure.tensor().equals("z") ? new NotFiniteException(tensor, failure.row()) : failure,
                operation);
    }

    /** @param batch that it may come from */
    private RuntimeException failure(int status, @Nullable Batch batch) {
        String message = lastError();
        return switch (status) {
            case CpuKernels.VQ4J_NOT_FINITE -> {
                Matcher badRow = BAD_ROW.matcher(message);
                if (!badRow.matches()) {
                    yield new IllegalArgumentException(message);
                }
                NotFiniteException failure = new NotFiniteException(badRow.group(1), Long.parseLong(badRow.group(2)));
                yield batch == null ? failure : batch.meaningOf(failure, CudaKernels.failedCheck());
            }
            case CpuKernels.VQ4J_INVALID_ARGUMENT -> new IllegalArgumentException(message);
            case CpuKernels.VQ4J_OUT_OF_MEMORY -> throw new OutOfMemoryError(message);
            default -> new IllegalStateException(message);
        };
    }
}
