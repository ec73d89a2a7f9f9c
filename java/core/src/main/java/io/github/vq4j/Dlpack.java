package io.github.vq4j;

import io.github.vq4j.internal.AddressPointer;
import io.github.vq4j.internal.CpuKernels;
import io.github.vq4j.internal.CpuKernels.DLDevice;
import io.github.vq4j.internal.CpuKernels.DLManagedTensor;
import io.github.vq4j.internal.CpuKernels.DLManagedTensor.Deleter_DLManagedTensor;
import io.github.vq4j.internal.CpuKernels.DLManagedTensorVersioned;
import io.github.vq4j.internal.CpuKernels.DLManagedTensorVersioned.Deleter_DLManagedTensorVersioned;
import io.github.vq4j.internal.CpuKernels.DLTensor;
import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Memory;
import java.lang.ref.Cleaner;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;

/**
 * Lends tensors to other libraries and takes theirs, without a copy, by <a href="https://dmlc.github.io/dlpack">DLPack</a>:
 * {@code DLManagedTensor}, and {@code DLManagedTensorVersioned} of version 1. Whoever takes a tensor calls its deleter once,
 * on any thread; the memory stays until both sides have given it back. Thread-safe.
 *
 * <p>Work that a CUDA stream has yet to do on the memory is not waited for: synchronise before the other side reads.
 */
public final class Dlpack {
    private static final int MAJOR_VERSION = 1;
    private static final Cleaner CLEANER = Cleaner.create();

    /** By the addresses of their structs. */
    private static final Map<Long, Loan> LOANS = new ConcurrentHashMap<>();

    private Dlpack() {}

    /**
     * Lends a tensor as a {@code DLManagedTensor*}, to be passed to one function that takes it. Closing the tensor gives the
     * memory back only after the deleter has been called, too.
     *
     * @param tensor in native memory; a CUDA tensor is said to lie on device 0
     * @throws IllegalArgumentException if the tensor is a view of a heap array, which has no address, or of read-only memory,
     *     which this struct cannot say: {@link #exportVersioned} does
     * @throws IllegalStateException if it is closed
     */
    public static Pointer exportTensor(Tensor tensor) {
        return exportTensor(tensor, 0);
    }

    /**
     * As {@link #exportTensor(Tensor)}, of a CUDA tensor on the given device.
     *
     * @param device the number of the CUDA device; 0 for the host
     */
    public static Pointer exportTensor(Tensor tensor, int device) {
        if (tensor.isReadOnly()) {
            throw new IllegalArgumentException(
                    "need a tensor that can be written to, since DLManagedTensor cannot say that it must not be; export "
                            + tensor + " by exportVersioned");
        }
        Loan loan = new Loan(tensor, DLManagedTensor.class);
        DLManagedTensor managed = new DLManagedTensor(loan.struct());
        loan.describe(managed.dl_tensor(), device);
        managed.manager_ctx(null);
        managed.deleter(Deleter.INSTANCE);
        return loan.begin();
    }

    /**
     * Lends a tensor as a {@code DLManagedTensorVersioned*} of version 1.0, marked as read-only where it is a view of read-only
     * memory. Otherwise as {@link #exportTensor(Tensor, int)}.
     *
     * @param device the number of the CUDA device; 0 for the host
     */
    public static Pointer exportVersioned(Tensor tensor, int device) {
        Loan loan = new Loan(tensor, DLManagedTensorVersioned.class);
        DLManagedTensorVersioned managed = new DLManagedTensorVersioned(loan.struct());
        managed.version().major(MAJOR_VERSION).minor(0);
        loan.describe(managed.dl_tensor(), device);
        managed.manager_ctx(null);
        managed.flags(tensor.isReadOnly() ? CpuKernels.VQ4J_DLPACK_READ_ONLY : 0);
        managed.deleter(VersionedDeleter.INSTANCE);
        return loan.begin();
    }

    /**
     * A view of another library's tensor. {@link Tensor#close}, or the garbage collector, calls its deleter.
     *
     * @param managed a {@code DLManagedTensor*} of row-major FLOAT32, FLOAT16, BFLOAT16 or INT32 elements in host or CUDA
     *     memory, with the number of its device, which layers of another device refuse; it belongs to the tensor, unless an
     *     exception is thrown
     * @throws IllegalArgumentException if it is something else
     */
    public static Tensor importTensor(Pointer managed) {
        DLManagedTensor lent = new DLManagedTensor(present(managed));
        return view(lent.dl_tensor(), false, () -> {
            if (hasDeleter(lent)) {
                lent.deleter().call(lent);
            }
        });
    }

    /**
     * As {@link #importTensor}, of a {@code DLManagedTensorVersioned*}. A tensor that is marked as read-only is refused as an
     * output.
     *
     * @throws IllegalArgumentException if it is of another major version than 1, or as there
     */
    public static Tensor importVersioned(Pointer managed) {
        DLManagedTensorVersioned lent = new DLManagedTensorVersioned(present(managed));
        if (lent.version().major() != MAJOR_VERSION) {
            throw new IllegalArgumentException("need DLPack of version " + MAJOR_VERSION + ", got "
                    + lent.version().major() + "." + lent.version().minor());
        }
        boolean readOnly = (lent.flags() & CpuKernels.VQ4J_DLPACK_READ_ONLY) != 0;
        return view(lent.dl_tensor(), readOnly, () -> {
            if (hasDeleter(lent)) {
                lent.deleter().call(lent);
            }
        });
    }

    private static Pointer present(Pointer managed) {
        Backend.cpu();
        if (managed == null || managed.isNull()) {
            throw new IllegalArgumentException("need a tensor of DLPack, got null");
        }
        return managed;
    }

    /** A tensor that needs no deleter has NULL there, which JavaCPP's pointers to functions do not show. */
    private static boolean hasDeleter(Pointer lent) {
        return AddressPointer.longs(lent.address() + lent.offsetof("deleter"), 1)
                        .get()
                != 0;
    }

    private static Tensor view(DLTensor lent, boolean readOnly, Runnable giveBack) {
        DataType type = dataType(lent);
        Device device = device(lent.device());
        long[] shape = shape(lent);
        LongPointer strides = lent.strides();
        if (strides != null && !strides.isNull()) {
            checkRowMajor(shape, strides);
        }
        long address = (lent.data() == null ? 0 : lent.data().address()) + lent.byte_offset();
        long size = Tensor.checkAddress(address, shape);
        Pointer memory =
                switch (type) {
                    case FLOAT32 -> AddressPointer.floats(address, size);
                    case FLOAT16, BFLOAT16 -> AddressPointer.shorts(address, size);
                    case INT32 -> AddressPointer.ints(address, size);
                };
        // Tied to the pointer, which a native call keeps alive while it runs.
        int cudaDevice = device == Device.CUDA ? lent.device().device_id() : Kernels.CPU;
        return Tensor.owning(
                type, device, cudaDevice, shape, memory, readOnly, CLEANER.register(memory, giveBack)::clean);
    }

    private static long[] shape(DLTensor lent) {
        int rank = lent.ndim();
        if (rank < 0 || (rank > 0 && lent.shape() == null)) {
            throw new IllegalArgumentException("need a tensor of at least 0 axes, and a size of each, got " + rank
                    + " axes" + (lent.shape() == null ? " without sizes" : ""));
        }
        long[] shape = new long[rank];
        if (rank > 0) {
            lent.shape().get(shape);
        }
        return shape;
    }

    private static DataType dataType(DLTensor lent) {
        int code = lent.dtype().code();
        int bits = lent.dtype().bits() & 0xff;
        int lanes = lent.dtype().lanes();
        if (lanes == 1 && code == CpuKernels.VQ4J_DLPACK_FLOAT && bits == 32) {
            return DataType.FLOAT32;
        }
        if (lanes == 1 && code == CpuKernels.VQ4J_DLPACK_FLOAT && bits == 16) {
            return DataType.FLOAT16;
        }
        if (lanes == 1 && code == CpuKernels.VQ4J_DLPACK_BFLOAT && bits == 16) {
            return DataType.BFLOAT16;
        }
        if (lanes == 1 && code == CpuKernels.VQ4J_DLPACK_INT && bits == 32) {
            return DataType.INT32;
        }
        throw new IllegalArgumentException(
                "need elements of FLOAT32, FLOAT16, BFLOAT16 or INT32, got DLPack's type code " + code + " of " + bits
                        + " bits and " + lanes + " lanes");
    }

    private static Device device(DLDevice device) {
        return switch (device.device_type()) {
            case CpuKernels.VQ4J_DLPACK_CPU, CpuKernels.VQ4J_DLPACK_CUDA_HOST -> Device.HOST;
            case CpuKernels.VQ4J_DLPACK_CUDA, CpuKernels.VQ4J_DLPACK_CUDA_MANAGED -> Device.CUDA;
            default ->
                throw new IllegalArgumentException(
                        "need memory of the host or of CUDA, got DLPack's device type " + device.device_type());
        };
    }

    private static void checkRowMajor(long[] shape, LongPointer strides) {
        long[] found = new long[shape.length];
        if (found.length > 0) {
            strides.get(found);
        }
        if (Tensor.sizeOf(shape) == 0) {
            return; // Nothing is reached by them.
        }
        long[] needed = rowMajor(shape);
        for (int axis = 0; axis < shape.length; axis++) {
            if (shape[axis] > 1 && found[axis] != needed[axis]) {
                throw new IllegalArgumentException("need a row-major tensor, with strides " + Arrays.toString(needed)
                        + " for shape " + Arrays.toString(shape) + ", got strides " + Arrays.toString(found));
            }
        }
    }

    private static long[] rowMajor(long[] shape) {
        long[] strides = new long[shape.length];
        long stride = 1;
        for (int axis = shape.length - 1; axis >= 0; axis--) {
            strides[axis] = stride;
            stride *= Math.max(shape[axis], 1);
        }
        return strides;
    }

    /** A tensor that is lent: one block of memory with its struct, its shape and its strides. */
    private static final class Loan {
        private final Tensor tensor;
        private final int structBytes;
        private final Memory<Pointer> block;

        Loan(Tensor tensor, Class<? extends Pointer> struct) {
            tensor.checkLendable();
            Kernels kernels = Backend.cpu().kernels();
            this.tensor = tensor;
            structBytes = Loader.sizeof(struct);
            block = Memory.bytes(kernels, structBytes + 2L * Long.BYTES * tensor.rank());
        }

        Pointer struct() {
            return block.pointer();
        }

        void describe(DLTensor lent, int device) {
            boolean onHost = tensor.device() == Device.HOST;
            long[] shape = tensor.shape();
            LongPointer sizes = AddressPointer.longs(struct().address() + structBytes, 2L * shape.length);
            if (shape.length > 0) {
                sizes.put(shape);
                sizes.getPointer(shape.length).put(rowMajor(shape));
            }
            lent.data(AddressPointer.floats(tensor.address(), 0));
            lent.device()
                    .device_type(onHost ? CpuKernels.VQ4J_DLPACK_CPU : CpuKernels.VQ4J_DLPACK_CUDA)
                    .device_id(device);
            lent.ndim(shape.length);
            lent.dtype()
                    .code((byte) codeOf(tensor.dataType()))
                    .bits((byte) (8 * tensor.dataType().bytes()))
                    .lanes((short) 1);
            lent.shape(sizes);
            lent.strides(sizes.getPointer(shape.length));
            lent.byte_offset(0);
        }

        Pointer begin() {
            tensor.lend();
            LOANS.put(struct().address(), this);
            return struct();
        }

        static void end(long address) {
            Loan loan = LOANS.remove(address);
            if (loan != null) {
                loan.tensor.takeBack();
                loan.block.close();
            }
        }

        private static int codeOf(DataType type) {
            return switch (type) {
                case FLOAT32, FLOAT16 -> CpuKernels.VQ4J_DLPACK_FLOAT;
                case BFLOAT16 -> CpuKernels.VQ4J_DLPACK_BFLOAT;
                case INT32 -> CpuKernels.VQ4J_DLPACK_INT;
            };
        }
    }

    /** Called from native code. Belongs to no scope of pointers, since it may be called at any time. */
    private static final class Deleter extends Deleter_DLManagedTensor {
        static final Deleter INSTANCE = new Deleter();

        private Deleter() {
            retainReference();
        }

        @Override
        public void call(DLManagedTensor self) {
            Loan.end(self.address());
        }
    }

    /** As {@link Deleter}. */
    private static final class VersionedDeleter extends Deleter_DLManagedTensorVersioned {
        static final VersionedDeleter INSTANCE = new VersionedDeleter();

        private VersionedDeleter() {
            retainReference();
        }

        @Override
        public void call(DLManagedTensorVersioned self) {
            Loan.end(self.address());
        }
    }
}
