package io.github.vq4j.torch;

import io.github.vq4j.Backend;
import io.github.vq4j.LayerState;
import io.github.vq4j.Parameter;
import io.github.vq4j.Quantized;
import io.github.vq4j.Quantizer;
import io.github.vq4j.RowMask;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.bytedeco.pytorch.InputArchive;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.OutputArchive;
import org.bytedeco.pytorch.StringVector;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * A layer with codebooks as a module of libtorch: {@link io.github.vq4j.VectorQuant},
 * {@link io.github.vq4j.GroupVectorQuant} or {@link io.github.vq4j.ResidualVectorQuant}, with all of their options.
 * {@link QuantizerModule} has what it does.
 *
 * <pre>{@code
 * VectorQuantModule quantizer = new VectorQuantModule(VectorQuant.builder(64, 512).build());
 * QuantizedTensors q = quantizer.forward(encoder.forward(x));
 * Tensor reconstruction = torch.mse_loss(decoder.forward(q.output()), x);
 * reconstruction.add(q.loss()).backward();
 * }</pre>
 *
 * <p>The module's parameters are those of the layer, with underscores for dots in their names: codebook, affine_scale,
 * 0_codebook and so on. They share the layer's memory: either kind of optimiser changes both, but use one of them. An
 * optimiser of libtorch keeps its moments of a code that the layer replaces, as Java cannot reach them; an
 * {@link io.github.vq4j.Optimizer} forgets them, so prefer it with replaceFreq > 0. A codebook of moving averages has no
 * gradient and is no parameter.
 *
 * <p>All that training has changed, running moments, moving averages and counters included, is in {@link #stateDict}, and
 * in archives: {@code save} and {@code load} of this or a parent module. For files that other programs read too, and that
 * hold the optimisers of vq4j, {@link io.github.vq4j.Checkpoint} takes {@link #layer} as it is.
 */
public final class VectorQuantModule extends QuantizerModule {
    private Quantizer layer;

    /**
     * A module around a layer, in the layer's mode. From here on the layer belongs to the module, which closes it; calling
     * {@link Quantizer#forward} itself between a forward and a backward of the module breaks the latter.
     *
     * @throws IllegalArgumentException if the layer computes on CUDA and this libtorch does not, or has a module already
     */
    public VectorQuantModule(Quantizer layer) {
        super(
                Objects.requireNonNull(layer, "layer").getClass().getSimpleName(),
                layer,
                layer.backend(),
                layer.parameters(),
                layer.isTraining());
        this.layer = layer;
    }

    /**
     * The layer, to ask and to train: its parameters share the module's memory. A move to another device replaces and
     * closes it.
     */
    public Quantizer layer() {
        return layer;
    }

    /**
     * All that training has changed, copied: FLOAT, INT, and LONG and DOUBLE scalars, by the names that
     * {@link io.github.vq4j.Checkpoint} has them by, with underscores for dots.
     */
    public Map<String, Tensor> stateDict() {
        prepare();
        LayerState state = layer.state();
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        state.tensors().forEach((name, tensor) -> tensors.put(StateTensors.key(name), StateTensors.of(tensor)));
        state.numbers().forEach((name, number) -> tensors.put(StateTensors.key(name), StateTensors.of(number)));
        state.reals().forEach((name, real) -> tensors.put(StateTensors.key(name), StateTensors.of(real)));
        return tensors;
    }

    /**
     * Takes over a {@link #stateDict} of a layer that was built with the same options. Nothing is changed unless all of it
     * fits. A backward that waits is given up.
     *
     * @throws IllegalArgumentException if a tensor is missing, of another type or shape, or out of its range, or if there
     *     are others; the message names it
     */
    public void loadStateDict(Map<String, Tensor> tensors) {
        prepare();
        layer.restore(StateTensors.state(tensors, layer.state()));
        forgetLast();
    }

    /** Writes all of {@link #stateDict}. */
    @Override
    @SuppressWarnings("try") // A guard is there to be closed.
    public void save(OutputArchive archive) {
        List<String> trained = layer.parameters().stream()
                .map(Parameter::name)
                .map(StateTensors::key)
                .toList();
        try (NoGradGuard noGradient = new NoGradGuard()) {
            stateDict().forEach((name, tensor) -> {
                archive.write(name, tensor, !trained.contains(name));
                tensor.close();
            });
        }
    }

    /** Takes over what {@link #save} has written, as {@link #loadStateDict}. */
    @Override
    public void load(InputArchive archive) {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        try (StringVector keys = archive.keys()) {
            for (String key : strings(keys)) {
                Tensor tensor = new Tensor();
                if (archive.try_read(key, tensor)) {
                    tensors.put(key, tensor);
                } else {
                    tensor.close();
                }
            }
            loadStateDict(tensors);
        } finally {
            tensors.values().forEach(Tensor::close);
        }
    }

    private static List<String> strings(StringVector vector) {
        List<String> strings = new ArrayList<>();
        for (long i = 0; i < vector.size(); i++) {
            strings.add(vector.get(i).getString());
        }
        return strings;
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
        try (Quantized quantized = mask == null ? layer.forward(z, written) : layer.forward(z, written, mask);
                Tensor distances = SharedMemory.of(quantized.distances())) {
            return new QuantizedTensors(
                    output,
                    longs(quantized.codes()),
                    copy(distances),
                    scalar(quantized.loss(), output),
                    quantized.sampleLosses(),
                    quantized.perplexity(),
                    quantized.activeCodes(),
                    quantized.replacedCodes());
        }
    }

    @SuppressWarnings("try") // A guard is there to be closed.
    private static Tensor copy(Tensor tensor) {
        try (NoGradGuard noGradient = new NoGradGuard()) {
            return tensor.clone();
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
        layer.backward(gradOutput, alpha, gradInput).close();
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
        Quantizer moved = layer.copy(backend);
        layer.close();
        layer = moved;
        return moved.parameters();
    }

    @Override
    void closeLayer() {
        layer.close();
    }

    @Override
    String layerName() {
        return layer.toString();
    }
}
