package io.github.vq4j;

import static io.github.vq4j.GroupVectorQuantTest.refused;
import static io.github.vq4j.TrainingPhases.Phase.COMMITMENT;
import static io.github.vq4j.TrainingPhases.Phase.TASK;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class TrainingPhasesTest {
    @Test
    void everyRoundBeginsWithTheCommitmentLoss() {
        TrainingPhases phases = new TrainingPhases(2, 1);
        assertEquals(
                List.of(COMMITMENT, COMMITMENT, TASK, COMMITMENT, COMMITMENT, TASK, COMMITMENT),
                Stream.generate(phases::next).limit(7).toList());
    }

    @Test
    void aRoundNeedsBothPhases() {
        refused(() -> new TrainingPhases(0, 1), "commitmentSteps", "0");
        refused(() -> new TrainingPhases(1, -2), "taskSteps", "-2");
    }
}
