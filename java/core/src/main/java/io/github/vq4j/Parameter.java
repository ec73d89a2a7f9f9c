package io.github.vq4j;

import io.github.vq4j.internal.Batch;
import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Memory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.jspecify.annotations.Nullable;

/** A trained tensor of a layer and its gradient. Both live in the memory of the layer's backend, as long as the layer. */
public final class Parameter {
    private final String name;
    private final Kernels kernels;
    private final Tensor value;

    /** The value as others see it: closing that closes nothing. */
    private final Tensor valueView;

    private final List<Memory<FloatPointer>> followers = new ArrayList<>();
    private @Nullable Tensor gradient;
    private boolean hasGradient;
    private long steps;
    private @Nullable Batch source;

    Parameter(Kernels kernels, String name, float initial, long... shape) {
        this.name = name;
        this.kernels = kernels;
        value = Tensor.allocate(kernels, DataType.FLOAT32, shape);
        float[] start = new float[Math.toIntExact(value.size())];
        Arrays.fill(start, initial);
        kernels.write(start, value.floats());
        valueView = value.reshape(shape);
    }

    /** As {@link Quantizer#parameters} lists them: "codebook", "affine.scale" and so on. */
    public String name() {
        return name;
    }

    /** The parameter itself, not a copy. Closing the tensor does nothing. */
    public Tensor value() {
        return valueView;
    }

    /**
     * The gradient that the last {@link VectorQuant#backward} wrote, not a copy; zero before the first one. Waits for a CUDA
     * device that has not computed it yet. Closing the tensor does nothing.
     *
     * @throws NotFiniteException if that finds a NaN or an infinity; there is no gradient then
     */
    public Tensor gradient() {
        awaitGradient();
        return room().reshape(value.shape());
    }

    /** How many steps the {@link Optimizer}s of this library have made of it. */
    public long steps() {
        return steps;
    }

    void countStep() {
        steps++;
    }

    /** Waits until the gradient is there; there is none where its computation failed. */
    void awaitGradient() {
        if (source != null) {
            Batch awaited = source;
            source = null;
            try {
                awaited.await();
            } catch (RuntimeException failure) {
                hasGradient = false;
                throw failure;
            }
        }
    }

    /** The batch that computes the gradient, where that is not known to be done. */
    Optional<Batch> source() {
        return Optional.ofNullable(source);
    }

    /** Throws what is known to have been wrong with the gradient; there is none then. */
    void throwIfFailed() {
        if (source != null && source.isKnown()) {
            awaitGradient();
        }
    }

    private Tensor room() {
        if (gradient == null) {
            // Not before it is asked for: a layer that only encodes has none.
            value.checkOpen();
            gradient = Tensor.allocate(kernels, DataType.FLOAT32, value.shape());
            kernels.clear(gradient.floats(), value.size() * Float.BYTES);
        }
        return gradient;
    }

    @Override
    public String toString() {
        return name + " " + Arrays.toString(value.shape());
    }

    Kernels kernels() {
        return kernels;
    }

    FloatPointer values() {
        return value.floats();
    }

    /** Where a backward writes. */
    FloatPointer newGradient() {
        return room().floats();
    }

    void clearGradient() {
        kernels.clear(newGradient(), value.size() * Float.BYTES);
    }

    /** There is a gradient, once a batch is done where there is one. */
    void markGradient(@Nullable Batch batch) {
        hasGradient = true;
        source = batch;
    }

    void visitState(StateVisitor state) {
        state.floats(name, kernels, values(), value.shape());
    }

    void unmarkGradient() {
        hasGradient = false;
        source = null;
    }

    boolean hasGradient() {
        return hasGradient;
    }

    /** State of an optimiser, shaped like the value, that is cleared in the rows that are replaced. */
    void addFollower(Memory<FloatPointer> state) {
        followers.add(state);
    }

    void removeFollower(Memory<FloatPointer> state) {
        followers.remove(state);
    }

    boolean hasFollowers() {
        return !followers.isEmpty();
    }

    void clearFollowers(IntPointer mask) {
        for (Memory<FloatPointer> state : followers) {
            kernels.optimizers.clearRows(state.pointer(), value.size(0), value.size(1), mask);
        }
    }

    void close() {
        value.close();
        if (gradient != null) {
            gradient.close();
        }
    }
}
