package io.github.vq4j.torch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.vq4j.Backend;
import io.github.vq4j.Optimizer;
import io.github.vq4j.VectorQuant;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.AdamW;
import org.bytedeco.pytorch.AdamWOptions;
import org.bytedeco.pytorch.LinearImpl;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;

/** A small autoencoder trained with either kind of optimiser. */
@SuppressWarnings("try") // Scopes are there to be closed.
class TrainingTest {
    private static final int STEPS = 100;
    private static final double LEARNING_RATE = 1e-2;

    /** Encoder, quantizer and decoder. */
    private static final class Autoencoder extends Module {
        private final LinearImpl encoder;
        private final LinearImpl decoder;
        private final VectorQuantModule quantizer;

        Autoencoder() {
            torch.manual_seed(11);
            encoder = register_module("encoder", new LinearImpl(12, 4));
            decoder = register_module("decoder", new LinearImpl(4, 12));
            quantizer = register_module(
                    "quantizer",
                    new VectorQuantModule(VectorQuant.builder(4, 32)
                            .dim(-1)
                            .affineLr(0.5)
                            .syncNu(0.2)
                            .seed(5)
                            .backend(Backend.cpu())
                            .build()));
        }

        /** The objective, its gradients computed. */
        double backward(Tensor x) {
            QuantizedTensors q = quantizer.forward(encoder.forward(x));
            Tensor objective = torch.mse_loss(decoder.forward(q.output()), x).add(q.loss());
            objective.backward();
            return objective.item_float();
        }
    }

    @Test
    void bothKindsOfOptimiserLowerTheLossAndAgree() {
        double[] libtorchs = trainedWithLibtorch();
        double[] ours = trainedWithOurs();
        assertTrue(libtorchs[STEPS - 1] < 0.7 * libtorchs[0], libtorchs[0] + " -> " + libtorchs[STEPS - 1]);
        assertTrue(ours[STEPS - 1] < 0.7 * ours[0], ours[0] + " -> " + ours[STEPS - 1]);
        for (int step = 0; step < STEPS; step++) {
            assertEquals(libtorchs[step], ours[step], 1e-3 * libtorchs[step], "step " + step);
        }
    }

    private static double[] trainedWithLibtorch() {
        double[] losses = new double[STEPS];
        try (PointerScope scope = new PointerScope()) {
            Autoencoder model = new Autoencoder();
            Tensor x = data();
            AdamW optimizer = new AdamW(model.parameters(), new AdamWOptions(LEARNING_RATE));
            for (int step = 0; step < STEPS; step++) {
                optimizer.zero_grad();
                losses[step] = model.backward(x);
                optimizer.step();
            }
            model.quantizer.close();
        }
        return losses;
    }

    private static double[] trainedWithOurs() {
        double[] losses = new double[STEPS];
        try (PointerScope scope = new PointerScope();
                Optimizer ours = Optimizer.adamW(LEARNING_RATE)) {
            Autoencoder model = new Autoencoder();
            Tensor x = data();
            AdamW encoder = new AdamW(model.encoder.parameters(), new AdamWOptions(LEARNING_RATE));
            AdamW decoder = new AdamW(model.decoder.parameters(), new AdamWOptions(LEARNING_RATE));
            for (int step = 0; step < STEPS; step++) {
                encoder.zero_grad();
                decoder.zero_grad();
                losses[step] = model.backward(x);
                encoder.step();
                decoder.step();
                ours.step(model.quantizer.layer());
            }
            model.quantizer.close();
        }
        return losses;
    }

    /** Rows near sixteen centres. */
    private static Tensor data() {
        torch.manual_seed(13);
        Tensor centres = torch.randn(16, 1, 12);
        return centres.add(torch.randn(16, 16, 12).mul(new Scalar(0.1))).reshape(-1, 12);
    }
}
