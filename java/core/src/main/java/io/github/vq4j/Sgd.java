package io.github.vq4j;

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
    void update(Parameter parameter, State state, long step) {
        parameter
                .kernels()
                .sgdStep(
                        parameter.values(),
                        parameter.gradient().floats(),
                        momentum > 0 ? state.tensor(0) : null,
                        parameter.value().size(),
                        learningRate(),
                        momentum,
                        0);
    }
}
