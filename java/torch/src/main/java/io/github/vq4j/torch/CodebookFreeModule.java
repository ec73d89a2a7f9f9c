package io.github.vq4j.torch;

import io.github.vq4j.Backend;
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
    private Layer layer;

    /** Calls that both layers have, by names of their own. */
    private interface Layer {
        QuantizedTensors quantize(io.github.vq4j.Tensor z, Tensor output, @Nullable RowMask mask);

        io.github.vq4j.Tensor encode(io.github.vq4j.Tensor z, @Nullable RowMask mask);

        io.github.vq4j.Tensor decode(io.github.vq4j.Tensor codes);

        void backward(io.github.vq4j.@Nullable Tensor gradOutput, double alpha, io.github.vq4j.Tensor gradInput);

        void setTraining(boolean training);

        int featureSize();

        long numCodes();

        Backend backend();

        Layer copy(Backend backend);

        void close();

        String name();
    }

    /** A module around a layer, in the layer's mode. From here on the layer belongs to the module, which closes it. */
    public CodebookFreeModule(FiniteScalarQuant layer) {
        this("FiniteScalarQuant", new FiniteScalars(layer), layer.isTraining());
    }

    /** A module around a layer, in the layer's mode. From here on the layer belongs to the module, which closes it. */
    public CodebookFreeModule(LookupFreeQuant layer) {
        this("LookupFreeQuant", new Signs(layer), layer.isTraining());
    }

    private CodebookFreeModule(String name, Layer layer, boolean training) {
        super(name, layer.name(), layer.backend(), List.of(), training);
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
        return layer.quantize(z, output, mask);
    }

    @Override
    io.github.vq4j.Tensor codesOf(io.github.vq4j.Tensor z, @Nullable RowMask mask) {
        return layer.encode(z, mask);
    }

    @Override
    io.github.vq4j.Tensor valuesOf(io.github.vq4j.Tensor codes) {
        return layer.decode(codes);
    }

    @Override
    void differentiate(io.github.vq4j.@Nullable Tensor gradOutput, double alpha, io.github.vq4j.Tensor gradInput) {
        layer.backward(gradOutput, alpha, gradInput);
    }

    @Override
    void setLayerTraining(boolean training) {
        layer.setTraining(training);
    }

    @Override
    Backend backend() {
        return layer.backend();
    }

    @Override
    List<Parameter> moveLayer(Backend backend) {
        Layer moved = layer.copy(backend);
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
        return layer.name();
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

    private record FiniteScalars(FiniteScalarQuant layer) implements Layer {
        FiniteScalars {
            Objects.requireNonNull(layer, "layer");
        }

        @Override
        public QuantizedTensors quantize(io.github.vq4j.Tensor z, Tensor output, @Nullable RowMask mask) {
            io.github.vq4j.Tensor written = SharedMemory.floats(output);
            try (FiniteScalarQuantized q = mask == null ? layer.forward(z, written) : layer.forward(z, written, mask)) {
                return results(output, q.codes(), 0, q.perplexity(), q.activeCodes());
            }
        }

        @Override
        public io.github.vq4j.Tensor encode(io.github.vq4j.Tensor z, @Nullable RowMask mask) {
            return mask == null ? layer.encode(z) : layer.encode(z, mask);
        }

        @Override
        public io.github.vq4j.Tensor decode(io.github.vq4j.Tensor codes) {
            return layer.decode(codes);
        }

        @Override
        public void backward(
                io.github.vq4j.@Nullable Tensor gradOutput, double alpha, io.github.vq4j.Tensor gradInput) {
            if (gradOutput != null) {
                layer.backward(gradOutput, gradInput).close();
                return;
            }
            // The objective is made of the loss alone, which is a constant.
            try (Tensor zeros = SharedMemory.of(gradInput)) {
                zeros.zero_().close();
            }
            layer.backward(gradInput, gradInput).close();
        }

        @Override
        public void setTraining(boolean training) {
            if (training) {
                layer.train();
            } else {
                layer.eval();
            }
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
        public Backend backend() {
            return layer.backend();
        }

        @Override
        public Layer copy(Backend backend) {
            return new FiniteScalars(layer.copy(backend));
        }

        @Override
        public void close() {
            layer.close();
        }

        @Override
        public String name() {
            return layer.toString();
        }
    }

    private record Signs(LookupFreeQuant layer) implements Layer {
        Signs {
            Objects.requireNonNull(layer, "layer");
        }

        @Override
        public QuantizedTensors quantize(io.github.vq4j.Tensor z, Tensor output, @Nullable RowMask mask) {
            io.github.vq4j.Tensor written = SharedMemory.floats(output);
            try (LookupFreeQuantized q = mask == null ? layer.forward(z, written) : layer.forward(z, written, mask)) {
                return results(output, q.codes(), q.loss(), q.perplexity(), q.activeCodes());
            }
        }

        @Override
        public io.github.vq4j.Tensor encode(io.github.vq4j.Tensor z, @Nullable RowMask mask) {
            return mask == null ? layer.encode(z) : layer.encode(z, mask);
        }

        @Override
        public io.github.vq4j.Tensor decode(io.github.vq4j.Tensor codes) {
            return layer.decode(codes);
        }

        @Override
        public void backward(
                io.github.vq4j.@Nullable Tensor gradOutput, double alpha, io.github.vq4j.Tensor gradInput) {
            layer.backward(gradOutput, alpha, gradInput).close();
        }

        @Override
        public void setTraining(boolean training) {
            if (training) {
                layer.train();
            } else {
                layer.eval();
            }
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
        public Backend backend() {
            return layer.backend();
        }

        @Override
        public Layer copy(Backend backend) {
            return new Signs(layer.copy(backend));
        }

        @Override
        public void close() {
            layer.close();
        }

        @Override
        public String name() {
            return layer.toString();
        }
    }
}
