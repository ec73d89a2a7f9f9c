package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Memory;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.FloatPointer;
import org.jspecify.annotations.Nullable;

/**
 * Updates the parameters of layers from their gradients, by PyTorch's conventions. One optimiser may serve several layers.
 * The state of a code that a layer replaces is cleared. Not thread-safe.
 */
public abstract sealed class Optimizer implements AutoCloseable permits Sgd, Adam {
    private final Map<Parameter, State> states = new IdentityHashMap<>();
    private double learningRate;
    private boolean closed;

    /** State of one parameter: tensors of its shape, and the steps it has made. */
    static final class State {
        private final Parameter parameter;
        private final List<Memory<FloatPointer>> tensors = new ArrayList<>();
        private long steps;

        private State(Parameter parameter) {
            this.parameter = parameter;
        }

        FloatPointer tensor(int index) {
            return tensors.get(index).pointer();
        }

        /** The number of elements of each tensor. */
        long count() {
            return parameter.value().size();
        }

        /** The number of the step that begins, from 1. */
        long nextStep() {
            return ++steps;
        }

        /** Takes over what another state of the same shape holds. */
        void copyFrom(State other) {
            for (int i = 0; i < tensors.size(); i++) {
                parameter.kernels().copy(tensor(i), other.tensor(i), count() * Float.BYTES);
            }
            steps = other.steps;
        }

        /** As {@link #copyFrom}, unless the open batch has failed. */
        void commit(State other) {
            for (int i = 0; i < tensors.size(); i++) {
                parameter.kernels().commit(tensor(i), other.tensor(i), count() * Float.BYTES);
            }
            steps = other.steps;
        }

        /** Forgets as many steps. */
        void takeBack(int number) {
            steps -= number;
        }

        void visitState(StateVisitor state, String prefix, List<String> names) {
            state.number(prefix + "steps", 0, Long.MAX_VALUE - 1, () -> steps, value -> steps = value);
            for (int i = 0; i < names.size(); i++) {
                state.floats(
                        prefix + names.get(i),
                        parameter.kernels(),
                        tensor(i),
                        parameter.value().shape());
            }
        }

        void close() {
            for (Memory<FloatPointer> tensor : tensors) {
                parameter.removeFollower(tensor);
                tensor.close();
            }
        }
    }

    Optimizer(double learningRate) {
        setLearningRate(learningRate);
    }

    /** Stochastic gradient descent without momentum. */
    public static Sgd sgd(double learningRate) {
        return new Sgd(learningRate, 0);
    }

    /** Stochastic gradient descent: v = momentum * v + g, p -= learningRate * v. */
    public static Sgd sgd(double learningRate, double momentum) {
        return new Sgd(learningRate, momentum);
    }

    /** Adam with betas (0.9, 0.999) and epsilon 1e-8, without weight decay. */
    public static Adam adam(double learningRate) {
        return new Adam(learningRate, 0, false);
    }

    /** AdamW with betas (0.9, 0.999), epsilon 1e-8 and a decoupled weight decay of 0.01. */
    public static Adam adamW(double learningRate) {
        return adamW(learningRate, 0.01);
    }

    /** AdamW with betas (0.9, 0.999), epsilon 1e-8: p -= learningRate * weightDecay * p before each step. */
    public static Adam adamW(double learningRate, double weightDecay) {
        return new Adam(learningRate, weightDecay, true);
    }

    /** Updates all parameters of a layer; {@link Quantizer#backward} must have been called. */
    public void step(Quantizer layer) {
        step(layer.parameters());
    }

    /**
     * Updates parameters, once their gradients are there.
     *
     * @throws NotFiniteException if a forward or backward on a CUDA device has found a NaN or an infinity; nothing has been
     *     changed then
     * @throws IllegalStateException if one has no gradient yet, its layer is closed, or this optimiser is; nothing has been
     *     changed then
     */
    public void step(List<Parameter> parameters) {
        checkOpen();
        for (Parameter parameter : parameters) {
            parameter.value().checkOpen();
            if (!parameter.hasGradient()) {
                throw new IllegalStateException("no gradient of " + parameter + " yet; call backward before step");
            }
            parameter.awaitGradient();
        }
        for (Parameter parameter : parameters) {
            State state = states.computeIfAbsent(parameter, this::newState);
            update(parameter.kernels(), parameter.values(), parameter.gradient().floats(), state);
        }
    }

    /** The learning rate of the next step. */
    public double learningRate() {
        return learningRate;
    }

    /** Sets the learning rate of the next steps: finite, at least 0. */
    public final void setLearningRate(double learningRate) {
        this.learningRate = Arguments.notNegative("learningRate", learningRate);
    }

    /** Gives the state's memory back; a second call does nothing. */
    @Override
    public void close() {
        closed = true;
        states.values().forEach(State::close);
        states.clear();
    }

    /** The names of the tensors of state that a parameter has. */
    abstract List<String> stateNames();

    /** What the optimiser was made with and cannot be changed. */
    abstract void describe(NamedOptions options, String name);

    /** What can be set between steps. */
    void visitSettings(StateVisitor state, String prefix) {
        state.real(
                prefix + "learningRate",
                this::learningRate,
                rate -> Arguments.notNegative("learningRate", rate),
                this::setLearningRate);
    }

    /** All that the optimiser has of these parameters; where it has none yet, that is all zero. */
    final void visitState(StateVisitor state, String prefix, List<Parameter> parameters) {
        checkOpen();
        visitSettings(state, prefix);
        for (Parameter parameter : parameters) {
            states.computeIfAbsent(parameter, this::newState)
                    .visitState(state, prefix + parameter.name() + ".", stateNames());
        }
    }

    /** The options of an optimiser, or of none; read back, a new one of learning rate 0. */
    static @Nullable Optimizer visitOptions(NamedOptions options, String name, @Nullable Optimizer value) {
        if (!options.reads()) {
            if (value == null) {
                options.text(name, "none");
            } else {
                value.describe(options, name);
            }
            return value;
        }
        String kind = options.text(name, "none");
        return switch (kind) {
            case "none" -> null;
            case Sgd.KIND -> Sgd.read(options, name);
            case Adam.KIND -> Adam.read(options, name);
            default -> throw options.unusable(name, "none, " + Sgd.KIND + " or " + Adam.KIND, kind);
        };
    }

    /** Whether a step depends on how many there have been, a number that the host keeps. */
    boolean countsSteps() {
        return false;
    }

    /** The step itself, on as many values as the state has been made for. */
    abstract void update(Kernels kernels, FloatPointer values, FloatPointer gradient, State state);

    private void checkOpen() {
        if (closed) {
            throw new IllegalStateException("this " + getClass().getSimpleName() + " is closed");
        }
    }

    /** New state for a parameter, all zero; its rows are cleared where codes are replaced. */
    final State newState(Parameter parameter) {
        State state = new State(parameter);
        for (int i = 0; i < stateNames().size(); i++) {
            long count = parameter.value().size();
            Memory<FloatPointer> tensor = Memory.floats(parameter.kernels(), count);
            parameter.kernels().clear(tensor.pointer(), count * Float.BYTES);
            parameter.addFollower(tensor);
            state.tensors.add(tensor);
        }
        return state;
    }
}
