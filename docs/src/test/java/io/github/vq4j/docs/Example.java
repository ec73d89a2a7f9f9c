package io.github.vq4j.docs;

// docs: example
import io.github.vq4j.*;
import java.util.Random;

public class Example {
    public static void main(String[] arguments) {
        float[] rows = new float[4096 * 16];
        Random random = new Random(1);
        for (int i = 0; i < rows.length; i++) rows[i] = (float) random.nextGaussian();
        Tensor z = Tensor.of(rows, 4096, 16);
        try (VectorQuant layer = VectorQuant.builder(16, 256)
                        .dim(-1)
                        .kmeansInit(true)
                        .affineLr(2)
                        .build();
                Optimizer optimizer = Optimizer.adamW(1e-3)) {
            for (int step = 0; step < 100; step++) {
                try (Quantized q = layer.forward(z);
                        Gradients gradients = layer.backward(null, 1.0)) {
                    if (step % 25 == 0)
                        System.out.printf(
                                "step %3d  loss %.4f  perplexity %.1f  active %d%n",
                                step, q.loss(), q.perplexity(), q.activeCodes());
                }
                optimizer.step(layer);
            }
            int[] codes = layer.eval().encode(z).toIntArray();
            System.out.println("code of the first row: " + codes[0]);
        }
    }
}
// docs: end
