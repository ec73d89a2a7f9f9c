package io.github.vq4j;

import io.github.vq4j.internal.Batch;
import io.github.vq4j.internal.Halves;
import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Rows;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.jspecify.annotations.Nullable;

/**
 * What the quantizers without a codebook share: tensors in and out, the order of calls, codes and how many are used.
 *
 * @param <Q> what forward gives
 */
public abstract sealed class CodebookFreeQuant<Q> implements AutoCloseable permits FiniteScalarQuant, LookupFreeQuant {
    final Kernels kernels;
    private final int featureSize;
    private final long numCodes;
    final int dim;
    private final InputNorm inputNorm;
    private final ConcurrentLinkedQueue<CodebookFreePass> spare = new ConcurrentLinkedQueue<>();

    private boolean training = true;
    private @Nullable CodebookFreePass saved;
    private @Nullable Batch savedBatch;
    private final UnfinishedBatches unfinished = new UnfinishedBatches();
    private final PassInProgress passes = new PassInProgress();
    private volatile boolean closed;

    CodebookFreeQuant(Kernels kernels, int featureSize, long numCodes, int dim, Norm norm) {
        this.kernels = kernels;
        this.featureSize = featureSize;
        this.numCodes = numCodes;
        this.dim = dim;
        inputNorm = new InputNorm(kernels, norm, featureSize);
    }

    // ---- what a quantizer decides ------------------------------------------------------------------------------

    /**
     * Codes of normalised rows, into the pass, and their values.
     *
     * @param unread the rows in 16 bits, which are left in the pass; null: they are there
     * @param output null where only the codes are wanted
     */
    abstract void assign(CodebookFreePass pass, @Nullable Halves unread, @Nullable FloatPointer output);

    /** The values of codes. */
    abstract void look(IntPointer codes, Rows rows, FloatPointer output);

    /** What forward gives; computes the losses of a quantizer that has some, which are 0 without rows. */
    abstract Q result(CodebookFreePass pass, Batch batch, Tensor output, Tensor codes, CodeUsage usage);

    /** Gradient of the normalised rows; a null gradient of the output counts as zero. */
    abstract void differentiate(
            CodebookFreePass pass, @Nullable FloatPointer gradient, double alpha, FloatPointer normalisedGradient);

    /** A layer of its own with the same options and mode, that computes somewhere else. */
    public abstract CodebookFreeQuant<Q> copy(Backend backend);

    // ---- forward and backward ----------------------------------------------------------------------------------

    /**
     * Quantizes. The input is kept, not copied, until the backward: do not change it in between.
     *
     * <p>On a CUDA device the host waits for neither the forward nor the backward of a device tensor, but with a mask
     * on the device. The exception then comes from the first of these that waits: the numbers of the result, or one of
     * the layer's next passes.
     *
     * @param z FLOAT32, FLOAT16 or BFLOAT16, with featureSize on axis dim, at least one row
     * @return results where z lies: on the host for a host tensor, on the device for a device tensor
     * @throws NotFiniteException if z has a NaN or an infinity
     */
    public Q forward(Tensor z) {
        return quantize(z, null, null);
    }

    /** As {@link #forward(Tensor)}, of the rows that a mask leaves. */
    public Q forward(Tensor z, RowMask mask) {
        return quantize(z, null, Objects.requireNonNull(mask, "mask"));
    }

    /**
     * As {@link #forward(Tensor)}, with the output written into memory of the caller's.
     *
     * @param output FLOAT32 of the shape of z, not overlapping z; its contents are undefined after an error
     */
    public Q forward(Tensor z, Tensor output) {
        checkOutput(z, output);
        return quantize(z, output, null);
    }

    /** As {@link #forward(Tensor, Tensor)}, of the rows that a mask leaves. */
    public Q forward(Tensor z, Tensor output, RowMask mask) {
        checkOutput(z, output);
        return quantize(z, output, Objects.requireNonNull(mask, "mask"));
    }

    /** The gradient of z for the last forward, which is used up by it; into gradInput unless that is null. */
    final Gradients backpropagate(@Nullable Tensor gradOutput, double alpha, @Nullable Tensor gradInput) {
        return passes.during(this, training, () -> backpropagateAlone(gradOutput, alpha, gradInput));
    }

    private Gradients backpropagateAlone(@Nullable Tensor gradOutput, double alpha, @Nullable Tensor gradInput) {
        CodebookFreePass pass = forBackward(gradOutput, alpha);
        Tensor z = pass.tensor;
        return Gradients.computed(
                gradInput,
                z,
                kernels,
                () -> resultLike(z, DataType.FLOAT32, z.shape()),
                into -> differentiate(pass, gradOutput, alpha, into));
    }

    /**
     * The codes alone.
     *
     * @param z FLOAT32, FLOAT16 or BFLOAT16, with featureSize on axis dim, at least one row
     * @return INT32, shape of z without the feature axis, where z lies
     * @throws NotFiniteException if z has a NaN or an infinity
     */
    public Tensor encode(Tensor z) {
        return assigned(z, null);
    }

    /** As {@link #encode(Tensor)}, of the rows that a mask leaves. */
    public Tensor encode(Tensor z, RowMask mask) {
        return assigned(z, Objects.requireNonNull(mask, "mask"));
    }

    private Tensor assigned(Tensor z, @Nullable RowMask mask) {
        int axis = checkInput(z);
        checkMask(mask, z, axis);
        Tensor codes = resultLike(z, DataType.INT32, FeatureAxis.without(z.shape(), axis));
        CodebookFreePass pass = takePass();
        boolean done = false;
        try (Batch batch = kernels.beginBatch()) {
            start(pass, z, axis, mask);
            normaliseAndAssign(pass, null);
            codes.copyFrom(kernels, wholeCodes(pass));
            batch.submit();
            batch.await();
            done = true;
            return codes;
        } finally {
            if (!done) {
                codes.close();
            }
            giveBack(pass);
        }
    }

    /**
     * The values behind codes, bit for bit those of {@link #forward}.
     *
     * @param codes INT32, each in [0, numCodes), at least one
     * @return FLOAT32, shape of the codes with featureSize inserted at axis dim, where the codes lie
     */
    public Tensor decode(Tensor codes) {
        checkOpen();
        codes.checkUsable("codes", DataType.INT32, kernels);
        int rank = codes.rank() + 1;
        int axis = dim < 0 ? rank + dim : dim;
        if (axis < 0 || axis >= rank) {
            throw new IllegalArgumentException("need codes to which axis " + dim + " can be added, got " + codes);
        }
        if (codes.size() == 0) {
            throw new IllegalArgumentException("need at least one code, got " + codes);
        }
        long[] shape = FeatureAxis.with(codes.shape(), axis, featureSize);
        CodebookFreePass pass = takePass();
        Tensor values = null;
        try (Batch batch = kernels.beginBatch()) {
            pass.rows = Rows.of(shape, axis);
            codes.copyTo(kernels, pass.codes());
            values = resultLike(codes, DataType.FLOAT32, shape);
            look(pass.codes(), pass.rows, pass.output.room(values));
            pass.output.deliver(values);
            batch.submit();
            batch.await();
            return values;
        } catch (RuntimeException | Error failure) {
            if (values != null) {
                values.close();
            }
            throw failure;
        } finally {
            giveBack(pass);
        }
    }

    // ---- mode and state ----------------------------------------------------------------------------------------

    /** Switches to training, the mode a layer starts in. With nothing to train, the results are the same in both. */
    public CodebookFreeQuant<Q> train() {
        checkOpen();
        training = true;
        return this;
    }

    /** Switches to inference. With nothing to train, the results are the same in both modes. */
    public CodebookFreeQuant<Q> eval() {
        checkOpen();
        training = false;
        return this;
    }

    /** Whether the layer trains. */
    public boolean isTraining() {
        return training;
    }

    /** D. */
    public int featureSize() {
        return featureSize;
    }

    /** The axis of the features, as the option: negative counts from the end. */
    public int dim() {
        return dim;
    }

    /** The number of codes that there are. */
    public long numCodes() {
        return numCodes;
    }

    /** How the layer's codes are packed into bits. */
    public CodePacking packing() {
        return CodePacking.of(numCodes);
    }

    /** Where the layer computes. */
    public Device device() {
        return kernels.onCuda() ? Device.CUDA : Device.HOST;
    }

    /** Where the layer computes. */
    public Backend backend() {
        return kernels.onCuda() ? Backend.cuda(kernels.device()) : Backend.cpu();
    }

    /** Gives all memory back; a second call does nothing. */
    @Override
    public void close() {
        if (!closed) {
            closed = true;
            forgetSaved();
            spare.forEach(CodebookFreePass::close);
            spare.clear();
            inputNorm.close();
        }
    }

    /** " on cpu" or " on cuda:0", for the name of the layer in messages. */
    final String place() {
        return kernels.onCuda() ? " on cuda:" + kernels.device() : " on cpu";
    }

    // ---- the steps ---------------------------------------------------------------------------------------------

    private Q quantize(Tensor z, @Nullable Tensor output, @Nullable RowMask mask) {
        return passes.during(this, training, () -> quantizeAlone(z, output, mask));
    }

    private Q quantizeAlone(Tensor z, @Nullable Tensor output, @Nullable RowMask mask) {
        int axis = checkInput(z);
        checkMask(mask, z, axis);
        unfinished.leave(UnfinishedBatches.MOST);
        CodebookFreePass pass = takePass();
        Batch batch = kernels.beginBatch();
        List<Tensor> results = new ArrayList<>(2);
        boolean done = false;
        try {
            start(pass, z, axis, mask);
            Tensor out = output != null ? output.reshape(output.shape()) : resultLike(z, DataType.FLOAT32, z.shape());
            results.add(out);
            FloatPointer room = pass.output.room(out);
            normaliseAndAssign(pass, pass.isMasked ? pass.mask.output() : room);
            if (pass.isMasked) {
                pass.mask.spreadOutput(pass.input, pass.wholeZ, room);
            }
            pass.output.deliver(out);
            Tensor codes = resultLike(z, DataType.INT32, FeatureAxis.without(z.shape(), axis));
            results.add(codes);
            codes.copyFrom(kernels, wholeCodes(pass));
            Q result = result(pass, batch, out, codes, usage(pass, batch));
            batch.submit();
            if (z.device() == Device.HOST || (pass.isMasked && pass.mask.isNeededByFailures())) {
                batch.await();
            }
            unfinished.add(batch);
            forgetSaved();
            saved = pass;
            savedBatch = batch;
            done = true;
            return result;
        } finally {
            if (!done) {
                batch.close();
                results.forEach(Tensor::close);
                giveBack(pass);
            }
        }
    }

    private CodeUsage usage(CodebookFreePass pass, Batch batch) {
        if (pass.isEmpty()) {
            return new CodeUsage(batch, null, null);
        }
        DoublePointer entropy = pass.codeEntropy.atLeast(1);
        LongPointer used = pass.usedCodes.atLeast(1);
        kernels.codebookFree.codeUsage(pass.codes(), pass.rows.count(), numCodes, entropy, used);
        return new CodeUsage(batch, entropy, used);
    }

    private void start(CodebookFreePass pass, Tensor z, int axis, @Nullable RowMask mask) {
        pass.tensor = z;
        pass.rows = Rows.of(z.shape(), axis);
        pass.wholeZ = pass.input.readLater(z);
        pass.z = pass.wholeZ;
        pass.isMasked = mask != null;
        if (mask != null) {
            pass.z = pass.mask.takeInput(mask, pass.input, pass.wholeZ, pass.rows);
            pass.rows = pass.mask.selection().matrix();
        }
    }

    private void normaliseAndAssign(CodebookFreePass pass, @Nullable FloatPointer output) {
        if (!pass.isEmpty()) {
            run(pass, () -> {
                Halves unread = inputNorm.isIdentity() ? null : pass.input.takeUnread();
                pass.normalised = inputNorm.apply(pass.z, unread, pass.rows, 1, training, pass.norm);
                assign(pass, pass.input.takeUnread(), output);
            });
        }
    }

    private IntPointer wholeCodes(CodebookFreePass pass) {
        return pass.isMasked ? pass.mask.spreadCodes(pass.isEmpty() ? null : pass.codes(), 1) : pass.codes();
    }

    /** Runs operations on the rows that take part, of which failures have the row's number in the input. */
    private static void run(CodebookFreePass pass, Runnable operations) {
        if (pass.isMasked) {
            pass.mask.run(operations);
        } else {
            operations.run();
        }
    }

    private void differentiate(CodebookFreePass pass, @Nullable Tensor gradOutput, double alpha, Tensor gradInput) {
        boolean onHost =
                gradInput.device() == Device.HOST || (gradOutput != null && gradOutput.device() == Device.HOST);
        boolean isAwaited = onHost || (pass.isMasked && pass.mask.isNeededByFailures());
        Batch batch = isAwaited ? null : kernels.beginBatch(savedBatch);
        try (batch) {
            run(pass, () -> addDifferentiation(pass, gradOutput, alpha, gradInput));
            if (batch != null) {
                batch.submit();
                unfinished.add(batch);
            }
        }
        forgetSaved();
    }

    private void addDifferentiation(
            CodebookFreePass pass, @Nullable Tensor gradOutput, double alpha, Tensor gradInput) {
        FloatPointer gradient = gradOutput == null ? null : pass.outputGradient.read(gradOutput);
        FloatPointer out = pass.inputGradient.room(gradInput);
        if (!pass.isMasked) {
            boolean overlaps = gradOutput != null && gradInput.overlaps(gradOutput);
            differentiate(pass, gradient, alpha, out, overlaps);
        } else if (!pass.isEmpty()) {
            differentiate(pass, pass.mask.takeOutputGradient(gradient), alpha, pass.mask.inputGradient(), false);
        }
        if (pass.isMasked) {
            pass.mask.spreadInputGradient(gradient, out);
        }
        pass.inputGradient.deliver(gradInput);
    }

    /** The gradient of the rows that take part. */
    private void differentiate(
            CodebookFreePass pass, @Nullable FloatPointer gradient, double alpha, FloatPointer out, boolean overlaps) {
        boolean apart = !inputNorm.isIdentity() || overlaps;
        FloatPointer normalised = apart ? pass.normalisedGradient.atLeast(pass.rows.elements()) : out;
        differentiate(pass, gradient, alpha, normalised);
        if (!inputNorm.isIdentity()) {
            inputNorm.gradient(pass.z, normalised, pass.rows, pass.norm, out);
        } else if (apart) {
            kernels.copy(out, normalised, pass.rows.elements() * Float.BYTES);
        }
    }

    // ---- memory ------------------------------------------------------------------------------------------------

    private CodebookFreePass takePass() {
        CodebookFreePass pass = spare.poll();
        return pass != null ? pass : new CodebookFreePass(kernels);
    }

    private void giveBack(CodebookFreePass pass) {
        pass.tensor = null;
        if (closed) {
            pass.close();
        } else {
            spare.offer(pass);
        }
    }

    private void forgetSaved() {
        if (saved != null) {
            CodebookFreePass pass = saved;
            saved = null;
            savedBatch = null;
            giveBack(pass);
        }
    }

    /** A new tensor where another lies. */
    private Tensor resultLike(Tensor model, DataType type, long[] shape) {
        return Tensor.allocate(model.device() == Device.CUDA ? kernels : Kernels.cpu(), type, shape);
    }

    // ---- checks ------------------------------------------------------------------------------------------------

    /** The feature axis of an input that fits. */
    private int checkInput(Tensor z) {
        checkOpen();
        z.checkUsableInput("z", kernels);
        return new FeatureAxis(featureSize, dim).of(z);
    }

    private void checkMask(@Nullable RowMask mask, Tensor z, int axis) {
        if (mask != null) {
            mask.rows().checkUsable("mask", DataType.INT32, kernels);
            mask.checkShape(FeatureAxis.without(z.shape(), axis));
        }
    }

    private void checkOutput(Tensor z, Tensor output) {
        Objects.requireNonNull(output, "output");
        output.checkWritable("output", DataType.FLOAT32, kernels);
        if (!output.hasShape(z.shape())) {
            throw new IllegalArgumentException(
                    "need an output of z's shape " + Arrays.toString(z.shape()) + ", got " + output);
        }
        if (output.overlaps(z)) {
            throw new IllegalArgumentException("output overlaps z; need memory of its own");
        }
    }

    private CodebookFreePass forBackward(@Nullable Tensor gradOutput, double alpha) {
        checkOpen();
        if (saved == null) {
            throw new IllegalStateException("backward needs a forward before it, and each its own");
        }
        if (saved.tensor.isClosed()) {
            throw new IllegalStateException("z of the forward is closed; keep it open until backward");
        }
        if (!Double.isFinite(alpha)) {
            throw new IllegalArgumentException("need a finite alpha, got " + alpha);
        }
        if (gradOutput != null) {
            Gradients.check("gradOutput", gradOutput, saved.tensor, kernels);
        }
        return saved;
    }

    private void checkOpen() {
        if (closed) {
            throw new IllegalStateException("this " + this + " is closed");
        }
    }
}
