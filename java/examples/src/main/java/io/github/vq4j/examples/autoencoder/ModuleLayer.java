package io.github.vq4j.examples.autoencoder;

import io.github.vq4j.VectorQuant;
import io.github.vq4j.torch.QuantizedTensors;
import io.github.vq4j.torch.VectorQuantModule;
import java.util.Objects;
import java.util.Optional;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/** A {@link VectorQuant} as a module of libtorch: one backward of the whole objective, one optimiser of all parameters. */
final class ModuleLayer implements QuantizingLayer {
    private final VectorQuantModule module;
    private @Nullable QuantizedTensors last;

    ModuleLayer(VectorQuant layer) {
        module = new VectorQuantModule(layer);
    }

    /** The layer itself. */
    VectorQuant layer() {
        return module.layer();
    }

    /** What the last forward gave. */
    QuantizedTensors last() {
        return Objects.requireNonNull(last);
    }

    @Override
    public int features() {
        return module.layer().featureSize();
    }

    @Override
    public long numCodes() {
        return module.layer().numCodes();
    }

    @Override
    public Optional<Module> module() {
        return Optional.of(module);
    }

    @Override
    public Quantized forward(Tensor z) {
        QuantizedTensors quantized = module.forward(z);
        last = quantized;
        return new Quantized(
                quantized.output(), quantized.loss().item_float(), quantized.activeCodes(), quantized.perplexity());
    }

    @Override
    public void backward(Tensor taskLoss, double weight) {
        taskLoss.add(last().loss().mul(new Scalar(weight))).backward();
    }

    /** Does nothing: libtorch trains all of it. */
    @Override
    public void step() {}

    @Override
    public void train(boolean training) {
        module.train(training);
    }

    @Override
    public void close() {
        module.close();
    }
}
