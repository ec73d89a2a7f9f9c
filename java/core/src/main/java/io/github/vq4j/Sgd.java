package io.github.vq4j;

import io.github.vq4j.internal.Batch;
import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.SteppedTensors;
import java.util.List;

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
    int parts() {
        return 3;
    }

    @Override
    void update(Kernels kernels, SteppedTensors tensors, List<Batch> unless) {
        kernels.optimizers.sgdStep(tensors, unless, learningRate(), momentum, 0);
    }
}
