package io.github.vq4j;

import io.github.vq4j.internal.Halves;
import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Scratch;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.ShortPointer;
import org.jspecify.annotations.Nullable;

/**
 * A tensor of numbers as kernels take them: FLOAT32 in its own memory where they reach it, otherwise in a copy that is kept
 * here. 16-bit numbers are widened into one, here or by a kernel that reads them anyway.
 */
final class NativeFloats implements AutoCloseable {
    private final Kernels kernels;
    private final Scratch<FloatPointer> copy;
    private final Scratch<ShortPointer> shorts;
    private @Nullable Halves halves;
    private boolean isUnread;

    NativeFloats(Kernels kernels) {
        this.kernels = kernels;
        this.copy = Scratch.floats(kernels);
        this.shorts = Scratch.shorts(kernels);
    }

    /** The tensor's elements. */
    FloatPointer read(Tensor tensor) {
        if (tensor.dataType().isHalf()) {
            FloatPointer room = copy.atLeast(tensor.size());
            kernels.tensors.widen(reached(tensor), tensor.size(), room);
            return room;
        }
        if (tensor.isReachedBy(kernels)) {
            return tensor.floats();
        }
        FloatPointer room = copy.atLeast(tensor.size());
        tensor.copyTo(kernels, room);
        return room;
    }

    /**
     * As {@link #read}, but that 16-bit numbers are there when the kernel that is given {@link #takeUnread} has left them, or
     * after {@link #widen}.
     */
    FloatPointer readLater(Tensor tensor) {
        isUnread = tensor.dataType().isHalf();
        halves = isUnread ? reached(tensor) : null;
        return isUnread ? copy.atLeast(tensor.size()) : read(tensor);
    }

    /** Of {@link #readLater}, the numbers in 16 bits; null where they came in 32. */
    @Nullable
    Halves halves() {
        return halves;
    }

    /** Those for the kernel that reads them first; null where one has, and for numbers in 32 bits. */
    @Nullable
    Halves takeUnread() {
        Halves unread = isUnread ? halves : null;
        isUnread = false;
        return unread;
    }

    /** Makes what is unread be there, for kernels that read fp32 alone. */
    void widen(long size) {
        Halves unread = takeUnread();
        if (unread != null) {
            kernels.tensors.widen(unread, size, copy.atLeast(size));
        }
    }

    private Halves reached(Tensor tensor) {
        if (tensor.isReachedBy(kernels)) {
            return new Halves(tensor.halves(), tensor.dataType());
        }
        ShortPointer room = shorts.atLeast(tensor.size());
        tensor.copyTo(kernels, room);
        return new Halves(room, tensor.dataType());
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
        shorts.close();
    }
}
