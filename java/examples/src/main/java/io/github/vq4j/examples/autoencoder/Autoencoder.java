package io.github.vq4j.examples.autoencoder;

import io.github.vq4j.torch.QuantizedTensors;
import io.github.vq4j.torch.QuantizerModule;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.pytorch.Conv2dImpl;
import org.bytedeco.pytorch.Conv2dOptions;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * A convolutional autoencoder whose code is one vector for every 4 x 4 pixels, quantized: two convolutions with
 * max-pooling before the layer, two with upsampling after it.
 */
final class Autoencoder extends Module implements AutoCloseable {
    /** How often an image's sides are halved. */
    static final int DOWNSAMPLING = 4;

    private static final int HIDDEN = 16;

    private final QuantizerModule quantizer;
    private final Conv2dImpl toFeatures;
    private final Conv2dImpl toCode;
    private final Conv2dImpl fromCode;
    private final Conv2dImpl toImage;

    /**
     * Images after encoding and decoding, and what the layer says about their codes.
     *
     * @param images in [-1, 1]
     * @param quantized of the encoded images
     */
    record Reconstruction(Tensor images, QuantizedTensors quantized) {}

    /** Draws the weights: libtorch's with its own random numbers, the layer's with the seed. */
    Autoencoder(Method method, long seed) {
        quantizer = method.layer(seed);
        toFeatures = register_module("toFeatures", convolution(1, HIDDEN));
        toCode = register_module("toCode", convolution(HIDDEN, quantizer.featureSize()));
        fromCode = register_module("fromCode", convolution(quantizer.featureSize(), HIDDEN));
        toImage = register_module("toImage", convolution(HIDDEN, 1));
        register_module("quantizer", quantizer);
    }

    /** The layer between encoder and decoder. */
    QuantizerModule quantizer() {
        return quantizer;
    }

    /** The vectors of images, B x features x H/4 x W/4, before the layer. */
    Tensor encode(Tensor images) {
        Tensor features = torch.gelu(torch.max_pool2d(toFeatures.forward(images), 2, 2));
        return torch.max_pool2d(toCode.forward(features), 2, 2);
    }

    /** Encodes and decodes images, B x 1 x H x W. */
    Reconstruction forward(Tensor images) {
        QuantizedTensors quantized = quantizer.forward(encode(images));
        Tensor decoded = torch.gelu(fromCode.forward(doubled(quantized.output())));
        Tensor result = toImage.forward(doubled(decoded));
        return new Reconstruction(
                torch.clamp(result, new ScalarOptional(new Scalar(-1.0)), new ScalarOptional(new Scalar(1.0))),
                quantized);
    }

    @Override
    public void close() {
        quantizer.close();
        super.close();
    }

    private static Tensor doubled(Tensor images) {
        long[] size = {2 * images.size(2), 2 * images.size(3)};
        return torch.upsample_nearest2d(images, size, new DoubleOptional(), new DoubleOptional());
    }

    private static Conv2dImpl convolution(long from, long to) {
        Conv2dOptions options = new Conv2dOptions(from, to, new LongPointer(3, 3));
        options.padding().put(new LongPointer(1, 1));
        return new Conv2dImpl(options);
    }
}
