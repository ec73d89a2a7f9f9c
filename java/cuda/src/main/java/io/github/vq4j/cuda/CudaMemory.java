package io.github.vq4j.cuda;

import io.github.vq4j.Backend;
import io.github.vq4j.DataType;
import io.github.vq4j.Device;
import io.github.vq4j.Tensor;
import java.util.Arrays;
import org.bytedeco.cuda.cudart.cudaPointerAttributes;
import org.bytedeco.cuda.global.cudart;
import org.bytedeco.javacpp.Pointer;

/**
 * Device memory of other libraries as tensors of vq4j, in place. The other library keeps the memory alive, and what it does
 * with it has to be ordered with the stream of the layer that takes the tensor. Only a copy to the host waits for the whole
 * device.
 */
public final class CudaMemory {
    private CudaMemory() {}

    /**
     * A view of memory of a device. Layers of another device refuse it.
     *
     * @param memory pointer to row-major elements; its position counts
     * @param type of the elements
     * @throws IllegalStateException if CUDA does not work; the message says why
     * @throws IllegalArgumentException if the memory is not of a device
     */
    public static Tensor tensor(Pointer memory, DataType type, long... shape) {
        Backend.cuda(0);
        long address = memory.address() + memory.position() * memory.sizeof();
        int kind = kindOf(memory);
        if (kind != cudart.cudaMemoryTypeDevice && kind != cudart.cudaMemoryTypeManaged) {
            throw new IllegalArgumentException("need memory of a CUDA device for a tensor of shape "
                    + Arrays.toString(shape) + ", got memory of the host at 0x" + Long.toHexString(address));
        }
        return switch (type) {
            case FLOAT32 -> Tensor.ofAddress(address, Device.CUDA, shape);
            case FLOAT16, BFLOAT16 -> Tensor.halvesAtAddress(address, type, Device.CUDA, shape);
            case INT32 -> Tensor.codesAtAddress(address, Device.CUDA, shape);
        };
    }

    static int kindOf(Pointer memory) {
        int[] kind = new int[1];
        CudaRuntime.check("cudaPointerGetAttributes", () -> {
            try (cudaPointerAttributes attributes = new cudaPointerAttributes()) {
                int status = cudart.cudaPointerGetAttributes(attributes, memory);
                kind[0] = attributes.type();
                return status;
            }
        });
        return kind[0];
    }
}
