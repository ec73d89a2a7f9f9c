package io.github.vq4j.examples.autoencoder;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class PrincipalPlaneTest {
    /** Orthogonal; the largest component of each is positive. */
    private static final double[] FIRST = {0.6, 0, 0.8, 0};

    private static final double[] SECOND = {0, 1, 0, 0};
    private static final double[] THIRD = {0.8, 0, -0.6, 0};

    @Test
    void findsTheAxesOfLargestSpreadAndTheirSigns() {
        Random random = new Random(1);
        List<float[]> vectors = new ArrayList<>();
        double[][] coordinates = new double[2000][];
        for (int n = 0; n < coordinates.length; n += 2) {
            double x = 5 * random.nextGaussian();
            double y = 2 * random.nextGaussian();
            double z = 0.1 * random.nextGaussian();
            // Each with its mirror images: the axes are exact, and the mean too.
            coordinates[n] = new double[] {x, y, z};
            coordinates[n + 1] = new double[] {-x, y, z};
        }
        for (double[] at : coordinates) {
            for (double[] signed : List.of(at, new double[] {at[0], -at[1], at[2]})) {
                for (double side : new double[] {-1, 1}) {
                    vectors.add(vector(signed[0], signed[1], side * signed[2]));
                }
            }
        }
        PrincipalPlane plane = PrincipalPlane.of(vectors);
        for (int n = 0; n < coordinates.length; n += 97) {
            PrincipalPlane.Point point = plane.project(vector(coordinates[n][0], coordinates[n][1], coordinates[n][2]));
            assertEquals(coordinates[n][0], point.x(), 1e-4);
            assertEquals(coordinates[n][1], point.y(), 1e-4);
        }
    }

    @Test
    void vectorsThatAreAllEqualFallOnOnePoint() {
        List<float[]> vectors = List.of(new float[] {1, 2, 3}, new float[] {1, 2, 3});
        PrincipalPlane.Point point = PrincipalPlane.of(vectors).project(vectors.get(0));
        assertEquals(new PrincipalPlane.Point(0, 0), point);
    }

    /** Around a mean away from the origin. */
    private static float[] vector(double x, double y, double z) {
        float[] vector = new float[4];
        for (int d = 0; d < 4; d++) {
            vector[d] = (float) (3 + x * FIRST[d] + y * SECOND[d] + z * THIRD[d]);
        }
        return vector;
    }
}
