package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.vq4j.internal.Kernels;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

class TensorTest {
    @Test
    void anArrayIsShared() {
        float[] values = {1, 2, 3, 4, 5, 6};
        Tensor tensor = Tensor.of(values, 2, 3);
        values[4] = 50;
        assertArrayEquals(new float[] {1, 2, 3, 4, 50, 6}, tensor.toFloatArray());
        tensor.floatBuffer().put(0, 10);
        assertEquals(10, values[0]);
        assertThrows(IllegalStateException.class, tensor::address);
    }

    @Test
    void aDirectBufferIsSharedFromItsPosition() {
        FloatBuffer buffer = direct(6 * Float.BYTES).asFloatBuffer();
        buffer.position(2);
        Tensor tensor = Tensor.of(buffer, 4);
        buffer.put(2, 20);
        tensor.floatBuffer().put(3, 50);
        assertArrayEquals(new float[] {20, 0, 0, 50}, tensor.toFloatArray());
        assertEquals(50, buffer.get(5));
        IntBuffer codes = direct(2 * Integer.BYTES).asIntBuffer();
        Tensor view = Tensor.of(codes, 2);
        codes.put(1, 7);
        assertArrayEquals(new int[] {0, 7}, view.toIntArray());
    }

    @Test
    void aReadOnlyBufferIsReadAlone() {
        FloatBuffer floats = direct(8 * Float.BYTES).asFloatBuffer();
        Tensor values = Tensor.of(floats.asReadOnlyBuffer(), 2, 4);
        Tensor codes = Tensor.of(direct(2 * Integer.BYTES).asIntBuffer().asReadOnlyBuffer(), 2);
        assertTrue(values.floatBuffer().isReadOnly());
        try (VectorQuant layer =
                        VectorQuant.builder(4, 3).backend(Backend.cpu()).build();
                FiniteScalarQuant scalars = FiniteScalarQuant.builder(3, 3, 3, 3)
                        .backend(Backend.cpu())
                        .build()) {
            Tensor z = Tensor.of(new float[] {1, 2, 3, 4, 5, 6, 7, 8}, 2, 4);
            layer.forward(values).close();
            String needed = "that can be written to, got a view of read-only memory";
            refused(() -> layer.forward(z, values), "need output " + needed);
            refused(() -> layer.forward(z, values.reshape(2, 4)), "need output " + needed);
            refused(() -> layer.backward(z, 1, values), "need gradInput " + needed);
            refused(() -> layer.encode(z, codes), "need codes " + needed);
            refused(() -> layer.decode(Tensor.of(new int[2], 2), values), "need output " + needed);
            refused(() -> layer.packing().pack(Tensor.of(new int[2], 2), codes), "need words " + needed);
            refused(() -> layer.packing().unpack(Tensor.of(new int[2], 2), codes), "need codes " + needed);
            refused(() -> scalars.forward(z, values), "need output " + needed);
            scalars.forward(z).close();
            refused(() -> scalars.backward(z, values), "need gradInput " + needed);
        }
        assertEquals(FloatBuffer.allocate(8), floats);
    }

    @Test
    void aPointerAndItsAddressAreShared() {
        try (FloatPointer pointer = new FloatPointer(1, 2, 3, 4);
                IntPointer codes = new IntPointer(5, 6)) {
            Tensor tensor = Tensor.of(pointer, 2, 2);
            Tensor address = Tensor.ofAddress(pointer.address() + Float.BYTES, Device.HOST, 3);
            pointer.put(3, 40);
            assertEquals(pointer.address(), tensor.address());
            assertArrayEquals(new float[] {1, 2, 3, 40}, tensor.toFloatArray());
            assertArrayEquals(new float[] {2, 3, 40}, address.toFloatArray());
            assertArrayEquals(new int[] {5, 6}, Tensor.of(codes, 2).toIntArray());
            assertArrayEquals(
                    new int[] {6},
                    Tensor.codesAtAddress(codes.address() + Integer.BYTES, Device.HOST, 1)
                            .toIntArray());
            tensor.close();
            assertEquals(40, pointer.get(3), "closing a view frees nothing");
        }
    }

    @Test
    void aPointersPositionCounts() {
        try (FloatPointer pointer = new FloatPointer(1, 2, 3, 4)) {
            Tensor tensor = Tensor.of(new FloatPointer(pointer).position(2), 2);
            assertArrayEquals(new float[] {3, 4}, tensor.toFloatArray());
            assertEquals(pointer.address() + 2 * Float.BYTES, tensor.address());
            assertEquals(4, tensor.floatBuffer().get(1));
        }
    }

    @Test
    void movingThePositionAfterwardsMovesNothing() {
        try (FloatPointer pointer = new FloatPointer(1, 2, 3, 4);
                IntPointer codes = new IntPointer(5, 6)) {
            Tensor second = Tensor.of(pointer.position(2), 2);
            Tensor first = Tensor.of(pointer.position(0), 2);
            assertArrayEquals(new float[] {1, 2}, first.toFloatArray());
            assertArrayEquals(new float[] {3, 4}, second.toFloatArray());
            Tensor last = Tensor.of(codes.position(1), 1);
            codes.position(0);
            assertArrayEquals(new int[] {6}, last.toIntArray());
        }
    }

    @Test
    void aViewOfAClosedPointerCannotBeUsed() {
        FloatPointer pointer = new FloatPointer(1, 2, 3, 4);
        Tensor z = Tensor.of(pointer, 1, 4);
        Tensor view = z.reshape(4);
        try (VectorQuant layer =
                VectorQuant.builder(4, 3).backend(Backend.cpu()).build()) {
            layer.forward(z).close();
            pointer.close();
            for (Executable use : new Executable[] {
                () -> layer.forward(z), z::toFloatArray, z::floatBuffer, z::address, view::toFloatArray
            }) {
                String message = assertThrows(IllegalStateException.class, use).getMessage();
                assertTrue(message.contains("is a view of a pointer that has been closed"), message);
            }
            assertTrue(assertThrows(IllegalStateException.class, () -> layer.backward(null, 1))
                    .getMessage()
                    .startsWith("z of the forward is closed"));
        }
    }

    @Test
    void aTensorNeedsADevice() {
        assertThrows(NullPointerException.class, () -> Tensor.ofAddress(64, null, 1));
    }

    @Test
    void allocatedMemoryIsZeroAndClosesOnce() {
        Tensor tensor = Tensor.allocate(DataType.FLOAT32, 3);
        assertArrayEquals(new float[3], tensor.toFloatArray());
        assertEquals(0, tensor.address() % 64);
        Tensor view = tensor.reshape(3, 1);
        view.close();
        tensor.floatBuffer().put(1, 5);
        assertArrayEquals(new float[] {0, 5, 0}, view.toFloatArray(), "closing a view frees nothing");
        tensor.close();
        tensor.close();
        for (Executable use : new Executable[] {
            tensor::toFloatArray, tensor::address, tensor::floatBuffer, view::toFloatArray, () -> tensor.reshape(3)
        }) {
            assertTrue(
                    assertThrows(IllegalStateException.class, use).getMessage().contains("FLOAT32"));
        }
    }

    @Test
    void describesItself() {
        long[] shape = {2, 3};
        Tensor tensor = Tensor.of(new int[6], shape);
        shape[0] = 100;
        tensor.shape()[0] = 100;
        assertArrayEquals(new long[] {2, 3}, tensor.shape());
        assertEquals(2, tensor.rank());
        assertEquals(6, tensor.size());
        assertEquals(DataType.INT32, tensor.dataType());
        assertEquals(Device.HOST, tensor.device());
        assertEquals("Tensor INT32[2, 3] on HOST", tensor.toString());
        assertEquals(7, Tensor.of(new float[] {7}).item());
    }

    @Test
    void whatDoesNotFitIsRefused() {
        refused(() -> Tensor.of(new float[5], 2, 3), "[2, 3]", "6", "5");
        refused(() -> Tensor.of(new float[6], -2, -3), "[-2, -3]");
        refused(() -> Tensor.of(FloatBuffer.allocate(6), 6), "direct");
        refused(
                () -> Tensor.of(
                        ByteBuffer.allocateDirect(24)
                                .order(ByteOrder.BIG_ENDIAN)
                                .asFloatBuffer(),
                        6),
                "BIG_ENDIAN");
        refused(() -> Tensor.of(direct(24).asFloatBuffer(), 5), "[5]", "6");
        refused(() -> Tensor.ofAddress(0, Device.HOST, 1), "null");
        refused(() -> Tensor.of(new float[2], 2).toIntArray(), "INT32");
        refused(() -> Tensor.of(new float[2], 2).item(), "[2]");
        refused(() -> Tensor.of(new float[6], 6).reshape(4), "[4]", "[6]");
        try (FloatPointer pointer = new FloatPointer(1, 2)) {
            refused(() -> Tensor.of(pointer, 3), "[3]", "2");
        }
    }

    private static ByteBuffer direct(int bytes) {
        return ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder());
    }

    private static void refused(Executable call, String... parts) {
        String message = assertThrows(IllegalArgumentException.class, call).getMessage();
        for (String part : parts) {
            assertTrue(message.contains(part), "\"" + part + "\" in: " + message);
        }
    }

    @Test
    void deviceMemoryThatVq4jDidNotAllocateIsRead() {
        assumeTrue(Backend.whyNoCuda().isEmpty(), () -> Backend.whyNoCuda().orElse(""));
        Kernels kernels = Backend.cuda(0).kernels();
        Pointer memory = kernels.allocate(2 * Float.BYTES);
        kernels.write(new float[] {1.5f, -2.0f}, new FloatPointer(memory));
        assertArrayEquals(
                new float[] {1.5f, -2.0f},
                Tensor.ofAddress(memory.address(), Device.CUDA, 2).toFloatArray());
        kernels.release(memory);
    }
}
