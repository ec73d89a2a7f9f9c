package io.github.vq4j.torch;

import io.github.vq4j.Device;
import io.github.vq4j.Quantized;
import io.github.vq4j.VectorQuant;
import java.util.List;
import java.util.Objects;
import org.bytedeco.pytorch.GradMode;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.Layout;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/**
 * A {@link VectorQuant} as a module of libtorch. {@link #forward} puts output and commitment loss into the graph; one
 * {@code backward()} of an objective made of them runs {@link VectorQuant#backward} and
 *
 * <ul>
 *   <li>sends the gradient of z on to what made z: straight-through, with the part of the commitment loss;
 *   <li>leaves the gradients of the layer's parameters in {@link io.github.vq4j.Parameter#gradient}, for an
 *       {@link io.github.vq4j.Optimizer};
 *   <li>adds them to {@code grad()} of the module's parameters, for an optimiser of libtorch.
 * </ul>
 *
 * <pre>{@code
 * VectorQuantModule quantizer = new VectorQuantModule(VectorQuant.builder(64, 512).build());
 * QuantizedTensors q = quantizer.forward(encoder.forward(x));
 * Tensor reconstruction = torch.mse_loss(decoder.forward(q.output()), x);
 * reconstruction.add(q.loss()).backward();
 * }</pre>
 *
 * <p>The module's parameters are those of the layer, with underscores for dots in their names: codebook, affine_scale,
 * affine_bias, norm_scale, norm_shift. They share the layer's memory: either kind of optimiser changes both, but use one
 * of them. Values that an archive brings are taken over by the next call; running moments are not part of archives. An
 * optimiser of libtorch keeps its moments of a code that the layer replaces, as Java cannot reach them; an
 * {@link io.github.vq4j.Optimizer} forgets them, so prefer it with replaceFreq > 0.
 *
 * <p>{@code train()} and {@code eval()} of this or a parent module set the mode of the layer. As with every module of
 * libtorch, {@code eval()} does not stop gradients, a {@link NoGradGuard} does. Gradients are constants to further
 * derivatives.
 *
 * <p>Input is read in place when it is contiguous, channels-first images included, else from a contiguous copy; the
 * output is contiguous. Not thread-safe.
 */
public final class VectorQuantModule extends Module {
    private final VectorQuant layer;
    private final List<SharedParameter> parameters;
    private @Nullable StraightThrough last;
    private boolean closed;

    /**
     * A module around a layer, in the layer's mode. From here on the layer belongs to the module, which closes it; calling
     * {@link VectorQuant#forward} itself between a forward and a backward of the module breaks the latter.
     *
     * @throws IllegalArgumentException if the layer computes on CUDA and this libtorch does not
     */
    public VectorQuantModule(VectorQuant layer) {
        super("VectorQuant");
        this.layer = Objects.requireNonNull(layer, "layer");
        if (layer.device() == Device.CUDA && !torch.hasCUDA()) {
            throw new IllegalArgumentException("need a layer on the CPU for a libtorch without CUDA, got " + layer
                    + "; build it with backend(Backend.cpu())");
        }
        parameters = layer.parameters().stream().map(SharedParameter::new).toList();
        for (SharedParameter parameter : parameters) {
            register_parameter(parameter.name(), parameter.leaf()).close();
        }
        train(layer.isTraining());
    }

    /**
     * Quantizes, as {@link VectorQuant#forward(io.github.vq4j.Tensor)} does in the module's mode.
     *
     * <p>Where gradients are recorded, z must not be changed in place, nor the parameters, before backward. Each backward
     * needs a forward of its own: it uses the last forward up, and contains all that the objective makes of output and
     * loss. Another forward, recorded or not, replaces the one that waits; backward through that is an error then.
     *
     * @param z FLOAT with featureSize on the layer's axis, at least one row, on the layer's device
     * @throws IllegalArgumentException if z is something else; the message names what was seen and what is needed
     * @throws io.github.vq4j.NotFiniteException if z or the codebook has a NaN or an infinity
     * @throws IllegalStateException after {@link #close}
     */
    public QuantizedTensors forward(Tensor z) {
        prepare();
        checkInput("z", z, ScalarType.Float);
        boolean recorded = GradMode.is_enabled()
                && (z.requires_grad() || parameters.stream().anyMatch(SharedParameter::isTrained));
        try (Tensor input = z.contiguous()) {
            Tensor output = torch.empty_like(input);
            QuantizedTensors result;
            try (Quantized quantized = layer.forward(SharedMemory.floats(input), SharedMemory.floats(output))) {
                result = results(quantized, output);
            } catch (RuntimeException | Error failure) {
                output.close();
                throw failure;
            }
            forgetLast();
            if (recorded) {
                last = new StraightThrough(layer, parameters, input, result);
            }
            return result;
        }
    }

    /**
     * The codes alone, always as in inference, without gradients.
     *
     * @param z FLOAT with featureSize on the layer's axis, at least one row, on the layer's device
     * @return LONG, shape of z without the feature axis
     */
    @SuppressWarnings("try") // A guard is there to be closed.
    public Tensor encode(Tensor z) {
        prepare();
        checkInput("z", z, ScalarType.Float);
        try (NoGradGuard noGradient = new NoGradGuard();
                Tensor input = z.contiguous();
                io.github.vq4j.Tensor codes = layer.encode(SharedMemory.floats(input));
                Tensor view = SharedMemory.of(codes)) {
            return view.to(ScalarType.Long);
        }
    }

    /**
     * The effective codes behind codes, always as in inference, without gradients.
     *
     * @param codes LONG, each in [0, numCodes), at least one, on the layer's device
     * @return FLOAT, shape of the codes with featureSize inserted at the layer's axis
     */
    @SuppressWarnings("try") // A guard is there to be closed.
    public Tensor decode(Tensor codes) {
        prepare();
        checkInput("codes", codes, ScalarType.Long);
        try (NoGradGuard noGradient = new NoGradGuard();
                Scalar below = new Scalar(-1);
                Scalar above = new Scalar(Integer.MAX_VALUE);
                // Codes that do not fit in an int stay codes that do not exist.
                Tensor input = codes.clamp(new ScalarOptional(below), new ScalarOptional(above))
                        .to(ScalarType.Int)
                        .contiguous();
                io.github.vq4j.Tensor rows = layer.decode(SharedMemory.codes(input));
                Tensor view = SharedMemory.of(rows)) {
            return view.clone();
        }
    }

    /** The layer, to ask and to train: its parameters share the module's memory. */
    public VectorQuant layer() {
        return layer;
    }

    /** Closes the layer and the handle of the module; the module's parameters are empty then. A second call does nothing. */
    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        forgetLast();
        parameters.forEach(SharedParameter::close);
        layer.close();
        super.close();
    }

    private void prepare() {
        if (closed) {
            throw new IllegalStateException("this module of " + layer + " is closed");
        }
        parameters.forEach(SharedParameter::share);
        if (is_training()) {
            layer.train();
        } else {
            layer.eval();
        }
    }

    private void forgetLast() {
        if (last != null) {
            last.close();
            last = null;
        }
    }

    @SuppressWarnings("try") // A guard is there to be closed.
    private static QuantizedTensors results(Quantized quantized, Tensor output) {
        try (NoGradGuard noGradient = new NoGradGuard();
                Tensor codes = SharedMemory.of(quantized.codes());
                Tensor distances = SharedMemory.of(quantized.distances());
                Scalar loss = new Scalar(quantized.loss())) {
            return new QuantizedTensors(
                    output,
                    codes.to(ScalarType.Long),
                    distances.clone(),
                    torch.scalar_tensor(loss, output.options()),
                    quantized.sampleLosses(),
                    quantized.perplexity(),
                    quantized.activeCodes(),
                    quantized.replacedCodes());
        }
    }

    private void checkInput(String name, Tensor tensor, ScalarType dtype) {
        if (!tensor.defined()) {
            throw new IllegalArgumentException("need a defined tensor " + name);
        }
        ScalarType seen = tensor.scalar_type().intern();
        if (seen != dtype) {
            throw new IllegalArgumentException("need " + name + " of dtype " + dtype + ", got " + seen);
        }
        Layout layout = tensor.layout().intern();
        if (layout != Layout.Strided) {
            throw new IllegalArgumentException("need " + name + " of layout Strided, got " + layout);
        }
        String device = tensor.device().str().getString();
        if (!device.startsWith(layer.device() == Device.CUDA ? "cuda" : "cpu")) {
            throw new IllegalArgumentException(
                    "need " + name + " on the device of " + layer + ", got one on " + device);
        }
    }
}
