package io.github.vq4j.torch;

import io.github.vq4j.DataType;
import io.github.vq4j.Device;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.DeviceOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Tensors of one library as views of the other's memory. */
final class SharedMemory {
    private SharedMemory() {}

    /** What kernels see of a contiguous tensor of FLOAT. */
    static io.github.vq4j.Tensor floats(Tensor tensor) {
        return io.github.vq4j.Tensor.ofAddress(address(tensor), device(tensor), shape(tensor));
    }

    /** What kernels see of a contiguous tensor of FLOAT, HALF or BFLOAT16. */
    static io.github.vq4j.Tensor input(Tensor tensor) {
        ScalarType type = tensor.scalar_type().intern();
        if (type == ScalarType.Float) {
            return floats(tensor);
        }
        DataType half = type == ScalarType.Half ? DataType.FLOAT16 : DataType.BFLOAT16;
        return io.github.vq4j.Tensor.halvesAtAddress(address(tensor), half, device(tensor), shape(tensor));
    }

    /** What kernels see of a contiguous tensor of INT. */
    static io.github.vq4j.Tensor codes(Tensor tensor) {
        return io.github.vq4j.Tensor.codesAtAddress(address(tensor), device(tensor), shape(tensor));
    }

    /** What libtorch sees of a tensor of a layer, which has to stay open and reachable meanwhile. */
    static Tensor of(io.github.vq4j.Tensor tensor) {
        try (TensorOptions options = options(tensor)) {
            return torch.from_blob(new Address(tensor.address()), tensor.shape(), options);
        }
    }

    /** As {@link #of}, of memory that stays as long as libtorch has it. */
    static Tensor kept(io.github.vq4j.Tensor tensor) {
        KeptMemory.lend(tensor);
        try (TensorOptions options = options(tensor);
                DeviceOptional asInOptions = new DeviceOptional()) {
            return torch.from_blob(
                    new Address(tensor.address()), tensor.shape(), KeptMemory.GIVE_BACK, options, asInOptions);
        }
    }

    /** 0 for a tensor without elements. */
    static long address(Tensor tensor) {
        Pointer data = tensor.data_ptr();
        return data == null ? 0 : data.address();
    }

    static Device device(Tensor tensor) {
        return tensor.is_cuda() ? Device.CUDA : Device.HOST;
    }

    static long[] shape(Tensor tensor) {
        long[] shape = new long[Math.toIntExact(tensor.dim())];
        for (int axis = 0; axis < shape.length; axis++) {
            shape[axis] = tensor.size(axis);
        }
        return shape;
    }

    private static TensorOptions options(io.github.vq4j.Tensor tensor) {
        ScalarType type = tensor.dataType() == DataType.FLOAT32 ? ScalarType.Float : ScalarType.Int;
        TensorOptions options = new TensorOptions(type);
        if (tensor.device() == Device.HOST) {
            return options;
        }
        // Without an index libtorch asks the driver on which device the address lies.
        return options.device(new DeviceOptional(new org.bytedeco.pytorch.Device("cuda")));
    }

    /** A pointer to memory of somebody else's. */
    static final class Address extends Pointer {
        Address(long address) {
            this.address = address;
        }
    }
}
