package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** A layer says of itself whether the task's gradient only adds itself to the gradient of z. */
class StraightThroughTest {
    private static final int ROWS = 40;
    private static final int FEATURES = 6;
    private static final double ALPHA = 0.5;

    private static Map<String, Supplier<QuantizerBuilder<?>>> layers() {
        Map<String, Supplier<QuantizerBuilder<?>>> all = new LinkedHashMap<>();
        all.put("plain", StraightThroughTest::vectors);
        all.put("affine", () -> vectors().affineLr(2));
        all.put("moving averages", () -> vectors().ema(0.9));
        all.put("groups", () -> GroupVectorQuant.builder(FEATURES, 8, 2));
        all.put("stages", () -> ResidualVectorQuant.builder(FEATURES, 8, 2));
        all.put("sync", () -> vectors().syncNu(1));
        all.put("norm", () -> vectors().norm(Norm.BATCH));
        all.put("projection", () -> vectors().lookupSize(2));
        all.put("rotation", () -> vectors().gradientEstimator(GradientEstimator.ROTATION));
        all.put("directed", () -> vectors().gradientEstimator(GradientEstimator.DIVEQ));
        return all;
    }

    private static VectorQuant.Builder vectors() {
        return VectorQuant.builder(FEATURES, 8);
    }

    @TestFactory
    Stream<DynamicTest> itIsStraightThroughExactlyIfTheGradientsAddUp() {
        return layers().entrySet().stream()
                .map(layer -> dynamicTest(layer.getKey(), () -> {
                    // A forward may change a layer, so that each backward has its own.
                    try (Quantizer quantizer = layer.getValue()
                                    .get()
                                    .backend(Backend.cpu())
                                    .build();
                            Quantizer same = layer.getValue()
                                    .get()
                                    .backend(Backend.cpu())
                                    .build()) {
                        float[] task = normal(1);
                        List<float[]> withTask = gradients(quantizer, Tensor.of(task, ROWS, FEATURES));
                        List<float[]> ofLoss = gradients(same, null);
                        double most = 0;
                        for (int tensor = 0; tensor < withTask.size(); tensor++) {
                            for (int i = 0; i < withTask.get(tensor).length; i++) {
                                double expected = ofLoss.get(tensor)[i] + (tensor == 0 ? task[i] : 0);
                                most = Math.max(most, Math.abs(expected - withTask.get(tensor)[i]));
                            }
                        }
                        assertEquals(most < 1e-6, quantizer.isStraightThrough(), "largest difference " + most);
                    }
                }));
    }

    /** Of z and of the parameters. */
    private static List<float[]> gradients(Quantizer quantizer, Tensor task) {
        List<float[]> all = new ArrayList<>();
        quantizer.forward(Tensor.of(normal(2), ROWS, FEATURES)).close();
        try (Gradients gradients = quantizer.backward(task, ALPHA)) {
            all.add(gradients.input().toFloatArray());
        }
        quantizer.parameters().forEach(parameter -> all.add(parameter.gradient().toFloatArray()));
        return all;
    }

    private static float[] normal(long seed) {
        Random random = new Random(seed);
        float[] values = new float[ROWS * FEATURES];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }
}
