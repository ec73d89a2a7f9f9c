package io.github.vq4j.docs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.vq4j.Optimizer;
import io.github.vq4j.VectorQuant;
import io.github.vq4j.torch.QuantizedTensors;
import io.github.vq4j.torch.VectorQuantModule;
import java.nio.file.Path;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.AdamW;
import org.bytedeco.pytorch.AdamWOptions;
import org.bytedeco.pytorch.InputArchive;
import org.bytedeco.pytorch.LinearImpl;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.OutputArchive;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The snippets about libtorch. */
@SuppressWarnings("try") // Scopes are there to be closed.
class TorchTest {
    @TempDir
    private Path folder;

    // docs: module
    static final class Autoencoder extends Module {
        final LinearImpl encoder = register_module("encoder", new LinearImpl(64, 16));
        final VectorQuantModule quantizer = register_module(
                "quantizer",
                new VectorQuantModule(VectorQuant.builder(16, 128)
                        .dim(-1)
                        .kmeansInit(true)
                        .affineLr(1)
                        .build()));
        final LinearImpl decoder = register_module("decoder", new LinearImpl(16, 64));

        Tensor objective(Tensor x) {
            QuantizedTensors q = quantizer.forward(encoder.forward(x));
            return torch.mse_loss(decoder.forward(q.output()), x).add(q.loss());
        }
    }
    // docs: end

    @Test
    void trains() {
        Tensor data = torch.randn(256, 64);
        // docs: train
        Autoencoder model = new Autoencoder();
        AdamW optimizer = new AdamW(model.parameters(), new AdamWOptions(1e-3));
        double last = 0;
        for (int step = 0; step < 20; step++) {
            try (PointerScope scope = new PointerScope()) { // gives the tensors of the step back
                Tensor objective = model.objective(data);
                optimizer.zero_grad();
                objective.backward(); // encoder, codebook, affine and decoder
                optimizer.step();
                last = objective.item_double();
            }
        }
        // docs: end
        assertTrue(last > 0 && last < 3, "" + last);
        model.quantizer.close();
    }

    @Test
    void codesAreReplacedInTheOptimizersOfVq4j() {
        Autoencoder model = new Autoencoder();
        Tensor data = torch.randn(256, 64);
        // docs: own-optimizer
        AdamW rest = new AdamW(model.encoder.parameters(), new AdamWOptions(1e-3));
        Optimizer ofCodes = Optimizer.adamW(1e-3); // forgets the moments of a code that is replaced
        model.objective(data).backward();
        rest.step();
        ofCodes.step(model.quantizer.layer());
        // docs: end
        ofCodes.close();
        model.quantizer.close();
    }

    @Test
    void savesAndLoads() {
        Autoencoder model = new Autoencoder();
        model.objective(torch.randn(256, 64));
        String file = folder.resolve("model.pt").toString();
        // docs: archive
        OutputArchive written = new OutputArchive();
        model.save(written); // the quantizer's whole state too: codebook, moments, counters
        written.save_to(file);

        Autoencoder other = new Autoencoder();
        InputArchive read = new InputArchive();
        read.load_from(file);
        other.load(read);

        Map<String, Tensor> state = other.quantizer.stateDict(); // by name; loadStateDict takes it back
        // docs: end
        assertTrue(
                torch.equal(state.get("codebook"), model.quantizer.parameters().get(0)));
        model.quantizer.close();
        other.quantizer.close();
    }

    @Test
    void takesMasksAndSixteenBits() {
        Autoencoder model = new Autoencoder();
        // docs: inference
        model.eval();
        model.to(ScalarType.BFloat16, false); // the layer stays in 32 bits, output and gradient have z's type
        try (NoGradGuard noGradient = new NoGradGuard()) {
            Tensor tokens = torch.randn(2, 5, 64).to(ScalarType.BFloat16); // B x N x D
            Tensor mask = torch.ones(2, 5).to(ScalarType.Bool); // false where there is padding
            QuantizedTensors q = model.quantizer.forward(model.encoder.forward(tokens), mask);
            Tensor codes = q.codes(); // B x N, Long
            // docs: end
            assertEquals(10, codes.numel());
            assertEquals(ScalarType.BFloat16, q.output().scalar_type().intern());
        }
        model.quantizer.close();
    }
}
