package io.github.vq4j;

import io.github.vq4j.internal.Batch;
import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Memory;
import io.github.vq4j.internal.SteppedTensors;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.LongPointer;
import org.jspecify.annotations.Nullable;

/**
 * Updates the parameters of layers from their gradients, by PyTorch's conventions. One optimiser may serve several layers.
 * The state of a code that a layer replaces is cleared. Not thread-safe.
 */
public abstract sealed class Optimizer implements AutoCloseable permits Sgd, Adam {
    private final Map<Parameter, State> states = new IdentityHashMap<>();
    private double learningRate;
    private boolean closed;

    /** State of one parameter: tensors of its shape, and the steps it has made, a number that kernels count. */
    static final class State {
        private final Parameter parameter;
        private final List<Memory<FloatPointer>> tensors = new ArrayList<>();
        private final Memory<LongPointer> steps;

        private State(Parameter parameter) {
            this.parameter = parameter;
            steps = Memory.longs(parameter.kernels(), 2);
            parameter.kernels().clear(steps.pointer(), 2 * Long.BYTES);
        }

        private FloatPointer tensor(int index) {
            return tensors.get(index).pointer();
        }

        private void addTo(SteppedTensors stepped, FloatPointer values, FloatPointer gradient) {
            List<FloatPointer> parts = new ArrayList<>(List.of(values, gradient));
            tensors.forEach(tensor -> parts.add(tensor.pointer()));
            stepped.add(count(), steps(), parts);
        }

        /** The number of elements of each tensor. */
        private long count() {
            return parameter.value().size();
        }

        private LongPointer steps() {
            return steps.pointer();
        }

        /** Takes over what another state of the same shape holds. */
        void copyFrom(State other) {
            for (int i = 0; i < tensors.size(); i++) {
                parameter.kernels().copy(tensor(i), other.tensor(i), count() * Float.BYTES);
            }
            parameter.kernels().copy(steps(), other.steps(), Long.BYTES);
        }

        /** As {@link #copyFrom}, unless the open batch has failed. */
        void commit(State other) {
            for (int i = 0; i < tensors.size(); i++) {
                parameter.kernels().commit(tensor(i), other.tensor(i), count() * Float.BYTES);
            }
            parameter.kernels().commit(steps(), other.steps(), Long.BYTES);
        }

        void visitState(StateVisitor state, String prefix, List<String> names) {
            state.number(prefix + "steps", 0, Long.MAX_VALUE - 1, this::stepsMade, value -> parameter
                    .kernels()
                    .write(new long[] {value}, steps()));
            for (int i = 0; i < names.size(); i++) {
                state.unboundedFloats(
                        prefix + names.get(i),
                        parameter.kernels(),
                        tensor(i),
                        parameter.value().shape());
            }
        }

        private long stepsMade() {
            long[] made = new long[1];
            parameter.kernels().read(steps(), made);
            return made[0];
        }

        void close() {
            for (Memory<FloatPointer> tensor : tensors) {
                parameter.removeFollower(tensor);
                tensor.close();
            }
            steps.close();
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
     * Updates parameters, in the order of the stream where their gradients come from a CUDA device, which is not waited for
     * unless they come from several streams.
     *
     * <p>A forward or backward on a device may turn out later to have found a NaN or an infinity; then too nothing has been
     * changed, and its exception comes from where {@link Quantizer#forward(Tensor)} says.
     *
     * @throws NotFiniteException if one is known to have found a NaN or an infinity; nothing has been changed then
     * @throws IllegalStateException if a parameter has no gradient yet, its layer is closed, or this optimiser is; nothing
     *     has been changed then
     */
    public void step(List<Parameter> parameters) {
        checkOpen();
        Set<Parameter> stepped = new LinkedHashSet<>(parameters);
        for (Parameter parameter : stepped) {
            parameter.value().checkOpen();
            if (!parameter.hasGradient()) {
                throw new IllegalStateException("no gradient of " + parameter + " yet; call backward before step");
            }
            parameter.throwIfFailed();
        }
        if (haveOneStream(stepped)) {
            step(stepped, sourcesOf(stepped));
        } else {
            stepped.forEach(Parameter::awaitGradient);
            stepped.forEach(parameter -> step(Set.of(parameter), List.of()));
        }
    }

    private static boolean haveOneStream(Set<Parameter> parameters) {
        Iterator<Parameter> each = parameters.iterator();
        Kernels first = each.hasNext() ? each.next().kernels() : Kernels.cpu();
        return parameters.stream().allMatch(parameter -> parameter.kernels().haveStreamOf(first));
    }

    private static List<Batch> sourcesOf(Set<Parameter> parameters) {
        return parameters.stream()
                .flatMap(parameter -> parameter.source().stream())
                .distinct()
                .toList();
    }

    /** Of parameters of one stream. */
    private void step(Set<Parameter> parameters, List<Batch> sources) {
        if (parameters.isEmpty()) {
            return;
        }
        try (SteppedTensors tensors = new SteppedTensors(parameters.size(), parts())) {
            for (Parameter parameter : parameters) {
                states.computeIfAbsent(parameter, this::newState)
                        .addTo(tensors, parameter.values(), parameter.newGradient());
            }
            update(parameters.iterator().next().kernels(), tensors, sources);
        }
        parameters.forEach(Parameter::countStep);
    }

    /** A step of one tensor, with a state that was made for as many values. */
    final void step(Kernels kernels, FloatPointer values, FloatPointer gradient, State state) {
        try (SteppedTensors tensors = new SteppedTensors(1, parts())) {
            state.addTo(tensors, values, gradient);
            update(kernels, tensors, List.of());
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

    /** What kernels have of each tensor: itself, its gradient, and room for all state that there can be. */
    abstract int parts();

    /** The step itself, unless one of the batches fails. */
    abstract void update(Kernels kernels, SteppedTensors tensors, List<Batch> unless);

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
