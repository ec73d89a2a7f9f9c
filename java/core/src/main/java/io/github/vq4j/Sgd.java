package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import org.bytedeco.javacpp.FloatPointer;

/** Stochastic gradient descent: v = momentum * v + g (v = g at the first step), p -= learningRate * v. */
public final class Sgd extends Optimizer {
    private final double momentum;

    Sgd(double learningRate, double momentum) {
        super(learningRate);
        this.momentum = Arguments.belowOne("momentum", momentum);
    }

    @Override
    int stateTensors() {
        return momentum > 0 ? 1 : 0;
    }

    @Override
    void update(Kernels kernels, FloatPointer values, FloatPointer gradient, State state) {
        state.nextStep();
        FloatPointer velocity = momentum > 0 ? state.tensor(0) : null;
        kernels.sgdStep(values, gradient, velocity, state.count(), learningRate(), momentum, 0);
    }
}
