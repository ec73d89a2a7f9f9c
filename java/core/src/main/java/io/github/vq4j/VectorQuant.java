package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Rows;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.Pointer;
import org.jspecify.annotations.Nullable;

/**
 * A vector quantizer: replaces every row of its input by the nearest code of a trained codebook.
 *
 * <p>With z the input, normalised, its feature axis taken as N rows of D features; C the codebook, K x D; C' the effective
 * codebook, after codebook norm and affine; and sg the stop-gradient:
 *
 * <pre>
 * q_n = argmin_k |z_n - C'_k|^2 (lowest k on a tie)     e_n = C'[q_n]
 * output = e, with the gradients of z + sg(e - z) + nu * e - sg(nu * e)
 * loss   = (1 - beta) * mean((z - sg(e))^2) + beta * mean((sg(z) - e)^2)
 * </pre>
 *
 * <p>{@link #forward} gives output and loss; {@link #backward} the gradients of the objective task(output) + alpha * loss,
 * that of z as its result and those of the {@link #parameters} inside them; an {@link Optimizer} updates the parameters.
 * A call that throws has changed nothing. After {@link #eval} no call changes anything either.
 *
 * <p>Made by {@link #builder}. {@link #encode} and {@link #decode} may run in several threads at once as long as nothing
 * else runs; the rest is not thread-safe.
 */
public final class VectorQuant implements AutoCloseable {
    private static final long CODEBOOK_PURPOSE = 0;

    private final Kernels kernels;
    private final int featureSize;
    private final int numCodes;
    private final int dim;
    private final double beta;
    private final double syncNu;
    private final long seed;
    private final Parameter codebook;
    private final InputNorm inputNorm;
    private final EffectiveCodebook effectiveCodebook;
    private final @Nullable CodeReplacement replacement;
    private final List<Parameter> parameters;
    private final ConcurrentLinkedQueue<Pass> spare = new ConcurrentLinkedQueue<>();

    private boolean training = true;
    private boolean awaitsKmeans;
    private long trainingSteps;
    private @Nullable Pass saved;
    private volatile boolean closed;

    private VectorQuant(Builder options, Kernels kernels) {
        this.kernels = kernels;
        featureSize = options.featureSize;
        numCodes = options.numCodes;
        dim = options.dim;
        beta = options.beta;
        syncNu = options.syncNu;
        seed = options.seed;
        awaitsKmeans = options.kmeansInit;
        codebook = new Parameter(kernels, "codebook", 0f, numCodes, featureSize);
        kernels.fillNormal(seed, CODEBOOK_PURPOSE, codebook.value().size(), codebook.values());
        inputNorm = new InputNorm(kernels, options.norm, featureSize);
        effectiveCodebook = new EffectiveCodebook(
                kernels,
                options.codebookNorm,
                options.affineLr,
                options.statisticsAffine,
                numCodes,
                featureSize,
                options.affineGroups);
        replacement =
                options.replaceFreq > 0 ? new CodeReplacement(kernels, numCodes, options.replaceFreq, seed) : null;
        List<Parameter> all = new ArrayList<>(List.of(codebook));
        all.addAll(effectiveCodebook.parameters());
        all.addAll(inputNorm.parameters());
        parameters = List.copyOf(all);
    }

    /**
     * Starts the description of a layer.
     *
     * @param featureSize D, at least 1
     * @param numCodes K, at least 1
     */
    public static Builder builder(int featureSize, int numCodes) {
        return new Builder(featureSize, numCodes);
    }

    // ---- forward and backward ----------------------------------------------------------------------------------

    /**
     * Quantizes, in training mode after initialising from this batch where that is due, and followed by the replacement of
     * codes. The input is kept, not copied, until {@link #backward}: do not change it in between.
     *
     * @param z FLOAT32 with featureSize on axis dim, at least one row
     * @return results where z lies: on the host for a host tensor, on the device for a device tensor
     * @throws NotFiniteException if z or the codebook has a NaN or an infinity
     */
    public Quantized forward(Tensor z) {
        return quantize(z, null);
    }

    /**
     * As {@link #forward(Tensor)}, with the output written into memory of the caller's.
     *
     * @param output FLOAT32 of the shape of z, not overlapping z; its contents are undefined after an error
     */
    public Quantized forward(Tensor z, Tensor output) {
        Objects.requireNonNull(output, "output");
        output.checkUsable("output", DataType.FLOAT32, kernels);
        if (!output.hasShape(z.shape())) {
            throw new IllegalArgumentException("need an output of z's shape " + Arrays.toString(z.shape()) + ", got " + output);
        }
        if (output.overlaps(z)) {
            throw new IllegalArgumentException("output overlaps z; need memory of its own");
        }
        return quantize(z, output);
    }

    /**
     * Gradients of task(output) + alpha * loss, for the last {@link #forward}, which is used up by it: every backward needs
     * a forward of its own. The parameters must not be changed between the two. The gradient of z is the result; the
     * gradients of the parameters are overwritten.
     *
     * @param gradOutput gradient of the task loss with respect to the output, FLOAT32 of its shape; null for zero
     * @param alpha weight of the commitment loss, finite
     * @throws IllegalStateException without a forward
     * @throws NotFiniteException if the gradient has a NaN or an infinity
     */
    public Gradients backward(@Nullable Tensor gradOutput, double alpha) {
        Pass pass = forBackward(gradOutput, alpha);
        Tensor result = resultLike(pass.tensor, DataType.FLOAT32, pass.tensor.shape());
        try {
            differentiate(pass, gradOutput, alpha, result);
        } catch (RuntimeException | Error failure) {
            result.close();
            throw failure;
        }
        return new Gradients(result);
    }

    /**
     * As {@link #backward(Tensor, double)}, with the gradient of z written into memory of the caller's.
     *
     * @param gradInput FLOAT32 of the shape of z, not overlapping z; may be gradOutput itself; its contents are undefined
     *     after an error
     */
    public Gradients backward(@Nullable Tensor gradOutput, double alpha, Tensor gradInput) {
        Pass pass = forBackward(gradOutput, alpha);
        checkGradient("gradInput", gradInput, pass);
        if (gradInput.overlaps(pass.tensor)) {
            throw new IllegalArgumentException("gradInput overlaps z; need memory of its own");
        }
        differentiate(pass, gradOutput, alpha, gradInput);
        return new Gradients(gradInput.reshape(gradInput.shape()));
    }

    /**
     * The codes alone, always as in inference, whatever the mode.
     *
     * @param z FLOAT32 with featureSize on axis dim, at least one row
     * @return INT32, shape of z without the feature axis, where z lies
     * @throws NotFiniteException if z or the codebook has a NaN or an infinity
     */
    public Tensor encode(Tensor z) {
        int axis = checkInput(z);
        Pass pass = takePass();
        try {
            start(pass, z, axis);
            pass.normalised = inputNorm.apply(pass.z, pass.rows, samples(z, axis), false, pass.norm);
            assign(pass, effectiveCodebook.forInference(codebook.values(), pass.codebook));
            Tensor codes = resultLike(z, DataType.INT32, without(z.shape(), axis));
            codes.copyFrom(kernels, pass.codes());
            return codes;
        } finally {
            giveBack(pass);
        }
    }

    /**
     * The effective codes behind codes, always as in inference.
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
        long[] shape = with(codes.shape(), axis, featureSize);
        Pass pass = takePass();
        Tensor rows = null;
        try {
            pass.rows = Rows.of(shape, axis);
            codes.copyTo(kernels, pass.codes());
            FloatPointer effective = effectiveCodebook.forInference(codebook.values(), pass.codebook);
            rows = resultLike(codes, DataType.FLOAT32, shape);
            kernels.lookup(effective, numCodes, pass.codes(), pass.rows, pass.output.room(rows));
            pass.output.deliver(rows);
            return rows;
        } catch (RuntimeException | Error failure) {
            if (rows != null) {
                rows.close();
            }
            throw failure;
        } finally {
            giveBack(pass);
        }
    }

    // ---- mode and state ----------------------------------------------------------------------------------------

    /** Switches to training, the mode a layer starts in. */
    public VectorQuant train() {
        checkOpen();
        training = true;
        return this;
    }

    /** Switches to inference: no initialisation, no replacement, running moments instead of the batch's. */
    public VectorQuant eval() {
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

    /** K. */
    public int numCodes() {
        return numCodes;
    }

    /** Where the layer computes and its parameters lie. */
    public Device device() {
        return kernels.onCuda() ? Device.CUDA : Device.HOST;
    }

    /**
     * "codebook" (K x D); with a learned affine "affine.scale" and "affine.bias" (affineGroups x D each, the scale being
     * 1 + affineLr * affine.scale and the shift affineLr * affine.bias); with batch or group norm "norm.scale" and
     * "norm.shift" (D each).
     */
    public List<Parameter> parameters() {
        return parameters;
    }

    /** The stored codebook, K x D, not a copy. */
    public Tensor codebook() {
        return codebook.value();
    }

    /** The codebook that inference compares rows with, K x D, a copy. */
    public Tensor effectiveCodebook() {
        checkOpen();
        Pass pass = takePass();
        try {
            FloatPointer effective = effectiveCodebook.forInference(codebook.values(), pass.codebook);
            Tensor copy = Tensor.allocate(kernels, DataType.FLOAT32, numCodes, featureSize);
            copy.copyFrom(kernels, effective);
            return copy;
        } finally {
            giveBack(pass);
        }
    }

    /**
     * Overwrites the stored codebook. An initialisation by k-means that is still due is cancelled, a pending backward too.
     *
     * @param values FLOAT32, K x D
     * @throws NotFiniteException if a code has a NaN or an infinity
     */
    public void setCodebook(Tensor values) {
        checkOpen();
        values.checkUsable("codebook", DataType.FLOAT32, kernels);
        if (!values.hasShape(codebook.value().shape())) {
            throw new IllegalArgumentException(
                    "need a codebook of shape " + Arrays.toString(codebook.value().shape()) + ", got " + values);
        }
        Pass pass = takePass();
        try {
            FloatPointer staged = pass.input.read(values);
            kernels.packCodebook(staged, numCodes, featureSize, packed(pass));
            kernels.copy(codebook.values(), staged, codebookBytes());
        } finally {
            giveBack(pass);
        }
        awaitsKmeans = false;
        forgetSaved();
    }

    /** The running moments of the statistics affine; empty without it and before the first training batch. */
    public Optional<RunningMoments> runningMoments() {
        checkOpen();
        return effectiveCodebook.runningMoments();
    }

    /** The codes that the last training forward replaced, ascending: their optimiser state has to be cleared. */
    public int[] replacedCodes() {
        checkOpen();
        return replacement == null ? new int[0] : replacement.lastReplaced();
    }

    /** Gives all memory back; a second call does nothing. */
    @Override
    public void close() {
        if (!closed) {
            closed = true;
            forgetSaved();
            spare.forEach(Pass::close);
            spare.clear();
            codebook.close();
            inputNorm.close();
            effectiveCodebook.close();
            if (replacement != null) {
                replacement.close();
            }
        }
    }

    @Override
    public String toString() {
        return "VectorQuant of " + numCodes + " codes x " + featureSize + " features on "
                + (kernels.onCuda() ? "cuda:" + kernels.device() : "cpu");
    }

    /** What is left of every code's life; for tests. */
    int[] lifeCounters() {
        return Objects.requireNonNull(replacement).counters();
    }

    /** Running mean and variance of the batch norm; for tests. */
    Optional<List<float[]>> normMoments() {
        return inputNorm.runningMoments();
    }

    // ---- the steps ---------------------------------------------------------------------------------------------

    private Quantized quantize(Tensor z, @Nullable Tensor output) {
        int axis = checkInput(z);
        Pass pass = takePass();
        List<Tensor> results = new ArrayList<>(3);
        boolean done = false;
        try {
            start(pass, z, axis);
            long samples = samples(z, axis);
            pass.normalised = inputNorm.apply(pass.z, pass.rows, samples, training, pass.norm);
            boolean initialises = training && awaitsKmeans;
            FloatPointer source = initialises ? initialCodebook(pass) : codebook.values();
            FloatPointer effective = training
                    ? effectiveCodebook.forTraining(source, pass.normalised, pass.rows, pass.codebook)
                    : effectiveCodebook.forInference(source, pass.codebook);
            assign(pass, effective);

            Tensor out = output != null ? output.reshape(output.shape()) : resultLike(z, DataType.FLOAT32, z.shape());
            results.add(out);
            kernels.lookup(effective, numCodes, pass.codes(), pass.rows, pass.output.room(out));
            pass.output.deliver(out);
            long[] codesShape = without(z.shape(), axis);
            Tensor codes = resultLike(z, DataType.INT32, codesShape);
            results.add(codes);
            codes.copyFrom(kernels, pass.codes());
            Tensor distances = resultLike(z, DataType.FLOAT32, codesShape);
            results.add(distances);
            double[] sampleLosses = new double[Math.toIntExact(samples)];
            double loss = loss(pass, samples, distances, sampleLosses);
            long[] counts = counts(pass);

            int replaced = training ? commit(pass, source) : 0;
            forgetSaved();
            saved = pass;
            done = true;
            return new Quantized(
                    out, codes, distances, loss, sampleLosses, perplexity(counts), active(counts), replaced);
        } finally {
            if (!done) {
                results.forEach(Tensor::close);
                giveBack(pass);
            }
        }
    }

    private void start(Pass pass, Tensor z, int axis) {
        pass.tensor = z;
        pass.rows = Rows.of(z.shape(), axis);
        pass.z = pass.input.read(z);
    }

    private FloatPointer initialCodebook(Pass pass) {
        FloatPointer initial = pass.initialCodebook.atLeast(codebook.value().size());
        KMeans.builder(numCodes).seed(seed).build(kernels).fit(pass.normalised, pass.rows, initial);
        return initial;
    }

    private void assign(Pass pass, FloatPointer effective) {
        kernels.packCodebook(effective, numCodes, featureSize, packed(pass));
        kernels.assign(pass.normalised, pass.rows, packed(pass), numCodes, pass.codes());
    }

    private double loss(Pass pass, long samples, Tensor distances, double[] sampleLosses) {
        FloatPointer squared = pass.distances.atLeast(pass.rows.count());
        kernels.commitmentLoss(
                pass.normalised,
                pass.rows,
                pass.codebook.effective(),
                pass.codes(),
                samples,
                squared,
                pass.sampleLosses.atLeast(samples),
                pass.loss.atLeast(1));
        distances.copyFrom(kernels, squared);
        kernels.read(pass.sampleLosses.atLeast(samples), sampleLosses);
        double[] mean = new double[1];
        kernels.read(pass.loss.atLeast(1), mean);
        return mean[0];
    }

    private long[] counts(Pass pass) {
        kernels.countCodes(pass.codes(), pass.rows.count(), numCodes, pass.counts.atLeast(numCodes));
        long[] counts = new long[numCodes];
        kernels.read(pass.counts.atLeast(numCodes), counts);
        return counts;
    }

    /** Takes over what a training pass has changed; comes after everything that checks its input. */
    private int commit(Pass pass, FloatPointer source) {
        if (pass.codebook.base() != codebook.values()) {
            kernels.copy(codebook.values(), pass.codebook.base(), codebookBytes());
        }
        inputNorm.commit(pass.norm);
        effectiveCodebook.commit(pass.codebook);
        awaitsKmeans = false;
        long step = trainingSteps++;
        // Only codes that no row of this batch has are replaced: the pending backward does not read them.
        return replacement == null
                ? 0
                : replacement.apply(
                        pass.counts.atLeast(numCodes),
                        pass.normalised,
                        pass.rows,
                        pass.codebook,
                        effectiveCodebook.groups(),
                        step,
                        codebook);
    }

    private void differentiate(Pass pass, @Nullable Tensor gradOutput, double alpha, Tensor gradInput) {
        FloatPointer gradient = gradOutput == null ? null : pass.outputGradient.read(gradOutput);
        FloatPointer out = pass.inputGradient.room(gradInput);
        FloatPointer effective = pass.codebook.effective();
        double mean = 2 * alpha / pass.rows.elements();
        // Two kernels read the task's gradient. Where gradInput is its memory, the input's gradient is computed apart.
        boolean apart = !inputNorm.isIdentity() || (gradOutput != null && gradInput.overlaps(gradOutput));
        FloatPointer normalised = apart ? pass.normalisedGradient.atLeast(pass.rows.elements()) : out;
        kernels.inputGradient(
                pass.normalised,
                gradient,
                pass.rows,
                effective,
                pass.codes(),
                (float) ((1 - beta) * mean),
                normalised);
        kernels.codebookGradient(
                pass.normalised,
                gradient,
                pass.rows,
                effective,
                pass.codes(),
                numCodes,
                (float) (beta * mean),
                (float) syncNu,
                effectiveCodebook.gradientRoom(codebook, pass.codebook));
        if (!inputNorm.isIdentity()) {
            inputNorm.gradient(pass.z, normalised, pass.rows, pass.norm, out);
        } else if (apart) {
            kernels.copy(out, normalised, pass.rows.elements() * Float.BYTES);
        }
        effectiveCodebook.gradient(codebook, pass.codebook);
        pass.inputGradient.deliver(gradInput);
        parameters.forEach(Parameter::markGradient);
        forgetSaved();
    }

    /** exp(-sum p ln p); StrictMath, so that it has the same bits on every machine. */
    private static double perplexity(long[] counts) {
        long total = Arrays.stream(counts).sum();
        double entropy = 0;
        for (long count : counts) {
            if (count > 0) {
                double p = (double) count / total;
                entropy -= p * StrictMath.log(p);
            }
        }
        return StrictMath.exp(entropy);
    }

    private static int active(long[] counts) {
        return (int) Arrays.stream(counts).filter(count -> count > 0).count();
    }

    // ---- memory ------------------------------------------------------------------------------------------------

    private Pass takePass() {
        Pass pass = spare.poll();
        return pass != null ? pass : new Pass(kernels);
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
            giveBack(pass);
        }
    }

    private Pointer packed(Pass pass) {
        return pass.packed.atLeast(kernels.packedCodebookBytes(numCodes, featureSize));
    }

    private long codebookBytes() {
        return codebook.value().size() * Float.BYTES;
    }

    /** A new tensor where another lies. */
    private Tensor resultLike(Tensor model, DataType type, long[] shape) {
        return Tensor.allocate(model.device() == Device.CUDA ? kernels : Kernels.cpu(), type, shape);
    }

    // ---- checks ------------------------------------------------------------------------------------------------

    /** The feature axis of an input that fits. */
    private int checkInput(Tensor z) {
        checkOpen();
        z.checkUsable("z", DataType.FLOAT32, kernels);
        int axis = dim < 0 ? z.rank() + dim : dim;
        if (axis < 0 || axis >= z.rank() || z.size(axis) != featureSize) {
            throw new IllegalArgumentException("need featureSize = " + featureSize + " on axis " + dim + ", got shape "
                    + Arrays.toString(z.shape()));
        }
        if (z.size() == 0) {
            throw new IllegalArgumentException("need at least one row, got shape " + Arrays.toString(z.shape()));
        }
        return axis;
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
            checkGradient("gradOutput", gradOutput, saved);
        }
        return saved;
    }

    private void checkGradient(String name, Tensor gradient, Pass pass) {
        gradient.checkUsable(name, DataType.FLOAT32, kernels);
        if (!gradient.hasShape(pass.tensor.shape())) {
            throw new IllegalArgumentException("need " + name + " of z's shape " + Arrays.toString(pass.tensor.shape())
                    + ", got " + gradient);
        }
    }

    private void checkOpen() {
        if (closed) {
            throw new IllegalStateException("this " + this + " is closed");
        }
    }

    private static long samples(Tensor z, int axis) {
        return axis == 0 ? 1 : z.size(0);
    }

    private static long[] without(long[] shape, int axis) {
        long[] rest = new long[shape.length - 1];
        System.arraycopy(shape, 0, rest, 0, axis);
        System.arraycopy(shape, axis + 1, rest, axis, rest.length - axis);
        return rest;
    }

    private static long[] with(long[] shape, int axis, long size) {
        long[] all = new long[shape.length + 1];
        System.arraycopy(shape, 0, all, 0, axis);
        all[axis] = size;
        System.arraycopy(shape, axis, all, axis + 1, shape.length - axis);
        return all;
    }

    /** Options of {@link VectorQuant}. */
    public static final class Builder {
        private final int featureSize;
        private final int numCodes;
        private int dim = 1;
        private double beta = 0.95;
        private boolean kmeansInit;
        private Norm norm = Norm.NONE;
        private CodebookNorm codebookNorm = CodebookNorm.NONE;
        private double affineLr;
        private int affineGroups = 1;
        private boolean statisticsAffine;
        private double syncNu;
        private int replaceFreq;
        private long seed;
        private @Nullable Backend backend;

        private Builder(int featureSize, int numCodes) {
            this.featureSize = Arguments.atLeastOne("featureSize", featureSize);
            this.numCodes = Arguments.atLeastOne("numCodes", numCodes);
        }

        /** The axis of the features; negative counts from the end. 1 by default: B x D x H x W images. */
        public Builder dim(int dim) {
            this.dim = dim;
            return this;
        }

        /** Trade-off of the commitment loss, in [0, 1]: the share of the codebook's term. 0.95 by default. */
        public Builder beta(double beta) {
            this.beta = Arguments.inUnitInterval("beta", beta);
            return this;
        }

        /** Initialises the codebook by {@link KMeans} from the first training batch. Off by default: N(0, 1). */
        public Builder kmeansInit(boolean kmeansInit) {
            this.kmeansInit = kmeansInit;
            return this;
        }

        /** The norm of the input; none by default. */
        public Builder norm(Norm norm) {
            this.norm = Objects.requireNonNull(norm, "norm");
            return this;
        }

        /** The norm of the codebook; none by default. */
        public Builder codebookNorm(CodebookNorm codebookNorm) {
            this.codebookNorm = Objects.requireNonNull(codebookNorm, "codebookNorm");
            return this;
        }

        /** Above 0 switches the learned affine of the codebook on and scales its parameters. 0 by default. */
        public Builder affineLr(double affineLr) {
            this.affineLr = Arguments.notNegative("affineLr", affineLr);
            return this;
        }

        /** Contiguous groups of codes with an affine each; divides numCodes. 1 by default. */
        public Builder affineGroups(int affineGroups) {
            this.affineGroups = Arguments.atLeastOne("affineGroups", affineGroups);
            return this;
        }

        /**
         * An affine that moves the codebook's moments to the running moments of the input, momentum 0.1; not learned. Off by
         * default; excludes affineLr > 0.
         */
        public Builder statisticsAffine(boolean statisticsAffine) {
            this.statisticsAffine = statisticsAffine;
            return this;
        }

        /** nu of the synchronised commitment: the share of the task's gradient that the codes receive. 0 by default. */
        public Builder syncNu(double syncNu) {
            this.syncNu = Arguments.notNegative("syncNu", syncNu);
            return this;
        }

        /** Above 0: a code unused for this many training batches is replaced by a random row. 0 by default. */
        public Builder replaceFreq(int replaceFreq) {
            this.replaceFreq = Arguments.notNegative("replaceFreq", replaceFreq);
            return this;
        }

        /** Seed of all random numbers of the layer; 0 by default. */
        public Builder seed(long seed) {
            this.seed = seed;
            return this;
        }

        /** Where to compute; {@link Backend#best} by default. */
        public Builder backend(Backend backend) {
            this.backend = Objects.requireNonNull(backend, "backend");
            return this;
        }

        /**
         * The layer described.
         *
         * @throws IllegalArgumentException if options contradict each other or do not divide
         */
        public VectorQuant build() {
            if (affineLr > 0 && statisticsAffine) {
                throw new IllegalArgumentException(
                        "need either affineLr > 0 or statisticsAffine, got both (affineLr = " + affineLr + ")");
            }
            if (numCodes % affineGroups != 0) {
                throw new IllegalArgumentException(
                        "need affineGroups to divide numCodes = " + numCodes + ", got " + affineGroups);
            }
            if (norm == Norm.GROUP && featureSize % InputNorm.GROUPS != 0) {
                throw new IllegalArgumentException("need a featureSize that " + InputNorm.GROUPS
                        + " groups divide for norm GROUP, got " + featureSize);
            }
            if ((long) featureSize * numCodes > Integer.MAX_VALUE) {
                throw new IllegalArgumentException("need featureSize * numCodes <= " + Integer.MAX_VALUE + ", got "
                        + featureSize + " * " + numCodes);
            }
            return new VectorQuant(this, (backend == null ? Backend.best() : backend).kernels());
        }
    }
}
