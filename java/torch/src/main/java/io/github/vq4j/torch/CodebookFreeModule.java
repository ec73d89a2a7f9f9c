package io.github.vq4j.torch;

import io.github.vq4j.Backend;
import io.github.vq4j.CodebookFreeQuant;
import io.github.vq4j.FiniteScalarQuant;
import io.github.vq4j.FiniteScalarQuantized;
import io.github.vq4j.LookupFreeQuant;
import io.github.vq4j.LookupFreeQuantized;
import io.github.vq4j.Parameter;
import io.github.vq4j.RowMask;
import java.util.List;
import java.util.Objects;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * A quantizer without a codebook as a module of libtorch: {@link FiniteScalarQuant} (FSQ), whose loss is 0, or
 * {@link LookupFreeQuant} (LFQ, BSQ). It has no parameters and no state. {@link QuantizerModule} has what it does.
 */
public final class CodebookFreeModule extends QuantizerModule {
    private CodebookFreeQuant<?> layer;

    /** A module around a layer, in the layer's mode. From here on the layer belongs to the module, which closes it. */
    public CodebookFreeModule(FiniteScalarQuant layer) {
        this("FiniteScalarQuant", layer);
    }

    /** A module around a layer, in the layer's mode. From here on the layer belongs to the module, which closes it. */
    public CodebookFreeModule(LookupFreeQuant layer) {
        this("LookupFreeQuant", layer);
    }

    private CodebookFreeModule(String name, CodebookFreeQuant<?> layer) {
        super(name, Objects.requireNonNull(layer, "layer"), layer.backend(), List.of(), layer.isTraining());
        this.layer = layer;
    }

    @Override
    public int featureSize() {
        return layer.featureSize();
    }

    @Override
    public long numCodes() {
        return layer.numCodes();
    }

    @Override
    QuantizedTensors quantize(io.github.vq4j.Tensor z, Tensor output, @Nullable RowMask mask) {
        io.github.vq4j.Tensor written = SharedMemory.floats(output);
        if (layer instanceof FiniteScalarQuant scalars) {
            try (FiniteScalarQuantized q =
                    mask == null ? scalars.forward(z, written) : scalars.forward(z, written, mask)) {
                return results(output, q.codes(), 0, q.perplexity(), q.activeCodes());
            }
        }
        LookupFreeQuant signs = (LookupFreeQuant) layer;
        try (LookupFreeQuantized q = mask == null ? signs.forward(z, written) : signs.forward(z, written, mask)) {
            return results(output, q.codes(), q.loss(), q.perplexity(), q.activeCodes());
        }
    }

    @Override
    io.github.vq4j.Tensor codesOf(io.github.vq4j.Tensor z, @Nullable RowMask mask) {
        return mask == null ? layer.encode(z) : layer.encode(z, mask);
    }

    @Override
    io.github.vq4j.Tensor valuesOf(io.github.vq4j.Tensor codes) {
        return layer.decode(codes);
    }

    @Override
    void differentiate(io.github.vq4j.@Nullable Tensor gradOutput, double alpha, io.github.vq4j.Tensor gradInput) {
        if (layer instanceof LookupFreeQuant signs) {
            signs.backward(gradOutput, alpha, gradInput).close();
            return;
        }
        FiniteScalarQuant scalars = (FiniteScalarQuant) layer;
        if (gradOutput != null) {
            scalars.backward(gradOutput, gradInput).close();
            return;
        }
        // The objective is made of the loss alone, which is a constant.
        try (Tensor zeros = SharedMemory.of(gradInput)) {
            zeros.zero_().close();
        }
        scalars.backward(gradInput, gradInput).close();
    }

    @Override
    void setLayerTraining(boolean training) {
        if (training) {
            layer.train();
        } else {
            layer.eval();
        }
    }

    @Override
    Backend backend() {
        return layer.backend();
    }

    @Override
    List<Parameter> moveLayer(Backend backend) {
        CodebookFreeQuant<?> moved = layer.copy(backend);
        layer.close();
        layer = moved;
        return List.of();
    }

    @Override
    void closeLayer() {
        layer.close();
    }

    @Override
    String layerName() {
        return layer.toString();
    }

    private static QuantizedTensors results(
            Tensor output, io.github.vq4j.Tensor codes, double loss, double perplexity, long activeCodes) {
        return new QuantizedTensors(
                output,
                longs(codes),
                null,
                scalar(loss, output),
                new double[0],
                perplexity,
                Math.toIntExact(activeCodes),
                0);
    }
}
