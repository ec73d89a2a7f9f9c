package io.github.vq4j.examples.figures;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.EnumMap;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class TrajectoryTest {
    private static final Map<Scheme, Trajectory> TRAJECTORIES = new EnumMap<>(Scheme.class);

    @BeforeAll
    static void optimise() {
        Arrays.stream(Scheme.values()).forEach(scheme -> TRAJECTORIES.put(scheme, Trajectory.of(scheme)));
    }

    @Test
    void jointTakesMoreStepsThanAlternatedMoreThanSynchronisedAndBothTakeLeast() {
        assertTrue(steps(Scheme.JOINT) > steps(Scheme.ALTERNATED), TRAJECTORIES.toString());
        assertTrue(steps(Scheme.ALTERNATED) > steps(Scheme.SYNCHRONISED));
        assertTrue(steps(Scheme.SYNCHRONISED) >= steps(Scheme.BOTH));
    }

    @Test
    void bothIsNearestToTheStraightLine() {
        for (Scheme other : Scheme.values()) {
            if (other != Scheme.BOTH) {
                assertTrue(
                        TRAJECTORIES.get(Scheme.BOTH).deviation()
                                < TRAJECTORIES.get(other).deviation(),
                        other.title());
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void startsBesideTheCodeAndEndsWhenTheCodeIsNear(Scheme scheme) {
        Trajectory trajectory = TRAJECTORIES.get(scheme);
        assertEquals(new Trajectory.Point(-0.9, -0.9), trajectory.vector().get(0));
        assertEquals(-0.9, trajectory.code().get(0).y(), 1e-6);
        for (int step = 0; step <= trajectory.steps(); step++) {
            boolean near = trajectory.code().get(step).length() < 0.05;
            assertEquals(step == trajectory.steps(), near, "step " + step);
        }
    }

    /** The same descent in float64, written out: gradients of |zq|^2 / 2 + 0.25 commitment loss, beta 0.5, mean of two. */
    @ParameterizedTest
    @EnumSource
    void theLayerDescendsAsTheFormulasSay(Scheme scheme) {
        boolean alternated = scheme == Scheme.ALTERNATED || scheme == Scheme.BOTH;
        double nu = scheme == Scheme.SYNCHRONISED || scheme == Scheme.BOTH ? 1 : 0;
        double[] z = {-0.9, -0.9};
        double[] e = {0, -0.9};
        Trajectory trajectory = TRAJECTORIES.get(scheme);
        for (int step = 0; step <= trajectory.steps(); step++) {
            assertEquals(z[0], trajectory.vector().get(step).x(), 1e-5);
            assertEquals(z[1], trajectory.vector().get(step).y(), 1e-5);
            for (int d = 0; d < 2; d++) {
                if (alternated) {
                    e[d] -= 0.1 * (e[d] - z[d]);
                }
                double ofTask = e[d];
                double apart = 0.25 * 0.5 * (z[d] - e[d]);
                z[d] -= 0.1 * (ofTask + apart);
                e[d] -= 0.1 * (nu * ofTask - apart);
            }
        }
    }

    private static int steps(Scheme scheme) {
        return TRAJECTORIES.get(scheme).steps();
    }
}
