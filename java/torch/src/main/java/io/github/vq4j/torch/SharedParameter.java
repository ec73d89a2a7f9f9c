package io.github.vq4j.torch;

import io.github.vq4j.Parameter;
import java.util.Arrays;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** A parameter of a layer that libtorch's optimisers can train: a leaf tensor over the same memory. */
final class SharedParameter implements AutoCloseable {
    private final Tensor leaf;
    private Parameter parameter;
    private Tensor memory;
    private Tensor gradient;

    SharedParameter(Parameter parameter) {
        this.parameter = parameter;
        // Retained, so that a scope of the caller's does not end them.
        memory = SharedMemory.kept(parameter.value()).retainReference();
        gradient = SharedMemory.kept(parameter.gradient()).retainReference();
        leaf = SharedMemory.kept(parameter.value()).retainReference();
    }

    /** The layer's name for it, for libtorch. */
    String name() {
        return StateTensors.key(parameter.name());
    }

    /** What libtorch trains. */
    Tensor leaf() {
        return leaf;
    }

    /** Whether libtorch wants its gradient. */
    boolean isTrained() {
        return leaf.requires_grad();
    }

    /** Counts the changes of the values, by libtorch and by steps of the layer's own optimisers. */
    long version() {
        return leaf._version() + parameter.steps();
    }

    /**
     * Takes values over that libtorch has put into memory of its own, as loading an archive does, and shares the layer's
     * memory again.
     */
    @SuppressWarnings("try") // A guard is there to be closed.
    void share() {
        if (SharedMemory.address(leaf) == parameter.value().address()) {
            return;
        }
        long[] shape = SharedMemory.shape(leaf);
        boolean fits = leaf.scalar_type().intern() == ScalarType.Float
                && SharedMemory.device(leaf) == parameter.value().device()
                && Arrays.equals(shape, parameter.value().shape());
        if (!fits) {
            throw new IllegalStateException("need parameter " + name() + " of dtype Float and shape "
                    + Arrays.toString(parameter.value().shape()) + " on "
                    + parameter.value().device()
                    + ", the module now has dtype " + leaf.scalar_type().intern() + " and shape "
                    + Arrays.toString(shape) + " on " + SharedMemory.device(leaf));
        }
        try (NoGradGuard noGradient = new NoGradGuard()) {
            memory.copy_(leaf);
            leaf.set_data(memory);
        }
    }

    /** Shares the memory of another parameter, which has taken the values over. What was a gradient is none of it. */
    void follow(Parameter other) {
        memory.close();
        gradient.close();
        parameter = other;
        memory = SharedMemory.kept(other.value()).retainReference();
        gradient = SharedMemory.kept(other.gradient()).retainReference();
        try (Tensor none = new Tensor()) {
            leaf.mutable_grad().put(none);
        }
        leaf.set_data(memory);
    }

    /** Adds the gradient of the last backward to libtorch's. */
    void accumulateGradient() {
        if (!isTrained()) {
            return;
        }
        Tensor sum = leaf.mutable_grad();
        if (sum.defined()) {
            sum.add_(gradient).close();
        } else {
            try (Tensor copy = gradient.clone()) {
                sum.put(copy);
            }
        }
    }

    /** Leaves libtorch an empty tensor: the layer's memory is about to go. */
    @Override
    public void close() {
        try (Tensor nothing = torch.empty(0)) {
            leaf.set_data(nothing);
        }
        leaf.close();
        gradient.close();
        memory.close();
    }
}
