package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.LongRange;

/** The reference's gradients are the central differences of its objective. */
class ReferenceGradientTest {
    private static final double STEP = 1e-5;

    @Property(tries = 200, seed = "1")
    void gradientsAreCentralDifferences(
            @ForAll @LongRange(min = 0, max = 1_000_000) long seed, @ForAll boolean training) {
        LayerCase layer = LayerCase.random(seed);
        Layout layout = layer.layout();
        int samples = layout.samples();
        ReferenceVectorQuant reference = new ReferenceVectorQuant(
                layer.options(), new Layout(new long[] {layer.codes(), layout.features()}, 1).rowsOf(layer.codebook()));
        double[][] z = layout.rowsOf(layer.batch(0));
        double[][] g = layout.rowsOf(layer.gradient(0));
        reference.forward(z, samples, true);
        ReferenceVectorQuant.Forward at = reference.forward(z, samples, training);
        ReferenceVectorQuant.Gradient gradient = reference.backward(at, g, 1.5, samples, training);

        check("z", z, gradient.input(), () -> reference.objective(at, z, g, 1.5, samples, training));
        List<double[][]> parameters = reference.parameters();
        assertEquals(parameters.size(), gradient.parameters().size());
        for (int p = 0; p < parameters.size(); p++) {
            check(
                    "parameter " + p,
                    parameters.get(p),
                    gradient.parameters().get(p),
                    () -> reference.objective(at, z, g, 1.5, samples, training));
        }
    }

    private interface Objective {
        double value();
    }

    private static void check(String name, double[][] values, double[][] gradient, Objective objective) {
        // Every element of small tensors, some of large ones.
        int stride = Math.max(1, values.length * values[0].length / 40);
        for (int i = 0; i < values.length * values[0].length; i += stride) {
            int n = i / values[0].length;
            int d = i % values[0].length;
            double value = values[n][d];
            values[n][d] = value + STEP;
            double above = objective.value();
            values[n][d] = value - STEP;
            double below = objective.value();
            values[n][d] = value;
            double difference = (above - below) / (2 * STEP);
            assertEquals(
                    difference, gradient[n][d], 1e-6 * Math.max(1, Math.abs(difference)), name + " at " + n + ", " + d);
        }
    }
}
