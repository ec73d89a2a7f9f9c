package io.github.vq4j;

import io.github.vq4j.internal.Batch;
import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.SteppedTensors;
import java.util.List;

/**
 * Adam and AdamW: m and v the bias-corrected averages of the gradient and its square, p -= learningRate * m / (sqrt(v) +
 * epsilon); AdamW first does p -= learningRate * weightDecay * p.
 */
public final class Adam extends Optimizer {
    static final String KIND = "Adam";

    private final double weightDecay;
    private final boolean decoupled;
    private double beta1 = 0.9;
    private double beta2 = 0.999;
    private double epsilon = 1e-8;

    Adam(double learningRate, double weightDecay, boolean decoupled) {
        super(learningRate);
        this.weightDecay = Arguments.notNegative("weightDecay", weightDecay);
        this.decoupled = decoupled;
    }

    /** Sets the decay of the averages of the gradient and of its square, in [0, 1); (0.9, 0.999) by default. */
    public Adam betas(double beta1, double beta2) {
        this.beta1 = Arguments.belowOne("beta1", beta1);
        this.beta2 = Arguments.belowOne("beta2", beta2);
        return this;
    }

    /** Sets what is added to the denominator; 1e-8 by default. */
    public Adam epsilon(double epsilon) {
        this.epsilon = Arguments.notNegative("epsilon", epsilon);
        return this;
    }

    @Override
    List<String> stateNames() {
        return List.of("firstMoment", "secondMoment");
    }

    @Override
    void describe(NamedOptions options, String name) {
        options.text(name, KIND);
        options.real(name + ".weightDecay", weightDecay);
        options.flag(name + ".decoupled", decoupled);
    }

    static Adam read(NamedOptions options, String name) {
        return new Adam(0, options.real(name + ".weightDecay", 0), options.flag(name + ".decoupled", false));
    }

    @Override
    void visitSettings(StateVisitor state, String prefix) {
        super.visitSettings(state, prefix);
        state.real(prefix + "beta1", () -> beta1, beta -> Arguments.belowOne("beta1", beta), beta -> beta1 = beta);
        state.real(prefix + "beta2", () -> beta2, beta -> Arguments.belowOne("beta2", beta), beta -> beta2 = beta);
        state.real(
                prefix + "epsilon",
                () -> epsilon,
                value -> Arguments.notNegative("epsilon", value),
                value -> epsilon = value);
    }

    @Override
    int parts() {
        return 4;
    }

    @Override
    void update(Kernels kernels, SteppedTensors tensors, List<Batch> unless) {
        kernels.optimizers.adamStep(tensors, unless, learningRate(), beta1, beta2, epsilon, weightDecay, decoupled);
    }
}
