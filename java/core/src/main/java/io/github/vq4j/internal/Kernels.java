package io.github.vq4j.internal;

import io.github.vq4j.NotFiniteException;
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
 * The C API as Java methods, on the CPU or on one CUDA device: streams, batches, memory, failures, and a class for each
 * section of operations. Pointers are to memory of that implementation. What an operation computes is written in
 * {@code vq4j/operations.h}; its failures arrive here as exceptions.
 *
 * <p>{@link CudaKernels} is touched only by an object made with {@link #cuda}, so that nothing of CUDA is loaded on a
 * machine without it.
 */
public final class Kernels {
    /** In the place of a CUDA device's number. */
    public static final int CPU = -1;

    private static final Pattern BAD_ROW = Pattern.compile("(.+) has a NaN or an infinity, first in row (\\d+).*");
    private static final Kernels ON_CPU = new Kernels(CPU, null);

    private final int device;

    /** Null: the device's default stream. */
    private final @Nullable Pointer stream;

    /** Nearest and drawn codes of rows, and the vectors of codes. */
    public final AssignmentKernels assignment = new AssignmentKernels(this);

    /** Parts of tensors taken and put back, packed codes, conversions and fills. */
    public final TensorKernels tensors = new TensorKernels(this);

    /** The commitment loss and its gradients. */
    public final LossKernels loss = new LossKernels(this);

    /** Stages of a residual layer: beams, and how many stages a sample keeps. */
    public final StageKernels stages = new StageKernels(this);

    /** Moments, normalisation and norms of rows, with their gradients. */
    public final NormKernels norms = new NormKernels(this);

    /** Pooling of images by the norms of their vectors. */
    public final PoolingKernels pooling = new PoolingKernels(this);

    /** The affine codebook. */
    public final AffineKernels affine = new AffineKernels(this);

    /** Linear maps of rows, with their gradients. */
    public final LinearMapKernels linearMaps = new LinearMapKernels(this);

    /** Steps of optimisers. */
    public final OptimizerKernels optimizers = new OptimizerKernels(this);

    /** Sums and draws that are the same for any division of the rows among workers. */
    public final WorkerKernels workers = new WorkerKernels(this);

    /** k-means: seeds, moves of the centroids, samples. */
    public final ClusteringKernels clustering = new ClusteringKernels(this);

    /** Counters of unused codes, and what replaces these. */
    public final ReplacementKernels replacement = new ReplacementKernels(this);

    /** Codebooks of moving averages. */
    public final MovingAverageKernels movingAverages = new MovingAverageKernels(this);

    /** Finite scalar quantization, signs, and how codes are used. */
    public final CodebookFreeKernels codebookFree = new CodebookFreeKernels(this);

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
        int device = cudaDeviceOf(memory);
        if (device == CPU) {
            throw new IllegalArgumentException(
                    "need memory of a CUDA device, got memory of the host at 0x" + Long.toHexString(memory.address()));
        }
        Kernels kernels = cuda(device);
        kernels.stream();
        kernels.check(CudaKernels.synchronizeDevice());
        return kernels;
    }

    /** The number of the CUDA device whose memory this is; {@link #CPU}: memory of the host. CUDA works. */
    public static int cudaDeviceOf(Pointer memory) {
        try (Memory<IntPointer> device = Memory.ints(ON_CPU, 1)) {
            cuda(0).check(CudaKernels.deviceOf(memory, device.pointer()));
            return device.pointer().get();
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
        try (Memory<LongPointer> number = Memory.longs(ON_CPU, 1)) {
            check(CudaKernels.beginBatch(stream(), number.pointer()));
            return new Batch(this, number.pointer().get(), before);
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

    @Nullable
    Batch openBatch() {
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

    /** Waits for the stream, and gives back what is kept of it between batches. */
    public void forgetStream() {
        check(CudaKernels.forgetStream(stream()));
    }

    // ---- memory -----------------------------------------------------------------------------------------------

    /** Memory aligned to 64 bytes, for use in the order of the stream. */
    public Pointer allocate(long bytes) {
        long size = Math.max(bytes, 1);
        Pointer memory;
        if (onCuda()) {
            memory = CudaKernels.allocate(stream(), size);
            leaveDevice();
        } else {
            memory = CpuKernels.allocate(size);
        }
        if (memory == null || memory.isNull()) {
            throw new OutOfMemoryError("cannot allocate " + size + " bytes: " + lastError());
        }
        return memory;
    }

    /** Gives memory of {@link #allocate} back, in the order of the stream. */
    public void release(Pointer memory) {
        if (onCuda()) {
            CudaKernels.release(stream, memory);
        } else {
            CpuKernels.release(memory);
        }
    }

    /** Gives memory of {@link #allocate} back once its device has nothing left to do on any stream. */
    public void releaseWhenIdle(Pointer memory) {
        if (onCuda()) {
            CudaKernels.releaseWhenIdle(memory);
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

    // ---- failures ---------------------------------------------------------------------------------------------

    /** The stream; its device becomes the calling thread's device until {@link #check}. */
    @Nullable
    Pointer stream() {
        int status = CudaKernels.useDevice(device);
        if (status != CpuKernels.VQ4J_OK) {
            throw failure(status, null);
        }
        return stream;
    }

    private String lastError() {
        return (onCuda() ? CudaKernels.lastError() : CpuKernels.lastError()).getString();
    }

    /** Throws where an operation has failed; whatever device was current before it is so again. */
    void check(int status) {
        try {
            if (status != CpuKernels.VQ4J_OK) {
                throw failure(status, openBatch());
            }
        } finally {
            leaveDevice();
        }
    }

    private void leaveDevice() {
        if (onCuda()) {
            CudaKernels.leaveDevice();
        }
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
