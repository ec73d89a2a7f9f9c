package io.github.vq4j.examples.autoencoder;

import io.github.vq4j.Device;
import io.github.vq4j.FiniteScalarQuant;
import io.github.vq4j.FiniteScalarQuantized;
import io.github.vq4j.LookupFreeQuant;
import io.github.vq4j.LookupFreeQuantized;
import io.github.vq4j.Optimizer;
import io.github.vq4j.Quantizer;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Consumer;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * A layer that is no module of libtorch, between two graphs: the encoder's ends with z, the decoder's begins with the
 * output. Backward runs through the decoder's, the layer, and the encoder's. The layer works in libtorch's memory.
 */
final class SplitLayer implements QuantizingLayer {
    private final int features;
    private final long numCodes;
    private final Forward forward;
    private final Backward backward;
    private final Runnable step;
    private final Consumer<Boolean> mode;
    private final Runnable close;
    private @Nullable Tensor z;
    private @Nullable Tensor input;
    private @Nullable Tensor output;

    /** The output of a layer, written, and what it says. */
    private interface Forward {
        Figures of(io.github.vq4j.Tensor z, io.github.vq4j.Tensor output);
    }

    /** The gradient of z, written. */
    private interface Backward {
        void of(io.github.vq4j.Tensor gradOutput, double weight, io.github.vq4j.Tensor gradInput);
    }

    private record Figures(double loss, long activeCodes, double perplexity) {}

    private SplitLayer(
            int features,
            long numCodes,
            Forward forward,
            Backward backward,
            Runnable step,
            Consumer<Boolean> mode,
            Runnable close) {
        this.features = features;
        this.numCodes = numCodes;
        this.forward = forward;
        this.backward = backward;
        this.step = step;
        this.mode = mode;
        this.close = close;
    }

    /** A layer with codebooks, which an optimiser of the library's trains as libtorch's trains the rest. */
    static SplitLayer of(Quantizer layer) {
        Optimizer optimizer = Optimizer.adamW(TrainingRun.LEARNING_RATE);
        return new SplitLayer(
                layer.featureSize(),
                layer.numCodes(),
                (z, output) -> {
                    try (io.github.vq4j.Quantized quantized = layer.forward(z, output)) {
                        return new Figures(quantized.loss(), quantized.activeCodes(), quantized.perplexity());
                    }
                },
                (gradOutput, weight, gradInput) ->
                        layer.backward(gradOutput, weight, gradInput).close(),
                () -> optimizer.step(layer),
                training -> {
                    if (training) {
                        layer.train();
                    } else {
                        layer.eval();
                    }
                },
                () -> {
                    optimizer.close();
                    layer.close();
                });
    }

    /** FSQ, which has no loss and nothing to train. */
    static SplitLayer of(FiniteScalarQuant layer) {
        return new SplitLayer(
                layer.featureSize(),
                layer.numCodes(),
                (z, output) -> {
                    try (FiniteScalarQuantized quantized = layer.forward(z, output)) {
                        return new Figures(0, quantized.activeCodes(), quantized.perplexity());
                    }
                },
                (gradOutput, weight, gradInput) ->
                        layer.backward(gradOutput, gradInput).close(),
                () -> {},
                training -> {},
                layer::close);
    }

    /** LFQ or BSQ, which have nothing to train. */
    static SplitLayer of(LookupFreeQuant layer) {
        return new SplitLayer(
                layer.featureSize(),
                layer.numCodes(),
                (z, output) -> {
                    try (LookupFreeQuantized quantized = layer.forward(z, output)) {
                        return new Figures(quantized.loss(), quantized.activeCodes(), quantized.perplexity());
                    }
                },
                (gradOutput, weight, gradInput) ->
                        layer.backward(gradOutput, weight, gradInput).close(),
                () -> {},
                training -> {},
                layer::close);
    }

    @Override
    public int features() {
        return features;
    }

    @Override
    public long numCodes() {
        return numCodes;
    }

    @Override
    public Optional<Module> module() {
        return Optional.empty();
    }

    @Override
    public Quantized forward(Tensor encoded) {
        z = encoded;
        input = encoded.detach().contiguous();
        Tensor written = torch.empty_like(input);
        Figures figures = forward.of(shared(input), shared(written));
        output = written.requires_grad_();
        return new Quantized(output, figures.loss, figures.activeCodes, figures.perplexity);
    }

    @Override
    public void backward(Tensor taskLoss, double weight) {
        taskLoss.backward();
        Tensor gradOutput = Objects.requireNonNull(output).grad().contiguous();
        Tensor gradInput = torch.empty_like(gradOutput);
        backward.of(shared(gradOutput), weight, shared(gradInput));
        torch.mul(Objects.requireNonNull(z), gradInput).sum().backward();
    }

    @Override
    public void step() {
        step.run();
    }

    @Override
    public void train(boolean training) {
        mode.accept(training);
    }

    @Override
    public void close() {
        close.run();
    }

    /** What kernels see of contiguous images. */
    static io.github.vq4j.Tensor shared(Tensor images) {
        long[] shape = {images.size(0), images.size(1), images.size(2), images.size(3)};
        return io.github.vq4j.Tensor.ofAddress(images.data_ptr().address(), Device.HOST, shape);
    }
}
