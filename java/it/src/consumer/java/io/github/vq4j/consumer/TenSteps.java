package io.github.vq4j.consumer;

import io.github.vq4j.Backend;
import io.github.vq4j.Gradients;
import io.github.vq4j.Optimizer;
import io.github.vq4j.Quantized;
import io.github.vq4j.Tensor;
import io.github.vq4j.VectorQuant;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;

/** Trains ten steps, as a stranger's program would. */
public final class TenSteps {
    private static final int ROWS = 256;
    private static final int FEATURES = 16;

    private TenSteps() {}

    /**
     * Fails unless the loss falls.
     *
     * @param arguments not used
     */
    public static void main(String[] arguments) {
        requireReason();
        Random random = new Random(0);
        float[] rows = new float[ROWS * FEATURES];
        for (int i = 0; i < rows.length; i++) {
            rows[i] = (float) random.nextGaussian();
        }
        Tensor z = Tensor.of(rows, ROWS, FEATURES);
        double first = Double.NaN;
        double last = Double.NaN;
        try (VectorQuant layer = VectorQuant.builder(FEATURES, 32).seed(1).build();
                Optimizer optimizer = Optimizer.sgd(30)) {
            for (int step = 0; step < 10; step++) {
                try (Quantized q = layer.forward(z);
                        Gradients gradients = layer.backward(null, 1)) {
                    require(
                            gradients.input().size() == rows.length,
                            gradients.input().toString());
                    optimizer.step(layer);
                    last = q.loss();
                    first = step == 0 ? last : first;
                }
            }
            System.out.println(layer + ": loss " + first + ", after ten steps " + last);
        }
        require(last < 0.8 * first, "the loss went from " + first + " to " + last);
    }

    /** With the CUDA library on the class path and no driver on the machine, the reason is the driver. */
    private static void requireReason() {
        boolean library = TenSteps.class.getResource("/io/github/vq4j/internal/linux-x86_64/libvq4j_cuda.so") != null;
        if (library && !Files.exists(Path.of("/dev/nvidiactl"))) {
            String reason = Backend.whyNoCuda().orElse("none");
            require(reason.contains("driver"), "need a reason that names the driver, got: " + reason);
            System.out.println("no CUDA: " + reason);
        }
    }

    private static void require(boolean holds, String message) {
        if (!holds) {
            throw new IllegalStateException(message);
        }
    }
}
