package io.github.vq4j;

import io.github.vq4j.internal.Batch;
import io.github.vq4j.internal.Halves;
import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Rows;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.BiConsumer;
import java.util.function.Predicate;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A layer that replaces every row of its input by codes of trained codebooks. {@link VectorQuant} has one codebook,
 * {@link GroupVectorQuant} one for each part of a row, {@link ResidualVectorQuant} one for what the codes before have left.
 *
 * <p>With z the input, projected and normalised where that is asked for, its feature axis taken as N rows of D features; C
 * the codebook, K x D; C' the effective codebook, after codebook norm and affine; and sg the stop-gradient:
 *
 * <pre>
 * q_n = argmin_k |z_n - C'_k|^2 (lowest k on a tie)     e_n = C'[q_n]
 * output = e, with the gradients of z + sg(e - z) + nu * e - sg(nu * e), or of another {@link GradientEstimator}
 * loss   = (1 - beta) * mean((z - sg(e))^2) + beta * mean((sg(z) - e)^2)
 * </pre>
 *
 * With {@link QuantizerBuilder#lookupSize} the output is that, projected back.
 *
 * <p>{@link #forward} gives output and loss; {@link #backward} the gradients of the objective task(output) + alpha * loss,
 * that of z as its result and those of the {@link #parameters} inside them; an {@link Optimizer} updates the parameters.
 * A call that throws has changed nothing. After {@link #eval} no call changes anything either.
 *
 * <p>{@link #encode} and {@link #decode} may run in several threads at once as long as nothing else runs; the rest is not
 * thread-safe, but that in inference the forwards of several threads wait for one another. In training a forward or backward
 * throws {@link IllegalStateException} where it meets another one.
 */
public abstract sealed class Quantizer implements AutoCloseable
        permits VectorQuant, GroupVectorQuant, ResidualVectorQuant {
    private static final Logger LOGGER = LoggerFactory.getLogger(Quantizer.class);

    final Kernels kernels;
    final RowSums sums;
    final double beta;
    private final GradientEstimator estimator;
    private final double samplingTemperature;
    private final long seed;

    /** The share of the task's gradient for codes that they receive. */
    final double nu;

    final List<Codebook> codebooks;
    private final int featureSize;
    private final int numCodes;
    private final int dim;
    private final int assignmentCount;
    private final @Nullable Projection projection;
    private final InputNorm inputNorm;
    private final List<Parameter> parameters;
    private final Map<String, String> options;
    private final ConcurrentLinkedQueue<Pass> spare = new ConcurrentLinkedQueue<>();

    private boolean training = true;
    private boolean hasWarned;
    private int disabledScopes;
    private long trainingSteps;
    private @Nullable Pass saved;
    private @Nullable Batch savedBatch;
    private final UnfinishedBatches unfinished = new UnfinishedBatches();
    private final PassInProgress passes = new PassInProgress();
    private volatile boolean closed;

    /** @param assignmentCount how many assignments a pass makes */
    Quantizer(QuantizerBuilder<?> options, RowSums sums, int assignmentCount) {
        this.sums = sums;
        kernels = sums.kernels;
        this.options = options.named();
        this.assignmentCount = assignmentCount;
        featureSize = options.featureSize;
        numCodes = options.numCodes;
        dim = options.dim;
        beta = options.beta;
        estimator = options.estimator;
        samplingTemperature = options.samplingTemperature;
        seed = options.seed;
        nu = estimator == GradientEstimator.DIVEQ ? 1 : options.syncNu;
        projection =
                options.lookupSize == 0 ? null : new Projection(kernels, featureSize, options.lookupSize, options.seed);
        inputNorm = new InputNorm(kernels, options.norm, options.lookupFeatures());
        int codebookCount = options.codebookCount();
        List<Codebook> all = new ArrayList<>();
        for (int i = 0; i < codebookCount; i++) {
            String prefix = codebookCount == 1 ? "" : i + ".";
            all.add(new Codebook(sums, options, i, prefix, numCodes / codebookCount, options.codebookFeatures()));
        }
        codebooks = List.copyOf(all);
        List<Parameter> trained = new ArrayList<>();
        codebooks.forEach(codebook -> trained.addAll(codebook.parameters()));
        trained.addAll(inputNorm.parameters());
        if (projection != null) {
            trained.addAll(projection.parameters());
        }
        parameters = List.copyOf(trained);
    }

    // ---- what a layer decides ------------------------------------------------------------------------------------

    /** Codes of a row; 0 where they have no axis of their own. */
    abstract int codesOfRow();

    /** Assigns all rows, training codebooks inside the pass where that is asked for. Changes nothing but the pass. */
    abstract void assign(Pass pass, boolean training);

    /** Gives the codebooks' states and the assignments' rows for codes that are known. */
    abstract void prepareToDecode(Pass pass);

    /** Writes e, in the layout of z, from the codes of the assignments. */
    abstract void writeOutput(Pass pass, FloatPointer out);

    /** The same from codes that {@link #takeCodes} took. */
    void writeDecoded(Pass pass, FloatPointer out) {
        writeOutput(pass, out);
    }

    /** The assignments over whose mean the loss is taken. */
    abstract List<Assignment> lossTerms(Pass pass);

    /** The vectors that the lookup replaces: the rows, or parts of them in place. */
    abstract Rows replacedVectors(Pass pass);

    /**
     * Gradients of the normalised rows and of the codebooks.
     *
     * @param mean 2 * alpha / (N D)
     * @param out gradient of the rows; never that of the task
     */
    abstract void differentiate(Pass pass, TaskGradient task, double mean, FloatPointer out);

    /** The codebook of an assignment, and the number that its codes begin at. */
    final Codebook codebookOf(int assignment) {
        return codebooks.get(Math.min(assignment, codebooks.size() - 1));
    }

    final Codebook.State stateOf(Pass pass, int assignment) {
        return pass.codebook(Math.min(assignment, codebooks.size() - 1));
    }

    private int offsetOf(int assignment) {
        return codebooks.size() == 1 ? 0 : assignment * codebooks.get(0).codes();
    }

    /** Assigns rows to their codebook, after preparing it where this is its first assignment in the pass. */
    final void assign(Pass pass, int number, boolean training) {
        Assignment assignment = pass.assignment(number);
        prepare(pass, number, assignment.z, assignment.rows, training);
        CodeSampling sampling = training && samplingTemperature > 0
                ? new CodeSampling(samplingTemperature, Codebook.seedOf(seed, number), trainingSteps)
                : null;
        codebookOf(number).assign(stateOf(pass, number), assignment, pass.input.takeUnread(), pass.keepsZ, sampling);
        if (training) {
            codebookOf(number).alternate(stateOf(pass, number), assignment, sampling);
        }
    }

    /** Prepares the codebook of an assignment of these rows, where it is the codebook's first in the pass. */
    final void prepare(Pass pass, int number, FloatPointer z, Rows rows, boolean training) {
        if (number >= codebooks.size()) {
            return;
        }
        Codebook codebook = codebooks.get(number);
        if (!training) {
            codebook.prepareToEncode(pass.codebook(number));
            return;
        }
        if (codebook.awaitsKmeans()) {
            pass.input.widen(pass.givenRows.elements());
        }
        Halves unread = codebook.takesMoments() ? pass.input.takeUnread() : null;
        codebook.prepareForTraining(pass.codebook(number), z, unread, rows);
    }

    /** Gradients of the rows of an assignment and of its codebook. The task's and {@code out} lie as its rows do. */
    final void differentiateAssignment(
            Pass pass,
            int number,
            @Nullable FloatPointer ofRows,
            @Nullable FloatPointer ofCodes,
            double mean,
            FloatPointer out) {
        Assignment assignment = pass.assignment(number);
        Codebook.State state = stateOf(pass, number);
        float coefficient = (float) ((1 - beta) * mean);
        float codesCoefficient = (float) (beta * mean);
        FloatPointer shared = shareOfCodes(ofCodes);
        boolean learns = codebookOf(number).learnsByGradient();
        if (learns && (shared == null || shared.equals(ofRows))) {
            sums.gradients(
                    assignment.z,
                    ofRows,
                    assignment.rows,
                    state.effective(),
                    assignment.codes,
                    codebookOf(number).codes(),
                    coefficient,
                    codesCoefficient,
                    shared == null ? 0 : (float) nu,
                    out,
                    codebookOf(number).gradientRoom(state));
            return;
        }
        kernels.loss.inputGradient(
                assignment.z, ofRows, assignment.rows, state.effective(), assignment.codes, coefficient, out);
        if (learns) {
            sums.codebookGradient(
                    assignment.z,
                    shared,
                    assignment.rows,
                    state.effective(),
                    assignment.codes,
                    codebookOf(number).codes(),
                    codesCoefficient,
                    (float) nu,
                    codebookOf(number).gradientRoom(state));
        }
    }

    /** Of the task's gradient for codes, what they receive a share of: without a share it need not be read. */
    final @Nullable FloatPointer shareOfCodes(@Nullable FloatPointer gradient) {
        return nu == 0 ? null : gradient;
    }

    /** Where the codes of an assignment belong. */
    final IntPointer codesOf(Pass pass, int number, Rows rows) {
        return pass.codes(rows.count() * assignmentCount).getPointer(IntPointer.class, number * rows.count());
    }

    // ---- forward and backward ----------------------------------------------------------------------------------

    /**
     * Quantizes, in training mode after initialising from this batch where that is due, and followed by the replacement of
     * codes; within a {@link #disabled} scope passes z on. The input is kept, not copied, until {@link #backward}: do not
     * change it in between.
     *
     * <p>On a CUDA device the host does not wait for the forward of a device tensor, but with a mask on the device,
     * with workers, with replacementPolicy KMEANS_INPUT where a code may have been unused for long enough, and in the
     * first training pass where that initialises by k-means or starts running moments. The exception then comes from
     * the first of these that waits, or that comes after it: the numbers of the result, {@link Parameter#gradient} and
     * {@link Optimizer#step} after the backward, or one of the layer's next passes. The layer has not been changed by
     * the pass then, either, nor by a step with its gradients; passes between the two are what they would have been
     * without it, but that it has had a number of the training steps, which random draws depend on.
     *
     * @param z FLOAT32, FLOAT16 or BFLOAT16, with featureSize on axis dim, at least one row
     * @return results where z lies: on the host for a host tensor, on the device for a device tensor
     * @throws NotFiniteException if z or a codebook has a NaN or an infinity
     */
    public Quantized forward(Tensor z) {
        return quantize(z, null, null);
    }

    /**
     * As {@link #forward(Tensor)}, of the rows that a mask leaves.
     *
     * @throws IllegalArgumentException with norm GROUP or INSTANCE, whose moments are those of whole samples
     */
    public Quantized forward(Tensor z, RowMask mask) {
        return quantize(z, null, Objects.requireNonNull(mask, "mask"));
    }

    /**
     * As {@link #forward(Tensor)}, with the output written into memory of the caller's.
     *
     * @param output FLOAT32 of the shape of z, not overlapping z; its contents are undefined after an error
     */
    public Quantized forward(Tensor z, Tensor output) {
        checkOutput(z, output);
        return quantize(z, output, null);
    }

    /** As {@link #forward(Tensor, Tensor)}, of the rows that a mask leaves: see {@link #forward(Tensor, RowMask)}. */
    public Quantized forward(Tensor z, Tensor output, RowMask mask) {
        checkOutput(z, output);
        return quantize(z, output, Objects.requireNonNull(mask, "mask"));
    }

    /**
     * Gradients of task(output) + alpha * loss, for the last {@link #forward}, which is used up by it: every backward needs
     * a forward of its own. The parameters must not be changed between the two. The gradient of z is the result; the
     * gradients of the parameters are overwritten. Nothing waits for a CUDA device here, as in {@link #forward(Tensor)}, and
     * the exception may come from {@link Parameter#gradient}, {@link Optimizer#step} or one of the layer's next passes.
     *
     * @param gradOutput gradient of the task loss with respect to the output, FLOAT32 of its shape; null for zero
     * @param alpha weight of the commitment loss, finite
     * @throws IllegalStateException without a forward
     * @throws NotFiniteException if the gradient has a NaN or an infinity
     */
    public Gradients backward(@Nullable Tensor gradOutput, double alpha) {
        return passes.during(this, training, () -> backpropagate(gradOutput, alpha, null));
    }

    /**
     * As {@link #backward(Tensor, double)}, with the gradient of z written into memory of the caller's.
     *
     * @param gradInput FLOAT32 of the shape of z, not overlapping z; may be gradOutput itself; its contents are undefined
     *     after an error
     */
    public Gradients backward(@Nullable Tensor gradOutput, double alpha, Tensor gradInput) {
        Objects.requireNonNull(gradInput, "gradInput");
        return passes.during(this, training, () -> backpropagate(gradOutput, alpha, gradInput));
    }

    /**
     * The codes alone, always as in inference, whatever the mode.
     *
     * @param z FLOAT32, FLOAT16 or BFLOAT16, with featureSize on axis dim, at least one row
     * @return INT32 of the shape of the codes of {@link #forward}, where z lies
     * @throws IllegalStateException if a codebook still waits for its initialisation by k-means
     * @throws NotFiniteException if z or a codebook has a NaN or an infinity
     */
    public Tensor encode(Tensor z) {
        return assigned(z, null, assignmentCount);
    }

    /** As {@link #encode(Tensor)}, of the rows that a mask leaves: see {@link #forward(Tensor, RowMask)}. */
    public Tensor encode(Tensor z, RowMask mask) {
        return assigned(z, Objects.requireNonNull(mask, "mask"), assignmentCount);
    }

    /**
     * As {@link #encode(Tensor)}, with the codes written into memory of the caller's.
     *
     * @param codes INT32 of the shape of the codes of {@link #forward}; its contents are undefined after an error
     */
    public void encode(Tensor z, Tensor codes) {
        int axis = checkInput(z);
        codes.checkWritable("codes", DataType.INT32, kernels);
        long[] shape = codesShape(z.shape(), axis, assignmentCount);
        if (!codes.hasShape(shape)) {
            throw new IllegalArgumentException("need codes of shape " + Arrays.toString(shape) + ", got " + codes);
        }
        assign(z, axis, null, assignmentCount, codes);
    }

    /**
     * The effective codes behind codes, always as in inference.
     *
     * @param codes INT32 of the shape of the codes of {@link #forward}, each in the range of its codebook, at least one; the
     *     -1 of a stage that quantizer dropout left out adds nothing, that of a row that was masked out is an error
     * @return FLOAT32 of the shape of the output of {@link #forward}, where the codes lie
     * @throws IllegalStateException if a codebook still waits for its initialisation by k-means
     */
    public Tensor decode(Tensor codes) {
        return decoded(codes, checkCodesOfAll(codes), assignmentCount);
    }

    /**
     * As {@link #decode(Tensor)}, with the result written into memory of the caller's, so that none is taken for it.
     *
     * @param output FLOAT32 of the shape of the output of {@link #forward}; its contents are undefined after an error
     */
    public void decode(Tensor codes, Tensor output) {
        int axis = checkCodesOfAll(codes);
        output.checkWritable("output", DataType.FLOAT32, kernels);
        long[] shape = decodedShape(codes, axis);
        if (!output.hasShape(shape)) {
            throw new IllegalArgumentException("need output of shape " + Arrays.toString(shape) + ", got " + output);
        }
        decode(codes, axis, assignmentCount, output);
    }

    private int checkCodesOfAll(Tensor codes) {
        int axis = checkCodes(codes);
        if (codesOfRow() > 0 && codes.size(axis) != codesOfRow()) {
            throw new IllegalArgumentException(
                    "need " + codesOfRow() + " codes of a row on axis " + dim + ", got " + codes);
        }
        return axis;
    }

    // ---- mode and state ----------------------------------------------------------------------------------------

    /** Switches to training, the mode a layer starts in. */
    public Quantizer train() {
        checkOpen();
        training = true;
        return this;
    }

    /** Switches to inference: no initialisation, no replacement, running moments instead of the batch's. */
    public Quantizer eval() {
        checkOpen();
        training = false;
        return this;
    }

    /**
     * Disables layers until the scope is closed: their forward passes z on. Scopes nest; see {@link DisabledScope}.
     *
     * <pre>{@code
     * try (DisabledScope off = Quantizer.disabled(layer)) {
     *     layer.forward(z);       // output = z, codes -1, loss 0
     * }
     * }</pre>
     */
    public static DisabledScope disabled(Quantizer... layers) {
        return new DisabledScope(layers);
    }

    /** Whether the layer quantizes: no {@link #disabled} scope of it is open. */
    public boolean isEnabled() {
        return disabledScopes == 0;
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

    /** K; the total over codebooks. */
    public int numCodes() {
        return numCodes;
    }

    /**
     * Whether the task's gradient g reaches z as it is, and nothing else: {@link GradientEstimator#STRAIGHT_THROUGH} without
     * syncNu, norm and lookupSize. {@link #backward} of g is then that of null plus g for z, and that of null for the
     * parameters.
     */
    public boolean isStraightThrough() {
        return estimator == GradientEstimator.STRAIGHT_THROUGH
                && nu == 0
                && inputNorm.isIdentity()
                && projection == null;
    }

    /** Where the layer computes and its parameters lie. */
    public Device device() {
        return kernels.onCuda() ? Device.CUDA : Device.HOST;
    }

    /**
     * "codebook" (K x D); with a learned affine "affine.scale" and "affine.bias" (affineGroups x D each, the scale being
     * 1 + affineLr * affine.scale and the shift affineLr * affine.bias); with batch or group norm "norm.scale" and
     * "norm.shift" (D each, L with a lookupSize L); with that, "projection.in.weight" (L x D), "projection.in.bias" (L),
     * "projection.out.weight" (D x L) and "projection.out.bias" (D). With linearCodebook, "linear.weight" (D x D) in the place
     * of "codebook". With several codebooks, the names of what belongs to codebook i begin with "i.". A codebook of moving
     * averages is not among them: it has no gradient.
     */
    public List<Parameter> parameters() {
        return parameters;
    }

    /** The number of codebooks. */
    public int codebookCount() {
        return codebooks.size();
    }

    /** A stored codebook, not a copy: numCodes / codebookCount codes. Closing the tensor does nothing. */
    public Tensor codebook(int number) {
        return codebooks.get(checkNumber(number)).parameter().value();
    }

    /** The codebook that inference compares rows with, a copy. */
    public Tensor effectiveCodebook(int number) {
        checkOpen();
        Codebook codebook = codebooks.get(checkNumber(number));
        Pass pass = takePass();
        try {
            FloatPointer effective = codebook.prepareForInference(pass.codebook(number));
            Tensor copy = Tensor.allocate(kernels, DataType.FLOAT32, codebook.codes(), codebook.features());
            copy.copyFrom(kernels, effective);
            return copy;
        } finally {
            giveBack(pass);
        }
    }

    /**
     * Overwrites a stored codebook. An initialisation by k-means that is still due is cancelled, a pending backward too;
     * moving averages start anew from it.
     *
     * @param values FLOAT32, of the codebook's shape
     * @throws NotFiniteException if a code has a NaN or an infinity
     */
    public void setCodebook(int number, Tensor values) {
        checkOpen();
        Codebook codebook = codebooks.get(checkNumber(number));
        values.checkUsable("codebook", DataType.FLOAT32, kernels);
        Tensor stored = codebook.parameter().value();
        if (!values.hasShape(stored.shape())) {
            throw new IllegalArgumentException(
                    "need a codebook of shape " + Arrays.toString(stored.shape()) + ", got " + values);
        }
        Pass pass = takePass();
        try {
            FloatPointer staged = pass.input.read(values);
            codebook.check(staged);
            codebook.set(staged);
        } finally {
            giveBack(pass);
        }
        forgetSaved();
    }

    /**
     * The loss of orthogonal regularisation as the codebooks are now: the sum over them of |N N' - I|^2 / K^2, N the codes
     * of one scaled to length 1, before an affine. It is not multiplied by {@link QuantizerBuilder#orthogonalWeight}, and
     * there for layers without that option too.
     */
    public double orthogonalLoss() {
        checkOpen();
        Pass pass = takePass();
        try {
            double sum = 0;
            for (int i = 0; i < codebooks.size(); i++) {
                sum += codebooks.get(i).orthogonalLoss(pass.codebook(i));
            }
            return sum;
        } finally {
            giveBack(pass);
        }
    }

    /** The running moments of a codebook's statistics affine; empty without it and before the first training batch. */
    public Optional<RunningMoments> runningMoments(int number) {
        checkOpen();
        return codebooks.get(checkNumber(number)).transform().runningMoments();
    }

    /** The codes that the last training forward replaced, ascending: their optimiser state has been cleared. */
    public int[] replacedCodes() {
        checkOpen();
        List<Integer> all = new ArrayList<>();
        for (int i = 0; i < codebooks.size(); i++) {
            CodeReplacement replacement = codebooks.get(i).replacement();
            if (replacement != null) {
                for (int code : replacement.lastReplaced()) {
                    all.add(offsetOf(i) + code);
                }
            }
        }
        return all.stream().mapToInt(Integer::intValue).toArray();
    }

    /**
     * The layer as it encodes and decodes now, for good: affine and norm of the codebook are folded into a plain one.
     * Later training of this layer does not change it.
     *
     * @throws IllegalStateException if a codebook still waits for its initialisation by k-means
     */
    public FrozenQuantizer freeze() {
        checkOpen();
        checkInitialised(codebooks.size());
        return new FrozenQuantizer(this);
    }

    /** All that training has changed, copied. Gradients, and what a pending backward needs, are not among it. */
    public LayerState state() {
        return LayerState.of(this);
    }

    /**
     * Takes over the state of a layer that was built with the same options. Nothing is changed unless all of it fits. A
     * pending backward is cancelled, and gradients are forgotten.
     *
     * @throws IllegalArgumentException if a tensor or number is missing, of another type or shape, or out of its range,
     *     or if there are others; the message names it
     */
    public void restore(LayerState state) {
        StateRestorer restorer = new StateRestorer(state.source());
        visitState(restorer);
        restorer.checkAllRead();
        restorer.restore();
    }

    /**
     * A layer of its own with the same options, state and mode, that computes somewhere else: how a layer moves between the
     * CPU and a GPU. An optimiser of this layer holds nothing for the copy.
     *
     * @throws IllegalStateException if the layer is one of several workers
     */
    public Quantizer copy(Backend backend) {
        checkOpen();
        if (sums instanceof WorkerSums) {
            throw new IllegalStateException("need a layer without workers, whose copies all are one worker each; "
                    + this + " is one of several");
        }
        Quantizer copy = QuantizerBuilder.of(options).backend(backend).build();
        try {
            copy.restore(state());
            copy.training = training;
            return copy;
        } catch (RuntimeException | Error failure) {
            copy.close();
            throw failure;
        }
    }

    /** The options that the layer was built with, by name. */
    Map<String, String> options() {
        return options;
    }

    /** Where the layer computes. */
    public Backend backend() {
        return kernels.onCuda() ? new Backend(kernels) : Backend.cpu();
    }

    /** All that training has changed. Gradients, and what a pending backward needs, are not among it. */
    void visitState(StateVisitor state) {
        checkOpen();
        unfinished.finish();
        codebooks.forEach(codebook -> codebook.visitState(state));
        inputNorm.visitState(state);
        if (projection != null) {
            projection.visitState(state);
        }
        state.number("trainingSteps", 0, Long.MAX_VALUE - 1, () -> trainingSteps, this::restored);
    }

    private void restored(long steps) {
        trainingSteps = steps;
        parameters.forEach(Parameter::unmarkGradient);
        forgetSaved();
    }

    void enterDisabled() {
        disabledScopes++;
    }

    void leaveDisabled() {
        disabledScopes--;
    }

    /** How the layer's codes are packed into bits: each in as many as its codebook needs. */
    public CodePacking packing() {
        int codesOfOne = numCodes / codebooks.size();
        return codebooks.size() == 1
                ? CodePacking.of(numCodes)
                : CodePacking.ofStages(codesOfOne, codebooks.size(), dim);
    }

    /** Gives all memory back; a second call does nothing. */
    @Override
    public void close() {
        if (!closed) {
            closed = true;
            forgetSaved();
            spare.forEach(Pass::close);
            spare.clear();
            if (projection != null) {
                projection.close();
            }
            inputNorm.close();
            codebooks.forEach(Codebook::close);
        }
    }

    @Override
    public String toString() {
        int count = codebooks.size();
        return getClass().getSimpleName() + " of " + (count == 1 ? "" : count + " codebooks of ") + numCodes / count
                + " codes x " + codebooks.get(0).features() + " features on "
                + (kernels.onCuda() ? "cuda:" + kernels.device() : "cpu");
    }

    /** The norm of the input; for tests. */
    InputNorm inputNorm() {
        return inputNorm;
    }

    /** Takes over what happens to rows and codes outside of the codebooks, from a layer of the same options. */
    final void copySurroundings(Quantizer other) {
        inputNorm.copyFrom(other.inputNorm);
        if (projection != null) {
            projection.copyFrom(Objects.requireNonNull(other.projection));
        }
    }

    /** The last forward, whose backward has not been called. */
    Pass lastPass() {
        checkOpen();
        if (saved == null) {
            throw new IllegalStateException(
                    "need a forward whose backward has not been called yet: its rows are gone after it");
        }
        if (saved.tensor.isClosed()) {
            throw new IllegalStateException("z of the forward is closed; keep it open until it is looked at");
        }
        return saved;
    }

    /** The assignments of a codebook that have rows. */
    List<Assignment> assignmentsOf(Pass pass, int codebook) {
        if (pass.isEmpty()) {
            return List.of();
        }
        List<Assignment> all = codebooks.size() == 1 ? pass.assignments() : List.of(pass.assignment(codebook));
        return all.stream().filter(each -> !each.isEmpty()).toList();
    }

    // ---- the steps ---------------------------------------------------------------------------------------------

    private Quantized quantize(Tensor z, @Nullable Tensor output, @Nullable RowMask mask) {
        return passes.during(this, training, () -> quantizeAlone(z, output, mask));
    }

    private Quantized quantizeAlone(Tensor z, @Nullable Tensor output, @Nullable RowMask mask) {
        int axis = checkInput(z);
        checkMask(mask, z, axis);
        if (!training && isEnabled()) {
            warnOfRandomCodes();
        }
        unfinished.leave(UnfinishedBatches.MOST);
        Pass pass = takePass();
        Batch batch = kernels.beginBatch();
        List<Tensor> results = new ArrayList<>(3);
        boolean done = false;
        try {
            start(pass, z, axis, mask, true, true);
            if (!isEnabled()) {
                pass.leaveAllOut(Rows.of(z.shape(), axis));
            } else if (pass.isEmpty() && training) {
                sums.checkMayBeEmpty();
            }
            Tensor out = output != null ? output.reshape(output.shape()) : resultLike(z, DataType.FLOAT32, z.shape());
            results.add(out);
            FloatPointer room = pass.output.room(out);
            run(pass, () -> {
                normaliseAndAssign(pass, training);
                writeWholeOutput(pass, room);
            });
            pass.output.deliver(out);
            // What is copied comes together, since copies that follow one another are one step of a batch.
            countCodes(pass);
            long[] codesShape = codesShape(z.shape(), axis, pass.used);
            Tensor codes = resultLike(z, DataType.INT32, codesShape);
            results.add(codes);
            codes.copyFrom(kernels, wholeCodes(pass));
            Tensor distances = resultLike(z, DataType.FLOAT32, codesShape);
            results.add(distances);
            distances.copyFrom(kernels, wholeDistances(pass));
            Figures figures = figures(pass, batch);

            boolean commits = training && !pass.isEmpty();
            boolean isAwaited = z.device() == Device.HOST || (pass.isMasked && pass.mask.isNeededByFailures());
            if (commits && changesItself()) {
                run(pass, () -> prepareNext(pass));
                if (isAwaited || changesOnHost()) {
                    batch.catchUp();
                }
                commit(pass, figures);
            } else if (training && isEnabled()) {
                commitWithoutReplacement(0);
            }
            batch.submit(commits ? this::undoTrainingStep : () -> {});
            if (commits) {
                trainingSteps++;
            }
            if (isAwaited) {
                batch.await();
            }
            unfinished.add(batch);
            forgetSaved();
            saved = pass;
            savedBatch = batch;
            done = true;
            return new Quantized(out, codes, distances, figures);
        } finally {
            if (!done) {
                batch.close();
                results.forEach(Tensor::close);
                giveBack(pass);
            }
        }
    }

    /** Codes of the first assignments, as in inference. */
    final Tensor assigned(Tensor z, @Nullable RowMask mask, int used) {
        int axis = checkInput(z);
        checkMask(mask, z, axis);
        Tensor codes = resultLike(z, DataType.INT32, codesShape(z.shape(), axis, used));
        try {
            assign(z, axis, mask, used, codes);
            return codes;
        } catch (RuntimeException | Error failure) {
            codes.close();
            throw failure;
        }
    }

    private void assign(Tensor z, int axis, @Nullable RowMask mask, int used, Tensor codes) {
        checkInitialised(used);
        Pass pass = takePass();
        try (Batch batch = kernels.beginBatch()) {
            start(pass, z, axis, mask, used > 1, false);
            pass.used = used;
            run(pass, () -> normaliseAndAssign(pass, false));
            codes.copyFrom(kernels, wholeCodes(pass));
            batch.submit();
            batch.await();
        } finally {
            giveBack(pass);
        }
    }

    /** The output of the first assignments' codes, which are all or the first of those on the axis. */
    final Tensor decoded(Tensor codes, int axis, int used) {
        Tensor rows = resultLike(codes, DataType.FLOAT32, decodedShape(codes, axis));
        try {
            decode(codes, axis, used, rows);
            return rows;
        } catch (RuntimeException | Error failure) {
            rows.close();
            throw failure;
        }
    }

    private long[] decodedShape(Tensor codes, int axis) {
        return codesOfRow() == 0
                ? FeatureAxis.with(codes.shape(), axis, featureSize)
                : replaced(codes.shape(), axis, featureSize);
    }

    private void decode(Tensor codes, int axis, int used, Tensor rows) {
        checkInitialised(used);
        Pass pass = takePass();
        try (Batch batch = kernels.beginBatch()) {
            pass.givenRows = Rows.of(rows.shape(), axis);
            pass.rows = projection == null ? pass.givenRows : projection.lookupRows(pass.givenRows);
            pass.used = used;
            prepareToDecode(pass);
            takeCodes(pass, codes, axis);
            writeGivenOutput(pass, this::writeDecoded, pass.output.room(rows));
            pass.output.deliver(rows);
            batch.submit();
            batch.await();
        } finally {
            giveBack(pass);
        }
    }

    /**
     * @param keepsZ whether z is read after the first assignment
     * @param measures whether distances and losses are wanted
     */
    private void start(Pass pass, Tensor z, int axis, @Nullable RowMask mask, boolean keepsZ, boolean measures) {
        pass.tensor = z;
        pass.samples = samples(z, axis);
        pass.used = assignmentCount;
        pass.keepsZ = keepsZ;
        pass.measures = measures;
        pass.rows = Rows.of(z.shape(), axis);
        pass.wholeZ = pass.input.readLater(z);
        pass.z = pass.wholeZ;
        pass.isMasked = mask != null;
        if (mask != null) {
            pass.z = pass.mask.takeInput(mask, pass.input, pass.wholeZ, pass.rows);
            pass.rows = pass.mask.selection().matrix();
        }
        pass.given = pass.z;
        pass.givenRows = pass.rows;
    }

    private void normaliseAndAssign(Pass pass, boolean training) {
        if (!pass.isEmpty()) {
            if (projection != null) {
                pass.z = projection.in(pass.given, pass.input.takeUnread(), pass.givenRows, pass.projection);
                pass.rows = projection.lookupRows(pass.givenRows);
            }
            Halves unread = inputNorm.isIdentity() ? null : pass.input.takeUnread();
            pass.normalised = inputNorm.apply(pass.z, unread, pass.rows, pass.samples, training, pass.norm);
            assign(pass, training);
        }
    }

    private void writeWholeOutput(Pass pass, FloatPointer out) {
        if (!pass.isMasked) {
            writeGivenOutput(pass, this::measureAndWrite, out);
            return;
        }
        if (!pass.isEmpty()) {
            writeGivenOutput(pass, this::measureAndWrite, pass.mask.output());
        }
        pass.mask.spreadOutput(pass.input, pass.wholeZ, out);
    }

    /** Writes the output in the layout of the rows that take part, projected back where they were projected. */
    private void writeGivenOutput(Pass pass, BiConsumer<Pass, FloatPointer> write, FloatPointer out) {
        if (projection == null) {
            write.accept(pass, out);
            return;
        }
        write.accept(pass, pass.projection.output(pass.rows));
        projection.out(pass.givenRows, pass.projection, out);
    }

    private IntPointer wholeCodes(Pass pass) {
        if (!pass.isMasked) {
            return collectCodes(pass);
        }
        return pass.mask.spreadCodes(pass.isEmpty() ? null : collectCodes(pass), Math.max(1, codesOfRow(pass.used)));
    }

    private FloatPointer wholeDistances(Pass pass) {
        if (!pass.isMasked) {
            return collectDistances(pass);
        }
        return pass.mask.spreadDistances(
                pass.isEmpty() ? null : collectDistances(pass), Math.max(1, codesOfRow(pass.used)));
    }

    /** Distances and losses of all assignments, and e in the layout of z. */
    private void measureAndWrite(Pass pass, FloatPointer out) {
        boolean together = assignmentCount == 1;
        measure(pass, together ? out : null);
        if (!together) {
            writeOutput(pass, out);
        }
    }

    private void measure(Pass pass, @Nullable FloatPointer out) {
        for (int i = 0; i < pass.used; i++) {
            Assignment assignment = pass.assignment(i);
            if (!assignment.isEmpty() && !assignment.isMeasured) {
                measure(pass, i, out, null);
            }
            assignment.termLoss = assignment.loss();
        }
        if (!pass.isMasked && haveAllRows(pass.assignments())) {
            return;
        }
        for (Assignment term : lossTerms(pass)) {
            long count = pass.rows.count();
            Rows rows = term.selection == null ? term.rows : pass.rows;
            kernels.loss.meanDistances(
                    lossDistances(pass, term),
                    pass.isMasked ? pass.mask.selection().order() : null,
                    count,
                    rows.count() / count,
                    pass.isMasked ? pass.mask.selection().whole().count() : count,
                    pass.samples,
                    rows.elements() / count,
                    term.sampleLosses(pass.samples),
                    term.ownTermLoss());
        }
    }

    /** Distances and losses of an assignment, its codes' vectors, and what these leave of the rows. */
    final void measure(Pass pass, int number, @Nullable FloatPointer out, @Nullable FloatPointer left) {
        Assignment assignment = pass.assignment(number);
        long samples = pass.isMasked || assignment.selection != null ? 1 : pass.samples;
        codebookOf(number).measure(stateOf(pass, number), assignment, samples, out, left);
    }

    /** Squared errors of all rows of a pass whose mean a term of the loss is. */
    FloatPointer lossDistances(Pass pass, Assignment term) {
        return term.distancesOfAll(pass.rows);
    }

    /** Runs operations on the rows that take part, of which failures have the row's number in the input. */
    private static void run(Pass pass, Runnable operations) {
        if (pass.isMasked) {
            pass.mask.run(operations);
        } else {
            operations.run();
        }
    }

    private IntPointer collectCodes(Pass pass) {
        if (assignmentCount == 1) {
            return pass.assignment(0).codes;
        }
        IntPointer all = pass.allCodes(pass.rows.count() * pass.used);
        for (int i = 0; i < pass.used; i++) {
            kernels.tensors.putCodes(
                    pass.assignment(i).codesOfAll(pass.rows), pass.rows, pass.used, i, offsetOf(i), all);
        }
        return all;
    }

    /** Makes the codes that are to be decoded those of the pass. */
    void takeCodes(Pass pass, Tensor codes, int axis) {
        IntPointer all = reached(pass, codes);
        if (assignmentCount == 1) {
            pass.assignment(0).codes = all;
            return;
        }
        for (int i = 0; i < pass.used; i++) {
            kernels.tensors.takeCodes(
                    all,
                    pass.rows,
                    codes.size(axis),
                    i,
                    offsetOf(i),
                    codebookOf(i).codes(),
                    pass.assignment(i).codes);
        }
    }

    /** Codes where the kernels reach them: in the tensor, or in a copy. */
    final IntPointer reached(Pass pass, Tensor codes) {
        if (codes.isReachedBy(kernels)) {
            return codes.ints();
        }
        IntPointer copy = pass.allCodes(codes.size());
        codes.copyTo(kernels, copy);
        return copy;
    }

    private FloatPointer collectDistances(Pass pass) {
        if (assignmentCount == 1) {
            return pass.assignment(0).distances();
        }
        FloatPointer all = pass.allDistances(pass.rows.count() * pass.used);
        Rows stages = new Rows(pass.rows.outer(), pass.used, pass.rows.inner());
        for (int i = 0; i < pass.used; i++) {
            kernels.tensors.putFeatures(pass.assignment(i).distancesOfAll(pass.rows), stages, i, 1, all);
        }
        return all;
    }

    private Figures figures(Pass pass, Batch batch) {
        Figures figures = new Figures(batch, Math.toIntExact(pass.samples));
        if (pass.isEmpty()) {
            return figures;
        }
        for (Assignment term : lossTerms(pass)) {
            figures.addTerm(term.termLoss, term.sampleLosses(pass.samples));
        }
        for (int i = 0; hasRows(pass, i); i++) {
            figures.addCounts(
                    codebooks.get(i).counts(pass.codebook(i)), codebooks.get(i).codes());
        }
        return figures;
    }

    private void countCodes(Pass pass) {
        for (int i = 0; hasRows(pass, i); i++) {
            // The assignments of a shared codebook have their codes one after the other.
            long count = pass.assignment(i).rows.count();
            for (int other = 1; codebooks.size() == 1 && other < assignmentCount; other++) {
                count += pass.assignment(other).rows.count();
            }
            codebooks.get(i).count(pass.codebook(i), pass.assignment(i).codes, count, training);
        }
    }

    /** Whether there is a codebook of this number that quantizes rows in the pass. */
    private boolean hasRows(Pass pass, int codebook) {
        return !pass.isEmpty()
                && codebook < codebooks.size()
                && !pass.assignment(codebook).isEmpty();
    }

    // Loops, not streams, in what every training step does: programs start, and short ones run, in the interpreter.

    private boolean anyCodebook(Predicate<Codebook> is) {
        for (Codebook codebook : codebooks) {
            if (is.test(codebook)) {
                return true;
            }
        }
        return false;
    }

    private static boolean haveAllRows(List<Assignment> assignments) {
        for (Assignment assignment : assignments) {
            if (assignment.selection != null) {
                return false;
            }
        }
        return true;
    }

    /** Whether training passes change more than what an optimiser steps. */
    private boolean changesItself() {
        return inputNorm.changesInTraining() || anyCodebook(Codebook::changesInTraining);
    }

    /** Whether a training pass changes what the host has to know of: all that can fail has to be known before. */
    private boolean changesOnHost() {
        return sums.hasWorkers() || anyCodebook(Codebook::awaitsKmeans) || anyCodebook(Codebook::tellsOfFurtherPasses);
    }

    /** Computes what the codebooks become by a training pass. Changes nothing but the pass. */
    private void prepareNext(Pass pass) {
        int inUse = inUse(pass);
        for (int i = 0; i < inUse; i++) {
            codebookOf(i).follow(stateOf(pass, i), pass.assignment(i), i < codebooks.size());
        }
        for (int i = 0; i < Math.min(inUse, codebooks.size()); i++) {
            // A codebook that several stages share takes its new codes from each of them in turn.
            int assignment = codebooks.size() == 1 ? (int) (trainingSteps % inUse) : i;
            codebooks.get(i).prepareNext(pass.codebook(i), pass.assignment(assignment), trainingSteps);
        }
    }

    private static int inUse(Pass pass) {
        int inUse = 0;
        for (Assignment assignment : pass.assignments()) {
            inUse += assignment.isEmpty() ? 0 : 1;
        }
        return inUse;
    }

    /** Takes over what a training pass has changed, after all that can fail. */
    private void commit(Pass pass, Figures figures) {
        inputNorm.commit(pass.norm);
        int withRows = Math.min(inUse(pass), codebooks.size());
        for (int i = 0; i < withRows; i++) {
            codebooks.get(i).commit(pass.codebook(i));
        }
        for (int i = 0; i < withRows; i++) {
            CodeReplacement replacement = codebooks.get(i).replacement();
            if (replacement != null) {
                figures.addReplaced(replacement.marked());
            }
        }
        commitWithoutReplacement(withRows);
    }

    /** Takes over that a training pass has replaced no code of the codebooks from a number on, which had no rows in it. */
    private void commitWithoutReplacement(int first) {
        for (int i = first; i < codebooks.size(); i++) {
            CodeReplacement replacement = codebooks.get(i).replacement();
            if (replacement != null) {
                replacement.commitNone();
            }
        }
    }

    /** After a training pass has failed that was thought to be done: on the device it has changed nothing. */
    private void undoTrainingStep() {
        trainingSteps--;
    }

    /** Training passes so far. */
    final long trainingSteps() {
        return trainingSteps;
    }

    private Gradients backpropagate(@Nullable Tensor gradOutput, double alpha, @Nullable Tensor gradInput) {
        Pass pass = forBackward(gradOutput, alpha);
        Tensor z = pass.tensor;
        return Gradients.computed(
                gradInput,
                z,
                kernels,
                () -> resultLike(z, DataType.FLOAT32, z.shape()),
                into -> differentiate(pass, gradOutput, alpha, into));
    }

    private void differentiate(Pass pass, @Nullable Tensor gradOutput, double alpha, Tensor gradInput) {
        boolean onHost =
                gradInput.device() == Device.HOST || (gradOutput != null && gradOutput.device() == Device.HOST);
        parameters.forEach(Parameter::newGradient); // which is cleared at its first use: not in a batch
        // What is waited for anyway fails at its first bad row, before gradients of parameters are overwritten.
        boolean isAwaited = onHost || (pass.isMasked && pass.mask.isNeededByFailures());
        pass.failsAtOnce = isAwaited;
        Batch batch = isAwaited ? null : kernels.beginBatch(savedBatch);
        try (batch) {
            run(pass, () -> addDifferentiation(pass, gradOutput, alpha, gradInput));
            if (batch != null) {
                batch.submit();
                unfinished.add(batch);
            }
        }
        parameters.forEach(parameter -> parameter.markGradient(batch));
        forgetSaved();
    }

    private void addDifferentiation(Pass pass, @Nullable Tensor gradOutput, double alpha, Tensor gradInput) {
        FloatPointer gradient = gradOutput == null ? null : pass.outputGradient.read(gradOutput);
        FloatPointer out = pass.inputGradient.room(gradInput);
        if (pass.isEmpty()) {
            parameters.forEach(Parameter::clearGradient);
        } else if (pass.isMasked) {
            differentiateGiven(pass, pass.mask.takeOutputGradient(gradient), alpha, pass.mask.inputGradient(), false);
        } else {
            // The task's gradient is read several times: where gradInput is its memory, the result is computed apart.
            differentiateGiven(pass, gradient, alpha, out, gradOutput != null && gradInput.overlaps(gradOutput));
        }
        if (pass.isMasked) {
            pass.mask.spreadInputGradient(gradient, out);
        }
        pass.inputGradient.deliver(gradInput);
    }

    /** Gradients of the rows that take part, and of the parameters. */
    private void differentiateGiven(
            Pass pass, @Nullable FloatPointer gradient, double alpha, FloatPointer out, boolean overlaps) {
        if (projection == null) {
            differentiate(pass, gradient, alpha, out, overlaps);
            return;
        }
        FloatPointer ofCodes = projection.outGradient(gradient, pass.givenRows, pass.projection);
        differentiate(pass, ofCodes, alpha, pass.projection.inputGradient(pass.rows), false);
        projection.inGradient(pass.given, pass.givenRows, pass.projection, out);
    }

    /** Gradients of the rows before their norm, and of what quantizes them. */
    private void differentiate(
            Pass pass, @Nullable FloatPointer gradient, double alpha, FloatPointer out, boolean overlaps) {
        boolean apart = !inputNorm.isIdentity() || overlaps;
        FloatPointer normalised = apart ? pass.normalisedGradient.atLeast(pass.rows.elements()) : out;
        estimate(pass, gradient);
        double elements = (double) sums.count(pass.rows) * pass.rows.features();
        differentiate(pass, pass.taskGradient, 2 * alpha / elements, normalised);
        if (!inputNorm.isIdentity()) {
            inputNorm.gradient(pass.z, normalised, pass.rows, pass.norm, out);
        } else if (apart) {
            kernels.copy(out, normalised, pass.rows.elements() * Float.BYTES);
        }
        for (int i = 0; i < codebooks.size(); i++) {
            if (pass.assignment(i).isEmpty()) {
                codebooks.get(i).parameters().forEach(Parameter::clearGradient);
            } else {
                codebooks.get(i).gradient(pass.codebook(i));
            }
        }
    }

    private void estimate(Pass pass, @Nullable FloatPointer gradient) {
        if (gradient == null || estimator == GradientEstimator.STRAIGHT_THROUGH) {
            pass.taskGradient.passOn(gradient);
            return;
        }
        writeOutput(pass, pass.taskGradient.output(pass.rows));
        pass.taskGradient.estimate(estimator, pass.normalised, pass.rows, replacedVectors(pass), gradient);
    }

    /** exp(-sum p ln p); 1 where no row takes part. */
    static double perplexity(long[] counts) {
        return active(counts) == 0 ? 1 : Histogram.perplexity(counts);
    }

    /** Codes that occur. */
    static int active(long[] counts) {
        return (int) Arrays.stream(counts).filter(count -> count > 0).count();
    }

    // ---- memory ------------------------------------------------------------------------------------------------

    private Pass takePass() {
        Pass pass = spare.poll();
        return pass != null ? pass : new Pass(kernels, codebooks.size(), assignmentCount);
    }

    private void giveBack(Pass pass) {
        pass.tensor = null;
        if (closed) {
            pass.close();
        } else {
            spare.offer(pass);
        }
    }

    private void forgetSaved() {
        if (saved != null) {
            Pass pass = saved;
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

    /** The axis that the features of codes that fit belong to. */
    final int checkCodes(Tensor codes) {
        checkOpen();
        codes.checkUsable("codes", DataType.INT32, kernels);
        int rank = codesOfRow() == 0 ? codes.rank() + 1 : codes.rank();
        int axis = dim < 0 ? rank + dim : dim;
        if (axis < 0 || axis >= rank) {
            throw new IllegalArgumentException("need codes to which axis " + dim + " can be added, got " + codes);
        }
        if (codes.size() == 0) {
            throw new IllegalArgumentException("need at least one code, got " + codes);
        }
        return axis;
    }

    /** Refuses what would last, and would be made of codes that no row has had a part in. */
    private void checkInitialised(int used) {
        uninitialised(used).ifPresent(codebook -> {
            throw new IllegalStateException("codebook " + codebook + " of this " + this
                    + " waits for kmeansInit, and its codes are random until then: run training forwards, restore a"
                    + " checkpoint or set the codebook first");
        });
    }

    /** Validation before the first step is usual: it is told once what it measures. */
    private void warnOfRandomCodes() {
        if (!hasWarned) {
            uninitialised(assignmentCount).ifPresent(codebook -> {
                hasWarned = true;
                LOGGER.warn(
                        "codebook {} of this {} waits for kmeansInit, which training does: a forward in inference gives"
                                + " random codes until then",
                        codebook,
                        this);
            });
        }
    }

    /** The first codebook of those of the first assignments that still waits for its initialisation by k-means. */
    private OptionalInt uninitialised(int used) {
        for (int i = 0; i < Math.min(used, codebooks.size()); i++) {
            if (codebooks.get(i).awaitsKmeans()) {
                return OptionalInt.of(i);
            }
        }
        return OptionalInt.empty();
    }

    private void checkMask(@Nullable RowMask mask, Tensor z, int axis) {
        if (mask == null) {
            return;
        }
        mask.rows().checkUsable("mask", DataType.INT32, kernels);
        mask.checkShape(FeatureAxis.without(z.shape(), axis));
        if (inputNorm.isOfSamples()) {
            throw new IllegalArgumentException(
                    "a mask needs a norm of single rows or of the batch: the moments of norm GROUP "
                            + "and INSTANCE are those of whole samples; got a mask of shape "
                            + Arrays.toString(mask.rows().shape()));
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

    private Pass forBackward(@Nullable Tensor gradOutput, double alpha) {
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

    private int checkNumber(int number) {
        if (number < 0 || number >= codebooks.size()) {
            throw new IllegalArgumentException("need 0 <= codebook < " + codebooks.size() + ", got " + number);
        }
        return number;
    }

    void checkOpen() {
        if (closed) {
            throw new IllegalStateException("this " + this + " is closed");
        }
    }

    private static long samples(Tensor z, int axis) {
        return axis == 0 ? 1 : z.size(0);
    }

    /** The shape of the codes of the first {@code used} assignments. */
    private long[] codesShape(long[] shape, int axis, int used) {
        return codesOfRow() == 0 ? FeatureAxis.without(shape, axis) : replaced(shape, axis, codesOfRow(used));
    }

    private int codesOfRow(int used) {
        return codesOfRow() * used / assignmentCount;
    }

    private static long[] replaced(long[] shape, int axis, long size) {
        long[] all = shape.clone();
        all[axis] = size;
        return all;
    }
}
