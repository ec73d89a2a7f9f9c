package io.github.vq4j.djl;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.github.vq4j.Tensor;
import java.nio.ByteBuffer;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;

/** Arrays of one library as views of the other's memory. Who made the memory keeps it alive. */
final class SharedMemory {
    private SharedMemory() {}

    /** What kernels see of an array of FLOAT32; of one that is not contiguous, a copy that the engine makes. */
    static Tensor floats(NDArray array) {
        return Tensor.of(
                array.toByteBuffer(true).asFloatBuffer(), array.getShape().getShape());
    }

    /** What kernels see of an array of INT32; of one that is not contiguous, a copy that the engine makes. */
    static Tensor codes(NDArray array) {
        return Tensor.of(
                array.toByteBuffer(true).asIntBuffer(), array.getShape().getShape());
    }

    /** What DJL sees of a tensor of a layer. */
    static NDArray of(Tensor tensor, NDManager manager) {
        ByteBuffer memory = new Address(tensor.address(), tensor.size() * Float.BYTES).asByteBuffer();
        return manager.create(memory, new Shape(tensor.shape()), DataType.FLOAT32);
    }

    /** A pointer to memory of somebody else's. */
    private static final class Address extends BytePointer {
        Address(long address, long bytes) {
            super((Pointer) null);
            this.address = address;
            limit(bytes).capacity(bytes);
        }
    }
}
