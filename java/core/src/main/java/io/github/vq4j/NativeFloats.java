package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Scratch;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.ShortPointer;

/**
 * A tensor of numbers as kernels take them: FLOAT32 in its own memory where they reach it, otherwise in a copy that is kept
 * here. 16-bit numbers are widened into one, here or by a kernel that reads them anyway.
 */
final class NativeFloats implements AutoCloseable {
    private final Kernels kernels;
    private final Scratch<FloatPointer> copy;
    private final Scratch<ShortPointer> halves;

    NativeFloats(Kernels kernels) {
        this.kernels = kernels;
        this.copy = Scratch.floats(kernels);
        this.halves = Scratch.shorts(kernels);
    }

    /** The tensor's elements. */
    FloatPointer read(Tensor tensor) {
        if (tensor.dataType().isHalf()) {
            FloatPointer room = copy.atLeast(tensor.size());
            kernels.widen(readHalves(tensor), tensor.dataType(), tensor.size(), room);
            return room;
        }
        if (tensor.isReachedBy(kernels)) {
            return tensor.floats();
        }
        FloatPointer room = copy.atLeast(tensor.size());
        tensor.copyTo(kernels, room);
        return room;
    }

    /** Room for the elements of a tensor of 16-bit numbers, of which {@link #readHalves} gives those that are converted. */
    FloatPointer roomOfConverted(Tensor tensor) {
        return copy.atLeast(tensor.size());
    }

    /** The elements of a tensor of 16-bit numbers as they are. */
    ShortPointer readHalves(Tensor tensor) {
        if (tensor.isReachedBy(kernels)) {
            return tensor.halves();
        }
        ShortPointer room = halves.atLeast(tensor.size());
        tensor.copyTo(kernels, room);
        return room;
    }

    /** Room for the tensor's elements, to be followed by {@link #deliver} when they are there. */
    FloatPointer room(Tensor tensor) {
        return tensor.isReachedBy(kernels) ? tensor.floats() : copy.atLeast(tensor.size());
    }

    /** Brings what was written into the room to the tensor. */
    void deliver(Tensor tensor) {
        if (!tensor.isReachedBy(kernels)) {
            tensor.copyFrom(kernels, copy.atLeast(tensor.size()));
        }
    }

    @Override
    public void close() {
        copy.close();
        halves.close();
    }
}
