package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import java.util.Arrays;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * What {@link VectorQuant#backward} gives; the gradients of parameters are in {@link Parameter#gradient}.
 *
 * @param input gradient of the objective with respect to z, of its shape
 */
public record Gradients(Tensor input) implements AutoCloseable {
    /** Refuses a gradient that is not usable, or not of z's shape. */
    static void check(String name, Tensor gradient, Tensor z, Kernels kernels) {
        gradient.checkUsable(name, DataType.FLOAT32, kernels);
        if (!gradient.hasShape(z.shape())) {
            throw new IllegalArgumentException(
                    "need " + name + " of z's shape " + Arrays.toString(z.shape()) + ", got " + gradient);
        }
    }

    /**
     * The gradient of z, in memory of the caller's or in new memory.
     *
     * @param gradInput the caller's, refused where it does not fit; null: new memory
     * @param newMemory of the shape of z
     * @param computation writes the gradient
     */
    static Gradients computed(
            @Nullable Tensor gradInput,
            Tensor z,
            Kernels kernels,
            Supplier<Tensor> newMemory,
            Consumer<Tensor> computation) {
        if (gradInput != null) {
            check("gradInput", gradInput, z, kernels);
            gradInput.checkWritable("gradInput", DataType.FLOAT32, kernels);
            if (gradInput.overlaps(z)) {
                throw new IllegalArgumentException("gradInput overlaps z; need memory of its own");
            }
            computation.accept(gradInput);
            return new Gradients(gradInput.reshape(gradInput.shape()));
        }
        Tensor result = newMemory.get();
        try {
            computation.accept(result);
        } catch (RuntimeException | Error failure) {
            result.close();
            throw failure;
        }
        return new Gradients(result);
    }

    /** Gives the memory back, unless the caller brought it. */
    @Override
    public void close() {
        input.close();
    }
}
