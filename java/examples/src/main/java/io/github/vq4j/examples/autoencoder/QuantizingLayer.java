package io.github.vq4j.examples.autoencoder;

import java.util.Optional;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Tensor;

/** A layer of the library between the encoder and the decoder, which are libtorch's. */
interface QuantizingLayer extends AutoCloseable {
    /**
     * What a layer says about a batch.
     *
     * @param output what the decoder gets, of z's shape
     * @param loss the layer's own, 0 where it has none
     * @param activeCodes codes that the batch uses
     * @param perplexity of the batch's codes
     */
    record Quantized(Tensor output, double loss, long activeCodes, double perplexity) {}

    /** Channels that the encoder has to make. */
    int features();

    /** K. */
    long numCodes();

    /** What libtorch trains of it, if anything. */
    Optional<Module> module();

    /** Quantizes z, B x features x H x W, in the mode of {@link #train}. */
    Quantized forward(Tensor z);

    /**
     * Gradients of taskLoss + weight * loss for the whole model, after the last forward.
     *
     * @param taskLoss a function of the output of that forward
     */
    void backward(Tensor taskLoss, double weight);

    /** Updates what libtorch does not train. */
    void step();

    /** Switches to training or to inference. */
    void train(boolean training);

    @Override
    void close();
}
