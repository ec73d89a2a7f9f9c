package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.vq4j.internal.CpuKernels;
import io.github.vq4j.internal.CpuKernels.DLManagedTensor;
import io.github.vq4j.internal.CpuKernels.DLManagedTensor.Deleter_DLManagedTensor;
import io.github.vq4j.internal.CpuKernels.DLManagedTensorVersioned;
import io.github.vq4j.internal.CpuKernels.DLManagedTensorVersioned.Deleter_DLManagedTensorVersioned;
import io.github.vq4j.internal.CpuKernels.DLTensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Tensors by DLPack. The other library is one that fills and reads the structs as the standard says. */
class DlpackTest {
    /** Another library's tensor of 2 x 3 floats, which counts the calls of its deleter. */
    private static final class Lent {
        final AtomicInteger deleted = new AtomicInteger();
        final FloatPointer values = new FloatPointer(0, 1, 2, 3, 4, 5);
        final LongPointer shape = new LongPointer(2, 3);
        final DLManagedTensor managed = new DLManagedTensor();
        final Deleter_DLManagedTensor deleter = new Deleter_DLManagedTensor() {
            @Override
            public void call(DLManagedTensor self) {
                assertEquals(managed.address(), self.address());
                deleted.incrementAndGet();
            }
        };

        Lent() {
            Backend.cpu();
            fill(managed.dl_tensor(), values, shape);
            managed.manager_ctx(null).deleter(deleter);
        }
    }

    private static void fill(DLTensor tensor, FloatPointer values, LongPointer shape) {
        tensor.data(values).ndim((int) shape.limit()).shape(shape).strides(null).byte_offset(0);
        tensor.device().device_type(CpuKernels.VQ4J_DLPACK_CPU).device_id(0);
        tensor.dtype().code((byte) CpuKernels.VQ4J_DLPACK_FLOAT).bits((byte) 32).lanes((short) 1);
    }

    private static void delete(Pointer exported) {
        DLManagedTensor managed = new DLManagedTensor(exported);
        managed.deleter().call(managed);
    }

    @Test
    void anExportedTensorIsDescribedAsTheStandardSays() {
        try (Tensor tensor = Tensor.allocate(DataType.FLOAT32, 4, 1, 5)) {
            Pointer exported = Dlpack.exportTensor(tensor);
            // Read by offsets, as a library without our declarations would.
            ByteBuffer struct = new Pointer(exported).limit(64).asByteBuffer().order(ByteOrder.nativeOrder());
            assertEquals(tensor.address(), struct.getLong(0));
            assertEquals(1, struct.getInt(8), "device type");
            assertEquals(0, struct.getInt(12), "device number");
            assertEquals(3, struct.getInt(16), "axes");
            assertEquals(2, struct.get(20), "type code");
            assertEquals(32, struct.get(21), "bits");
            assertEquals(1, struct.getShort(22), "lanes");
            assertEquals(0, struct.getLong(40), "byte offset");
            DLTensor described = new DLManagedTensor(exported).dl_tensor();
            assertEquals(struct.getLong(24), described.shape().address());
            assertArrayEquals(new long[] {4, 1, 5}, read(described.shape(), 3));
            assertArrayEquals(new long[] {5, 5, 1}, read(described.strides(), 3));
            delete(exported);
        }
    }

    @Test
    void aVersionedExportSaysItsVersion() {
        try (Tensor tensor = Tensor.allocate(DataType.INT32, 2, 3)) {
            DLManagedTensorVersioned managed = new DLManagedTensorVersioned(Dlpack.exportVersioned(tensor, 0));
            ByteBuffer struct = new Pointer(managed).limit(80).asByteBuffer().order(ByteOrder.nativeOrder());
            assertEquals(1, struct.getInt(0), "major version");
            assertEquals(0, struct.getInt(4), "minor version");
            assertEquals(0, struct.getLong(24), "flags");
            assertEquals(tensor.address(), struct.getLong(32));
            managed.deleter().call(managed);
        }
    }

    @Test
    void whatIsReadOnlyStaysSo() {
        Tensor tensor = Tensor.of(
                ByteBuffer.allocateDirect(2 * 4 * Float.BYTES)
                        .order(ByteOrder.nativeOrder())
                        .asFloatBuffer()
                        .asReadOnlyBuffer(),
                2,
                4);
        Pointer exported = Dlpack.exportVersioned(tensor, 0);
        assertEquals(1, new DLManagedTensorVersioned(exported).flags(), "flags");
        try (Tensor imported = Dlpack.importVersioned(exported);
                VectorQuant layer =
                        VectorQuant.builder(4, 3).backend(Backend.cpu()).build()) {
            Tensor codes = Tensor.of(new int[2], 2);
            assertTrue(assertThrows(IllegalArgumentException.class, () -> layer.decode(codes, imported))
                    .getMessage()
                    .startsWith("need output that can be written to, got a view of read-only memory"));
        }
        // The struct without a version has no place for it.
        assertTrue(assertThrows(IllegalArgumentException.class, () -> Dlpack.exportTensor(tensor))
                .getMessage()
                .contains("by exportVersioned"));
    }

    @ParameterizedTest
    @EnumSource(DataType.class)
    void whatIsExportedCanBeImportedInPlace(DataType type) {
        try (Tensor tensor = Tensor.allocate(type, 3, 0, 7);
                Tensor other = Tensor.allocate(type, 3, 7)) {
            for (Tensor each : new Tensor[] {tensor, other}) {
                try (Tensor same = Dlpack.importTensor(Dlpack.exportTensor(each));
                        Tensor versioned = Dlpack.importVersioned(Dlpack.exportVersioned(each, 0))) {
                    for (Tensor imported : new Tensor[] {same, versioned}) {
                        assertEquals(each.address(), imported.address());
                        assertArrayEquals(each.shape(), imported.shape());
                        assertEquals(type, imported.dataType());
                        assertEquals(Device.HOST, imported.device());
                    }
                }
            }
        }
    }

    @Test
    void aLayerReadsAnImportedTensorAndGivesItsCodes() {
        Lent lent = new Lent();
        try (Tensor imported = Dlpack.importTensor(lent.managed);
                VectorQuant layer = VectorQuant.builder(3, 2).seed(1).build();
                Tensor codes = layer.encode(imported);
                Tensor expected = layer.encode(Tensor.of(new float[] {0, 1, 2, 3, 4, 5}, 2, 3))) {
            assertEquals(lent.values.address(), imported.address());
            assertArrayEquals(expected.toIntArray(), codes.toIntArray());
        }
        assertEquals(1, lent.deleted.get());
    }

    @Test
    void exportedMemoryStaysUntilBothSidesHaveGivenItBack() {
        AtomicInteger released = new AtomicInteger();
        FloatPointer values = new FloatPointer(1, 2);
        for (boolean closedFirst : new boolean[] {true, false}) {
            released.set(0);
            Tensor tensor = Tensor.owning(
                    DataType.FLOAT32, Device.HOST, -1, new long[] {2}, values, false, released::incrementAndGet);
            Pointer first = Dlpack.exportTensor(tensor);
            Pointer second = Dlpack.exportTensor(tensor.reshape(2, 1));
            delete(first);
            if (closedFirst) {
                tensor.close();
                assertEquals(0, released.get());
                delete(second);
            } else {
                delete(second);
                assertEquals(0, released.get());
                tensor.close();
            }
            assertEquals(1, released.get());
        }
    }

    @Test
    void aLoanOutlivesTheScopeOfPointersItWasMadeIn() {
        Pointer exported;
        try (PointerScope scope = new PointerScope()) {
            exported = Dlpack.exportTensor(Tensor.allocate(DataType.FLOAT32, 2));
        }
        try (Tensor imported = Dlpack.importTensor(exported)) {
            assertArrayEquals(new float[2], imported.toFloatArray());
        }
    }

    @Test
    void theDeleterOfAnImportedTensorIsCalledOnce() {
        Lent lent = new Lent();
        Tensor imported = Dlpack.importTensor(lent.managed);
        imported.reshape(3, 2).close();
        assertEquals(0, lent.deleted.get(), "closing a view");
        imported.close();
        imported.close();
        assertEquals(1, lent.deleted.get());
    }

    @Test
    void theDeleterOfAVersionedTensorIsCalledOnce() {
        Backend.cpu();
        AtomicInteger deleted = new AtomicInteger();
        DLManagedTensorVersioned managed = new DLManagedTensorVersioned();
        fill(managed.dl_tensor(), new FloatPointer(1, 2), new LongPointer(new long[] {2}));
        managed.version().major(1).minor(3);
        managed.manager_ctx(null).flags(1).deleter(new Deleter_DLManagedTensorVersioned() {
            @Override
            public void call(DLManagedTensorVersioned self) {
                deleted.incrementAndGet();
            }
        });
        Tensor imported = Dlpack.importVersioned(managed);
        assertArrayEquals(new float[] {1, 2}, imported.toFloatArray());
        imported.close();
        imported.close();
        assertEquals(1, deleted.get());
    }

    @Test
    @Timeout(30)
    void theGarbageCollectorCallsTheDeleterOfAForgottenTensor() throws InterruptedException {
        Lent lent = new Lent();
        Dlpack.importTensor(lent.managed);
        while (lent.deleted.get() == 0) {
            System.gc();
            Thread.sleep(10);
        }
        assertEquals(1, lent.deleted.get());
    }

    @Test
    void aTensorWithoutADeleterIsFine() {
        Lent lent = new Lent();
        lent.managed.deleter(null);
        Dlpack.importTensor(lent.managed).close();
        assertEquals(0, lent.deleted.get());
    }

    @Test
    void offsetsInBytesCount() {
        Lent lent = new Lent();
        lent.shape.put(new long[] {1, 3});
        lent.managed.dl_tensor().byte_offset(12);
        try (Tensor imported = Dlpack.importTensor(lent.managed)) {
            assertArrayEquals(new float[] {3, 4, 5}, imported.toFloatArray());
        }
    }

    @Test
    void stridesMustBeThoseOfRowMajorWhereTheyMatter() {
        Lent lent = new Lent();
        lent.shape.put(new long[] {1, 6});
        lent.managed.dl_tensor().strides(new LongPointer(99, 1));
        Dlpack.importTensor(lent.managed).close();
        assertEquals(1, lent.deleted.get());
        lent.shape.put(new long[] {2, 3});
        lent.managed.dl_tensor().strides(new LongPointer(1, 2));
        refused(lent, "strides [3, 1] for shape [2, 3], got strides [1, 2]", managed -> {});
        lent.shape.put(new long[] {2, 0});
        Dlpack.importTensor(lent.managed).close();
        assertEquals(2, lent.deleted.get());
    }

    @Test
    void whatCannotBeUsedIsRefusedAndStaysTheLenders() {
        Lent lent = new Lent();
        refused(lent, "type code 2 of 64 bits", managed -> managed.dl_tensor()
                .dtype()
                .bits((byte) 64));
        refused(
                lent,
                "4 lanes",
                managed -> managed.dl_tensor().dtype().bits((byte) 32).lanes((short) 4));
        lent.managed.dl_tensor().dtype().lanes((short) 1);
        refused(lent, "device type 10", managed -> managed.dl_tensor().device().device_type(10));
        lent.managed.dl_tensor().device().device_type(CpuKernels.VQ4J_DLPACK_CPU);
        refused(lent, "got -1 axes", managed -> managed.dl_tensor().ndim(-1));
        refused(lent, "got 2 axes without sizes", managed -> managed.dl_tensor()
                .ndim(2)
                .shape(null));
        assertThrows(IllegalArgumentException.class, () -> Dlpack.importTensor(null));
        DLManagedTensorVersioned next = new DLManagedTensorVersioned();
        next.version().major(2).minor(1);
        String message = assertThrows(IllegalArgumentException.class, () -> Dlpack.importVersioned(next))
                .getMessage();
        assertTrue(message.contains("version 1, got 2.1"), message);
    }

    @Test
    void heapArraysAndClosedTensorsAreNotExported() {
        assertThrows(IllegalArgumentException.class, () -> Dlpack.exportTensor(Tensor.of(new float[2], 2)));
        Tensor closed = Tensor.allocate(DataType.FLOAT32, 2);
        closed.close();
        assertThrows(IllegalStateException.class, () -> Dlpack.exportTensor(closed));
    }

    @Test
    void tensorsOfADeviceSayWhichOne() {
        try (Tensor tensor = Tensor.ofAddress(4096, Device.CUDA, 2)) {
            Pointer exported = Dlpack.exportTensor(tensor, 3);
            DLTensor described = new DLManagedTensor(exported).dl_tensor();
            assertEquals(CpuKernels.VQ4J_DLPACK_CUDA, described.device().device_type());
            assertEquals(3, described.device().device_id());
            try (Tensor imported = Dlpack.importTensor(exported)) {
                assertEquals(Device.CUDA, imported.device());
                assertEquals(4096, imported.address());
            }
        }
    }

    private static void refused(Lent lent, String part, Consumer<DLManagedTensor> change) {
        int before = lent.deleted.get();
        change.accept(lent.managed);
        String message = assertThrows(IllegalArgumentException.class, () -> Dlpack.importTensor(lent.managed))
                .getMessage();
        assertTrue(message.contains(part), message);
        assertEquals(before, lent.deleted.get());
    }

    private static long[] read(LongPointer pointer, int count) {
        long[] values = new long[count];
        pointer.get(values);
        return values;
    }
}
