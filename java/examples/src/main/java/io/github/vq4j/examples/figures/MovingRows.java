package io.github.vq4j.examples.figures;

import java.util.Random;

/**
 * Rows as an encoder makes them that still learns: clusters whose centres move away from where they began, spread and
 * stop. The same seed gives the same rows.
 */
final class MovingRows {
    static final int FEATURES = 32;
    static final int ROWS = 2_048;

    private static final int CLUSTERS = 256;
    private static final double DEVIATION = 0.3;
    private static final double SHIFT = 4;

    private final double[][] centres = new double[CLUSTERS][FEATURES];
    private final double[] direction = new double[FEATURES];
    private final int moving;
    private final Random random;

    /** @param moving steps until the clusters stand still */
    MovingRows(long seed, int moving) {
        this.moving = moving;
        random = new Random(seed);
        for (double[] centre : centres) {
            for (int d = 0; d < FEATURES; d++) {
                centre[d] = random.nextGaussian();
            }
        }
        for (int d = 0; d < FEATURES; d++) {
            direction[d] = random.nextGaussian();
        }
    }

    /** The rows of a step, counted from 0. Twice their spread and four deviations off in the end. */
    float[] batch(int step) {
        double way = Math.min(1, (double) step / moving);
        float[] rows = new float[ROWS * FEATURES];
        for (int n = 0; n < ROWS; n++) {
            double[] centre = centres[random.nextInt(CLUSTERS)];
            for (int d = 0; d < FEATURES; d++) {
                double middle = (1 + way) * centre[d] + SHIFT * way * direction[d];
                rows[n * FEATURES + d] = (float) (middle + DEVIATION * random.nextGaussian());
            }
        }
        return rows;
    }

    /** The variance of a feature in rows, the mean over the features. */
    static double variance(float[] rows) {
        double total = 0;
        for (int d = 0; d < FEATURES; d++) {
            double sum = 0;
            double squares = 0;
            for (int n = d; n < rows.length; n += FEATURES) {
                sum += rows[n];
                squares += (double) rows[n] * rows[n];
            }
            int count = rows.length / FEATURES;
            total += squares / count - (sum / count) * (sum / count);
        }
        return total / FEATURES;
    }
}
