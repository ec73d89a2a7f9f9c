package io.github.vq4j.djl;

import ai.djl.Device;
import ai.djl.MalformedModelException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.AbstractBlock;
import ai.djl.training.ParameterStore;
import ai.djl.training.loss.Loss;
import ai.djl.util.PairList;
import io.github.vq4j.Checkpoint;
import io.github.vq4j.Quantized;
import io.github.vq4j.Quantizer;
import io.github.vq4j.Tensor;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A {@link Quantizer} as a block. Its output is that of the layer, with the task's gradient g straight through: z receives
 * g and the gradient of the commitment loss, the parameters that of the loss. The loss joins the task's by
 * {@link #plusLoss}, so that DJL's own training loop trains the layer:
 *
 * <pre>{@code
 * VectorQuantBlock quantizer = new VectorQuantBlock(VectorQuant.builder(8, 64).backend(Backend.cpu()).build(), 1);
 * Block block = new SequentialBlock().add(encoder).add(quantizer).add(decoder);
 * TrainingConfig config = new DefaultTrainingConfig(quantizer.plusLoss(Loss.l2Loss()));
 * EasyTrain.fit(trainer, epochs, dataset, null);
 * }</pre>
 *
 * <p>The gradients are the layer's own, of every option that {@link Quantizer#isStraightThrough} allows: a training forward
 * computes them at once, and puts their products with rows and parameters into the graph.
 *
 * <p>The block's parameters are those of the layer, by their names, and lie in the layer's memory; DJL's optimisers change
 * both. {@link #saveParameters} writes a whole {@link Checkpoint} of the layer, running moments and averages included. An
 * optimiser of DJL keeps its moments of a code that the layer replaces.
 *
 * <p>For the PyTorch engine on the CPU. Not thread-safe in training: one trainer, one device. In inference several Predictors
 * may share a model in threads: the forwards of its block come one after the other, and {@link #loss} and
 * {@link #perplexity} are those of any of them.
 */
public final class VectorQuantBlock extends AbstractBlock implements AutoCloseable {
    private static final byte VERSION = 1;

    private final Quantizer layer;
    private final float alpha;
    private final List<SharedParameter> shared;
    private @Nullable NDArray loss;
    private double perplexity;

    /**
     * A block around a layer. From here on the layer belongs to the block, which closes it.
     *
     * @param layer on the CPU; its dim is an axis of the block's input
     * @param alpha weight of the commitment loss, at least 0 and finite
     * @throws IllegalArgumentException if the layer computes on CUDA or is not {@link Quantizer#isStraightThrough}
     */
    public VectorQuantBlock(Quantizer layer, double alpha) {
        super(VERSION);
        this.layer = Objects.requireNonNull(layer, "layer");
        if (layer.device() != io.github.vq4j.Device.HOST) {
            throw new IllegalArgumentException(
                    "need a layer on the CPU, got " + layer + "; build it with backend(Backend.cpu())");
        }
        if (!layer.isStraightThrough()) {
            throw new IllegalArgumentException(
                    "need a layer through which the task's gradient goes straight: no syncNu,"
                            + " norm, lookupSize or other gradientEstimator, got " + layer);
        }
        if (!(alpha >= 0) || Double.isInfinite(alpha)) {
            throw new IllegalArgumentException("need alpha >= 0 and finite, got " + alpha);
        }
        this.alpha = (float) alpha;
        shared = layer.parameters().stream().map(SharedParameter::new).toList();
        shared.forEach(parameter -> addParameter(parameter.ofBlock()));
    }

    /** The layer, to ask; its parameters share the block's memory. */
    public Quantizer layer() {
        return layer;
    }

    /** A loss that adds {@link #loss} to a task's, under the name of that. */
    public Loss plusLoss(Loss task) {
        return new QuantizerLoss(Objects.requireNonNull(task, "task"), this);
    }

    /**
     * alpha * commitment loss of the last forward, a scalar; a part of the graph after one in training.
     *
     * @throws IllegalStateException before the first forward
     */
    public NDArray loss() {
        if (loss == null) {
            throw new IllegalStateException("no loss before the first forward");
        }
        return loss;
    }

    /** exp(-sum p ln p) of the code histogram of the last forward, between 1 and numCodes; 0 before the first. */
    public double perplexity() {
        return perplexity;
    }

    /**
     * The codes alone, always as in inference, without gradients.
     *
     * @param z FLOAT32 with featureSize on the layer's axis, at least one row
     * @return INT64, of the shape that {@link Quantizer#encode(Tensor)} gives
     */
    public NDArray encode(NDArray z) {
        checkInput("z", z, DataType.FLOAT32);
        try (Tensor codes = layer.encode(SharedMemory.floats(z))) {
            return z.getManager()
                    .create(codes.toIntArray(), new Shape(codes.shape()))
                    .toType(DataType.INT64, false);
        }
    }

    /**
     * The rows behind codes, always as in inference, without gradients.
     *
     * @param codes INT64, of {@link #encode}, each one that exists; the -1 of a stage that quantizer dropout left out adds
     *     nothing
     * @return FLOAT32, with featureSize at the layer's axis
     */
    public NDArray decode(NDArray codes) {
        checkInput("codes", codes, DataType.INT64);
        // Codes that do not fit in an int stay codes that do not exist.
        try (NDArray clipped = codes.clip(-2, Integer.MAX_VALUE);
                NDArray narrow = clipped.toType(DataType.INT32, false);
                Tensor rows = layer.decode(SharedMemory.codes(narrow))) {
            return codes.getManager().create(rows.toFloatArray(), new Shape(rows.shape()));
        }
    }

    @Override
    public void initialize(NDManager manager, DataType dataType, Shape... inputShapes) {
        if (dataType != DataType.FLOAT32) {
            throw new IllegalArgumentException("need data type FLOAT32, got " + dataType);
        }
        getOutputShapes(inputShapes);
        share(manager);
        super.initialize(manager, dataType, inputShapes);
    }

    /**
     * The shapes as they are.
     *
     * @throws IllegalArgumentException if there is another number of features on the layer's axis, or other than one shape
     */
    @Override
    public Shape[] getOutputShapes(Shape[] inputShapes) {
        if (inputShapes.length != 1) {
            throw new IllegalArgumentException("need one input, got shapes " + Arrays.toString(inputShapes));
        }
        Shape shape = inputShapes[0];
        int axis = layer.dim() < 0 ? shape.dimension() + layer.dim() : layer.dim();
        if (axis < 0 || axis >= shape.dimension() || shape.get(axis) != layer.featureSize()) {
            throw new IllegalArgumentException(
                    "need featureSize = " + layer.featureSize() + " on axis " + layer.dim() + ", got shape " + shape);
        }
        return inputShapes;
    }

    @Override
    protected NDList forwardInternal(
            ParameterStore store, NDList inputs, boolean training, @Nullable PairList<String, Object> params) {
        NDArray z = inputs.singletonOrThrow();
        checkInput("z", z, DataType.FLOAT32);
        if (training) {
            layer.train();
        } else {
            layer.eval();
        }
        NDManager manager = z.getManager();
        NDArray output = manager.create(z.getShape(), DataType.FLOAT32);
        float value;
        try (Quantized quantized = layer.forward(SharedMemory.floats(z), SharedMemory.floats(output))) {
            value = alpha * (float) quantized.loss();
            perplexity = quantized.perplexity();
        }
        if (!training) {
            loss = manager.create(value);
            return new NDList(output);
        }
        NDArray gradient = manager.create(z.getShape(), DataType.FLOAT32);
        layer.backward(null, alpha, SharedMemory.floats(gradient)).close();
        NDArray linear = z.mul(gradient).sum();
        for (SharedParameter parameter : shared) {
            NDArray values = store.getValue(parameter.ofBlock(), z.getDevice(), true);
            linear = linear.add(parameter.timesGradient(values));
        }
        loss = linear.sub(linear.stopGradient()).add(value);
        return new NDList(output.add(z.sub(z.stopGradient())));
    }

    @Override
    public void saveParameters(DataOutputStream output) throws IOException {
        Path file = Files.createTempFile("vq4j", ".safetensors");
        try {
            Checkpoint.save(file, layer);
            byte[] checkpoint = Files.readAllBytes(file);
            output.writeByte(VERSION);
            saveInputShapes(output);
            output.writeInt(checkpoint.length);
            output.write(checkpoint);
        } finally {
            Files.delete(file);
        }
    }

    /**
     * Reads what {@link #saveParameters} wrote, of a layer with the same options. Where that fails the block stays as it is.
     *
     * @throws MalformedModelException if it is of another version
     * @throws IOException if it does not fit the layer, or ends too early; the message says why
     */
    @Override
    public void loadParameters(NDManager manager, DataInputStream input) throws IOException, MalformedModelException {
        byte version = input.readByte();
        if (version != VERSION) {
            throw new MalformedModelException("need version " + VERSION + " of the block, got " + version);
        }
        checkEngine(manager);
        Shape[] shapesBefore = inputShapes;
        try {
            readInputShapes(input);
            restore(input);
        } catch (IOException | RuntimeException | Error failure) {
            inputShapes = shapesBefore;
            throw failure;
        }
        share(manager);
    }

    private void restore(DataInputStream input) throws IOException {
        int length = input.readInt();
        byte[] checkpoint = input.readNBytes(Math.max(length, 0));
        if (checkpoint.length != length) {
            throw new IOException(
                    "need a checkpoint of as many bytes as it says, " + length + ", got " + checkpoint.length);
        }
        Path file = Files.createTempFile("vq4j", ".safetensors");
        try {
            Files.write(file, checkpoint);
            Checkpoint.restore(file, layer);
        } finally {
            Files.delete(file);
        }
    }

    /** Closes the parameters and the layer. A second call does nothing. */
    @Override
    public void close() {
        clear();
        layer.close();
    }

    private static void checkEngine(NDManager manager) {
        String engine = manager.getEngine().getEngineName();
        if (!engine.equals("PyTorch")) {
            throw new IllegalStateException("need the engine PyTorch, whose arrays share memory, got " + engine);
        }
    }

    private void share(NDManager manager) {
        checkEngine(manager);
        shared.forEach(parameter -> parameter.share(manager));
    }

    private static void checkInput(String name, NDArray array, DataType type) {
        Objects.requireNonNull(array, name);
        if (array.getDataType() != type || !array.getDevice().getDeviceType().equals(Device.Type.CPU)) {
            throw new IllegalArgumentException("need " + name + " of type " + type + " on the CPU, got "
                    + array.getDataType() + " on " + array.getDevice());
        }
    }
}
