package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import java.util.List;
import org.bytedeco.javacpp.FloatPointer;

/** Stochastic gradient descent: v = momentum * v + g (v = g at the first step), p -= learningRate * v. */
public final class Sgd extends Optimizer {
    static final String KIND = "SGD";

    private final double momentum;

    Sgd(double learningRate, double momentum) {
        super(learningRate);
        this.momentum = Arguments.belowOne("momentum", momentum);
    }

    @Override
    List<String> stateNames() {
        return momentum > 0 ? List.of("velocity") : List.of();
    }

    @Override
    void describe(NamedOptions options, String name) {
        options.text(name, KIND);
        options.real(name + ".momentum", momentum);
    }

    static Sgd read(NamedOptions options, String name) {
        return new Sgd(0, options.real(name + ".momentum", 0));
    }

    @Override
    void update(Kernels kernels, FloatPointer values, FloatPointer gradient, State state) {
        state.nextStep();
        FloatPointer velocity = momentum > 0 ? state.tensor(0) : null;
        kernels.sgdStep(values, gradient, velocity, state.count(), learningRate(), momentum, 0);
    }
}
