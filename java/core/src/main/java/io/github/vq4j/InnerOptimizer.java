package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import org.bytedeco.javacpp.FloatPointer;
import org.jspecify.annotations.Nullable;

/**
 * The inner optimiser of alternated optimisation: steps of one codebook along the gradient of mean((e - sg(z))^2), taken
 * inside the forward on copies of the codebook and of the optimiser's state, which are taken over when the forward has
 * succeeded.
 */
final class InnerOptimizer implements AutoCloseable {
    /** What alternated optimisation does. */
    record Options(Optimizer optimizer, int steps, boolean reassigns) {
        static @Nullable Options visit(NamedOptions options, @Nullable Options value) {
            Optimizer optimizer = Optimizer.visitOptions(options, "alternated", value == null ? null : value.optimizer);
            if (optimizer == null) {
                return null;
            }
            int steps = options.integer("alternated.steps", value == null ? 1 : value.steps);
            boolean reassigns = options.flag("alternated.reassigns", value != null && value.reassigns);
            return new Options(optimizer, Arguments.atLeastOne("alternated.steps", steps), reassigns);
        }
    }

    private final Options options;
    private final Optimizer.State state;
    private final Optimizer.State next;

    InnerOptimizer(Options options, Parameter codebook) {
        this.options = options;
        state = options.optimizer.newState(codebook);
        next = options.optimizer.newState(codebook);
    }

    int steps() {
        return options.steps;
    }

    boolean reassigns() {
        return options.reassigns;
    }

    /** Starts from where the last forward that succeeded has left the state. */
    void begin() {
        next.copyFrom(state);
    }

    void step(Kernels kernels, FloatPointer codebook, FloatPointer gradient) {
        options.optimizer.step(kernels, codebook, gradient, next);
    }

    /** Takes the steps of a forward over, unless its batch has failed. */
    void commit() {
        state.commit(next);
    }

    void visitState(StateVisitor visitor, String prefix) {
        options.optimizer.visitSettings(visitor, prefix + "alternated.");
        state.visitState(visitor, prefix + "alternated.", options.optimizer.stateNames());
    }

    @Override
    public void close() {
        state.close();
        next.close();
    }
}
