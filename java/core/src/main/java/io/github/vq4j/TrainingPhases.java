package io.github.vq4j;

/**
 * The order of steps of alternated optimisation in training, coordinate descent on the two losses (paper, section 4.3):
 * first steps on the commitment loss alone, which move encoder and codebook towards each other, then steps on the task
 * loss alone, round after round.
 *
 * <pre>{@code
 * TrainingPhases phases = new TrainingPhases(1, 1);
 * for (...) {
 *     switch (phases.next()) {
 *         case COMMITMENT -> layer.backward(null, alpha);         // task weight 0
 *         case TASK -> layer.backward(gradientOfTheTask, 0);      // commitment weight 0
 *     }
 *     ...
 * }
 * }</pre>
 *
 * Not thread-safe.
 */
public final class TrainingPhases {
    /** What a step descends on. */
    public enum Phase {
        /** The commitment loss alone: encoder and codebook. */
        COMMITMENT,
        /** The task loss alone: the whole model. */
        TASK
    }

    private final int commitmentSteps;
    private final int taskSteps;
    private int position;

    /**
     * Starts a round with the commitment loss.
     *
     * @param commitmentSteps of each round, at least 1
     * @param taskSteps of each round, at least 1
     */
    public TrainingPhases(int commitmentSteps, int taskSteps) {
        this.commitmentSteps = Arguments.atLeastOne("commitmentSteps", commitmentSteps);
        this.taskSteps = Arguments.atLeastOne("taskSteps", taskSteps);
    }

    /** The phase of the next step. */
    public Phase next() {
        Phase phase = position < commitmentSteps ? Phase.COMMITMENT : Phase.TASK;
        position = position + 1 == commitmentSteps + taskSteps ? 0 : position + 1;
        return phase;
    }
}
