package io.github.vq4j.torch;

import io.github.vq4j.Backend;
import io.github.vq4j.Parameter;
import io.github.vq4j.RowMask;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.WeakHashMap;
import org.bytedeco.pytorch.Device;
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
 * A quantizer as a module of libtorch. {@link #forward} puts output and loss into the graph; one {@code backward()} of an
 * objective made of them runs the layer's backward and
 *
 * <ul>
 *   <li>sends the gradient of z on to what made z, with the part of the loss;
 *   <li>leaves the gradients of the layer's parameters in {@link Parameter#gradient}, for an
 *       {@link io.github.vq4j.Optimizer};
 *   <li>adds them to {@code grad()} of the module's parameters, for an optimiser of libtorch.
 * </ul>
 *
 * <p>{@code train()} and {@code eval()} of this or a parent module set the mode of the layer. As with every module of
 * libtorch, {@code eval()} does not stop gradients, a {@link NoGradGuard} does. Gradients are constants to further
 * derivatives.
 *
 * <p>z may be FLOAT, HALF or BFLOAT16; the output and the gradient of z have its type, while layer, loss and all that is
 * computed are FLOAT. Input of FLOAT is read in place when it is contiguous, channels-first images included, else from a
 * contiguous copy; the output is contiguous.
 *
 * <p>On CUDA the layer computes on the stream of its backend, the default stream of the device unless it was built on another.
 * That has to be libtorch's current stream around the module's calls: neither waits for what is on another stream.
 *
 * <p>{@code to(device)} of this or a parent module moves the layer: {@link #forward} needs z there from then on, gradients
 * are gone, and optimisers are to be made after it, as with every module. {@code to(dtype)} with FLOAT, HALF or BFLOAT16
 * changes nothing: the layer stays FLOAT.
 *
 * <p>Not thread-safe, but that in inference and without recording several threads may call {@link #forward},
 * {@link #encode} and {@link #decode}. libtorch's parameters share the layer's memory, which stays as long as libtorch or
 * Java has it; keep the module itself reachable, for libtorch hands it out as a plain {@code Module}.
 */
public abstract sealed class QuantizerModule extends Module permits VectorQuantModule, CodebookFreeModule {
    private static final Set<ScalarType> FLOATING = EnumSet.of(ScalarType.Float, ScalarType.Half, ScalarType.BFloat16);

    /** Layers that have a module. */
    private static final Set<Object> OF_MODULES =
            Collections.synchronizedSet(Collections.newSetFromMap(new WeakHashMap<>()));

    private final List<SharedParameter> parameters;
    private @Nullable StraightThrough last;
    private boolean closed;

    /** @throws IllegalArgumentException if the layer computes on CUDA and this libtorch does not, or has a module already */
    QuantizerModule(String name, Object layer, Backend backend, List<Parameter> trained, boolean training) {
        super(name);
        if (backend.device() == io.github.vq4j.Device.CUDA && !torch.hasCUDA()) {
            throw new IllegalArgumentException("need a layer on the CPU for a libtorch without CUDA, got " + layer
                    + "; build it with backend(Backend.cpu())");
        }
        if (!OF_MODULES.add(layer)) {
            throw new IllegalArgumentException("need a layer that no module has yet, got " + layer
                    + ", whose forward and backward are its module's; use that module, or a copy of the layer");
        }
        parameters = trained.stream().map(SharedParameter::new).toList();
        for (SharedParameter parameter : parameters) {
            register_parameter(parameter.name(), parameter.leaf()).close();
        }
        train(training);
    }

    // ---- what a layer decides ------------------------------------------------------------------------------------

    /** Quantizes into the memory of an output, which is part of the results. */
    abstract QuantizedTensors quantize(io.github.vq4j.Tensor z, Tensor output, @Nullable RowMask mask);

    abstract io.github.vq4j.Tensor codesOf(io.github.vq4j.Tensor z, @Nullable RowMask mask);

    abstract io.github.vq4j.Tensor valuesOf(io.github.vq4j.Tensor codes);

    /** Gradients of the last {@link #quantize}. */
    abstract void differentiate(
            io.github.vq4j.@Nullable Tensor gradOutput, double alpha, io.github.vq4j.Tensor gradInput);

    abstract void setLayerTraining(boolean training);

    /** Where the layer computes. */
    abstract Backend backend();

    /** Replaces the layer by one that computes somewhere else; gives its parameters. */
    abstract List<Parameter> moveLayer(Backend backend);

    abstract void closeLayer();

    /** The layer's name, for messages. */
    abstract String layerName();

    /** D. */
    public abstract int featureSize();

    /** The number of codes that there are. */
    public abstract long numCodes();

    // ---- calls ---------------------------------------------------------------------------------------------------

    /**
     * Quantizes in the module's mode.
     *
     * <p>Where gradients are recorded, z must not be changed in place, nor the parameters, before backward. Each backward
     * needs a forward of its own: it uses the last forward up, and contains all that the objective makes of output and
     * loss. Another forward, recorded or not, replaces the one that waits; backward through that is an error then.
     *
     * @param z FLOAT, HALF or BFLOAT16 with featureSize on the layer's axis, at least one row, on the layer's device
     * @throws IllegalArgumentException if z is something else; the message names what was seen and what is needed
     * @throws io.github.vq4j.NotFiniteException if z or a codebook has a NaN or an infinity
     * @throws IllegalStateException after {@link #close}
     */
    public QuantizedTensors forward(Tensor z) {
        return quantize(z, null);
    }

    /**
     * As {@link #forward(Tensor)}, of the rows that a mask leaves: see {@link RowMask}.
     *
     * @param mask BOOL, shape of z without the feature axis, on the layer's device: true where the row takes part
     */
    public QuantizedTensors forward(Tensor z, Tensor mask) {
        return quantize(z, Objects.requireNonNull(mask, "mask"));
    }

    /**
     * The codes alone, always as in inference, without gradients.
     *
     * @param z FLOAT, HALF or BFLOAT16 with featureSize on the layer's axis, at least one row, on the layer's device
     * @return LONG, shape of the codes of {@link #forward}
     */
    public Tensor encode(Tensor z) {
        return encoded(z, null);
    }

    /** As {@link #encode(Tensor)}, of the rows that a mask leaves; the others have code -1. */
    public Tensor encode(Tensor z, Tensor mask) {
        return encoded(z, Objects.requireNonNull(mask, "mask"));
    }

    /**
     * The values behind codes, always as in inference, without gradients.
     *
     * @param codes LONG, of the shape of the codes of {@link #forward}, each one that exists, at least one, on the layer's
     *     device; the -1 of a stage that quantizer dropout left out adds nothing
     * @return FLOAT, of the shape of the output of {@link #forward}
     */
    @SuppressWarnings("try") // A guard is there to be closed.
    public Tensor decode(Tensor codes) {
        prepare();
        checkInput("codes", codes, Set.of(ScalarType.Long));
        try (NoGradGuard noGradient = new NoGradGuard();
                Scalar below = new Scalar(-2);
                Scalar above = new Scalar(Integer.MAX_VALUE);
                // Codes that do not fit in an int stay codes that do not exist.
                Tensor input = codes.clamp(new ScalarOptional(below), new ScalarOptional(above))
                        .to(ScalarType.Int)
                        .contiguous();
                io.github.vq4j.Tensor rows = valuesOf(SharedMemory.codes(input));
                Tensor view = SharedMemory.of(rows)) {
            return view.clone();
        }
    }

    // ---- moves ---------------------------------------------------------------------------------------------------

    /**
     * Moves the layer to a device: cpu, cuda or cuda:N.
     *
     * @throws IllegalArgumentException for another kind of device, or CUDA where this libtorch has none
     * @throws IllegalStateException if vq4j has no CUDA; the message says why
     */
    @Override
    public void to(Device device, boolean nonBlocking) {
        prepare();
        Backend target = backend(device);
        if (!target.equals(backend())) {
            move(target);
        }
    }

    /** Moves the layer, even to where it is. */
    final void move(Backend target) {
        forgetLast();
        List<Parameter> moved = moveLayer(target);
        for (int i = 0; i < moved.size(); i++) {
            parameters.get(i).follow(moved.get(i));
        }
    }

    /** Changes nothing: the layer stays FLOAT, whatever the types of input and output. */
    @Override
    public void to(ScalarType dtype, boolean nonBlocking) {
        checkOpen();
        if (!FLOATING.contains(dtype.intern())) {
            throw new IllegalArgumentException("need a module of dtype Float, Half or BFloat16, got " + dtype.intern()
                    + "; " + layerName() + " computes in Float");
        }
    }

    /** As {@link #to(Device, boolean)}. */
    @Override
    public void to(Device device, ScalarType dtype, boolean nonBlocking) {
        to(dtype, nonBlocking);
        to(device, nonBlocking);
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
        closeLayer();
        super.close();
    }

    @Override
    public String toString() {
        return "module of " + layerName();
    }

    // ---- the steps -----------------------------------------------------------------------------------------------

    private QuantizedTensors quantize(Tensor z, @Nullable Tensor mask) {
        prepare();
        checkInput("z", z, FLOATING);
        boolean recorded = GradMode.is_enabled()
                && (z.requires_grad() || parameters.stream().anyMatch(SharedParameter::isTrained));
        if (recorded && z.is_inference()) {
            throw new IllegalArgumentException(
                    "need z made outside of InferenceMode where gradients are recorded, got one made in it; clone it");
        }
        // From 16 bits exact, and in the graph.
        try (Tensor floats = z.to(ScalarType.Float);
                Tensor input = floats.contiguous();
                Marks marks = new Marks(mask)) {
            Tensor output = torch.empty_like(input);
            QuantizedTensors result;
            try {
                result = quantize(SharedMemory.input(input), output, marks.rowMask());
            } catch (RuntimeException | Error failure) {
                output.close();
                throw failure;
            }
            forgetLast();
            if (recorded) {
                last = new StraightThrough(this::differentiate, parameters, input, result);
            }
            ScalarType type = z.scalar_type().intern();
            return type == ScalarType.Float ? result : result.withOutputOf(type);
        }
    }

    @SuppressWarnings("try") // A guard is there to be closed.
    private Tensor encoded(Tensor z, @Nullable Tensor mask) {
        prepare();
        checkInput("z", z, FLOATING);
        try (NoGradGuard noGradient = new NoGradGuard();
                Tensor input = z.contiguous();
                Marks marks = new Marks(mask);
                io.github.vq4j.Tensor codes = codesOf(SharedMemory.input(input), marks.rowMask());
                Tensor view = SharedMemory.of(codes)) {
            return view.to(ScalarType.Long);
        }
    }

    /** A mask in the memory that kernels read. */
    private final class Marks implements AutoCloseable {
        private final @Nullable Tensor marks;

        @SuppressWarnings("try") // A guard is there to be closed.
        Marks(@Nullable Tensor mask) {
            if (mask == null) {
                marks = null;
                return;
            }
            checkInput("mask", mask, Set.of(ScalarType.Bool));
            try (NoGradGuard noGradient = new NoGradGuard();
                    Tensor ints = mask.to(ScalarType.Int)) {
                marks = ints.contiguous();
            }
        }

        @Nullable
        RowMask rowMask() {
            return marks == null ? null : RowMask.of(SharedMemory.codes(marks));
        }

        @Override
        public void close() {
            if (marks != null) {
                marks.close();
            }
        }
    }

    /** Lets values be the layer's that libtorch has put elsewhere, and the mode be the module's. */
    final void prepare() {
        checkOpen();
        parameters.forEach(SharedParameter::share);
        setLayerTraining(is_training());
    }

    final void forgetLast() {
        if (last != null) {
            last.close();
            last = null;
        }
    }

    final void checkOpen() {
        if (closed) {
            throw new IllegalStateException("this " + this + " is closed");
        }
    }

    private static Backend backend(Device device) {
        if (device.is_cpu()) {
            return Backend.cpu();
        }
        if (!device.is_cuda()) {
            throw new IllegalArgumentException(
                    "need device cpu or cuda, got " + device.str().getString());
        }
        if (!torch.hasCUDA()) {
            throw new IllegalArgumentException(
                    "need a libtorch with CUDA for device " + device.str().getString() + ", got one without");
        }
        // Without a number, the first.
        return Backend.cuda(Math.max(0, device.index()));
    }

    /** A scalar beside an output. */
    @SuppressWarnings("try") // A guard is there to be closed.
    static Tensor scalar(double value, Tensor output) {
        try (NoGradGuard noGradient = new NoGradGuard();
                Scalar scalar = new Scalar(value)) {
            return torch.scalar_tensor(scalar, output.options());
        }
    }

    /** Codes in memory of libtorch's. */
    @SuppressWarnings("try") // A guard is there to be closed.
    static Tensor longs(io.github.vq4j.Tensor codes) {
        try (NoGradGuard noGradient = new NoGradGuard();
                Tensor view = SharedMemory.of(codes)) {
            return view.to(ScalarType.Long);
        }
    }

    private void checkInput(String name, Tensor tensor, Set<ScalarType> dtypes) {
        Objects.requireNonNull(tensor, name);
        if (!tensor.defined()) {
            throw new IllegalArgumentException("need a defined tensor " + name);
        }
        ScalarType seen = tensor.scalar_type().intern();
        if (!dtypes.contains(seen)) {
            String needed = dtypes == FLOATING
                    ? "Float, Half or BFloat16"
                    : dtypes.iterator().next().toString();
            throw new IllegalArgumentException("need " + name + " of dtype " + needed + ", got " + seen);
        }
        Layout layout = tensor.layout().intern();
        if (layout != Layout.Strided) {
            throw new IllegalArgumentException("need " + name + " of layout Strided, got " + layout);
        }
        String device = tensor.device().str().getString();
        if (!isOn(device, backend().name())) {
            throw new IllegalArgumentException(
                    "need " + name + " on the device of " + layerName() + ", got one on " + device);
        }
    }

    /** Whether libtorch's name of a device is that of a backend: cuda has a number in both, the CPU may have one. */
    static boolean isOn(String device, String backend) {
        return device.equals(backend) || backend.equals("cpu") && device.startsWith("cpu");
    }
}
