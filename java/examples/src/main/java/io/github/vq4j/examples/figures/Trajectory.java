package io.github.vq4j.examples.figures;

import io.github.vq4j.Gradients;
import io.github.vq4j.Optimizer;
import io.github.vq4j.Quantized;
import io.github.vq4j.Tensor;
import io.github.vq4j.VectorQuant;
import java.util.ArrayList;
import java.util.List;

/**
 * The way of a vector z and its code to the optimum of a task on the quantized vector, |zq|^2 / 2, which lies at the
 * origin. z starts at (-0.9, -0.9) and the code beside it at (0, -0.9): the shortest way of z is the diagonal.
 *
 * @param scheme how both are optimised
 * @param vector z at the beginning of every step, and at the end
 * @param code what the layer made of z there, zq
 */
record Trajectory(Scheme scheme, List<Point> vector, List<Point> code) {
    /** As near as the code has to come. */
    static final double NEAR = 0.05;

    private static final Point START_OF_VECTOR = new Point(-0.9, -0.9);
    private static final Point START_OF_CODE = new Point(0, -0.9);
    private static final double LEARNING_RATE = 0.1;
    private static final double COMMITMENT_WEIGHT = 0.25;
    private static final int MOST_STEPS = 10_000;

    /** A place in the plane. */
    record Point(double x, double y) {
        static Point of(Tensor row) {
            float[] values = row.toFloatArray();
            return new Point(values[0], values[1]);
        }

        Tensor toTensor() {
            return Tensor.of(new float[] {(float) x, (float) y}, 1, 2);
        }

        double length() {
            return Math.hypot(x, y);
        }

        Point minus(double factor, Point other) {
            return new Point(x - factor * other.x, y - factor * other.y);
        }
    }

    /** Steps of gradient descent until the code is near the optimum. */
    static Trajectory of(Scheme scheme) {
        List<Point> vector = new ArrayList<>();
        List<Point> code = new ArrayList<>();
        try (VectorQuant layer = scheme.layer();
                Optimizer optimizer = Optimizer.sgd(LEARNING_RATE)) {
            layer.setCodebook(START_OF_CODE.toTensor());
            Point z = START_OF_VECTOR;
            while (vector.size() <= MOST_STEPS) {
                vector.add(z);
                try (Quantized quantized = layer.forward(z.toTensor())) {
                    Point zq = Point.of(quantized.output());
                    code.add(zq);
                    if (zq.length() < NEAR) {
                        return new Trajectory(scheme, vector, code);
                    }
                    // The gradient of |zq|^2 / 2 is zq itself.
                    try (Gradients gradients = layer.backward(quantized.output(), COMMITMENT_WEIGHT)) {
                        z = z.minus(LEARNING_RATE, Point.of(gradients.input()));
                    }
                    optimizer.step(layer);
                }
            }
        }
        throw new IllegalStateException(
                "the code of " + scheme + " is not near the optimum after " + MOST_STEPS + " steps");
    }

    /** Steps that were made. */
    int steps() {
        return vector.size() - 1;
    }

    /** The longest distance of z from the straight line between its start and the optimum. */
    double deviation() {
        return vector.stream()
                .mapToDouble(point -> Math.abs(point.x() - point.y()) / Math.sqrt(2))
                .max()
                .orElseThrow();
    }
}
