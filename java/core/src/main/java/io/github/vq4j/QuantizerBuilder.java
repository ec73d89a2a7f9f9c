package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Options that all layers have.
 *
 * @param <B> the builder of the layer itself
 */
public abstract sealed class QuantizerBuilder<B extends QuantizerBuilder<B>>
        permits VectorQuant.Builder, GroupVectorQuant.Builder, ResidualVectorQuant.Builder {
    private static final String KIND = "kind";

    final int featureSize;
    final int numCodes;
    int dim = 1;
    double beta = 0.95;
    boolean kmeansInit;
    Norm norm = Norm.NONE;
    CodebookNorm codebookNorm = CodebookNorm.NONE;
    double affineLr;
    int affineGroups = 1;
    boolean statisticsAffine;
    double syncNu;
    GradientEstimator estimator = GradientEstimator.STRAIGHT_THROUGH;
    int replaceFreq;
    ReplacementPolicy replacementPolicy = ReplacementPolicy.RANDOM_INPUT;
    double emaDecay;
    double emaExpiry;
    double samplingTemperature;
    boolean linearCodebook;
    int lookupSize;
    double orthogonalWeight;
    long seed;
    InnerOptimizer.@Nullable Options alternation;
    private @Nullable Backend backend;
    private @Nullable AllReduce workers;

    QuantizerBuilder(int featureSize, int numCodes) {
        this.featureSize = Arguments.atLeastOne("featureSize", featureSize);
        this.numCodes = Arguments.atLeastOne("numCodes", numCodes);
    }

    /** The axis of the features; negative counts from the end. 1 by default: B x D x H x W images. */
    public B dim(int dim) {
        this.dim = dim;
        return self();
    }

    /** Trade-off of the commitment loss, in [0, 1]: the share of the codebook's term. 0.95 by default. */
    public B beta(double beta) {
        this.beta = Arguments.inUnitInterval("beta", beta);
        return self();
    }

    /**
     * Initialises the codebook by {@link KMeans} from the first training batch. Until then encode, decode and freeze are
     * refused, and a forward in inference warns. Off by default: N(0, 1).
     */
    public B kmeansInit(boolean kmeansInit) {
        this.kmeansInit = kmeansInit;
        return self();
    }

    /** The norm of the input; none by default. */
    public B norm(Norm norm) {
        this.norm = Objects.requireNonNull(norm, "norm");
        return self();
    }

    /** The norm of the codebook; none by default. */
    public B codebookNorm(CodebookNorm codebookNorm) {
        this.codebookNorm = Objects.requireNonNull(codebookNorm, "codebookNorm");
        return self();
    }

    /** Above 0 switches the learned affine of the codebook on and scales its parameters. 0 by default. */
    public B affineLr(double affineLr) {
        this.affineLr = Arguments.notNegative("affineLr", affineLr);
        return self();
    }

    /** Contiguous groups of codes with an affine each; divides numCodes. 1 by default. */
    public B affineGroups(int affineGroups) {
        this.affineGroups = Arguments.atLeastOne("affineGroups", affineGroups);
        return self();
    }

    /**
     * An affine that moves the codebook's moments to the running moments of the input, momentum 0.1; not learned. Needs many
     * codes in each of the {@link #affineGroups}: the moments are those of a group's codes, and one code has no variance, so
     * that it is scaled without bounds. Off by default; excludes affineLr > 0.
     */
    public B statisticsAffine(boolean statisticsAffine) {
        this.statisticsAffine = statisticsAffine;
        return self();
    }

    /** nu of the synchronised commitment: the share of the task's gradient that the codes receive. 0 by default. */
    public B syncNu(double syncNu) {
        this.syncNu = Arguments.notNegative("syncNu", syncNu);
        return self();
    }

    /** How the task's gradient crosses the lookup; {@link GradientEstimator#STRAIGHT_THROUGH} by default. */
    public B gradientEstimator(GradientEstimator estimator) {
        this.estimator = Objects.requireNonNull(estimator, "estimator");
        return self();
    }

    /** Above 0: a code unused for this many training batches is replaced. 0 by default. */
    public B replaceFreq(int replaceFreq) {
        this.replaceFreq = Arguments.notNegative("replaceFreq", replaceFreq);
        return self();
    }

    /** What replaced codes become; random rows by default. */
    public B replacementPolicy(ReplacementPolicy replacementPolicy) {
        this.replacementPolicy = Objects.requireNonNull(replacementPolicy, "replacementPolicy");
        return self();
    }

    /**
     * Codebooks of exponential moving averages (van den Oord et al. 2017, appendix A.1) instead of a gradient. With
     * n_k rows of a training batch on code k, at the end of the forward, whose results are those of the codes before,
     *
     * <pre>
     * N_k = decay * N_k + (1 - decay) * n_k       m_k = decay * m_k + (1 - decay) * (sum of the rows of code k)
     * C_k = m_k / N'_k       N'_k = (N_k + epsilon) / (sum N + K * epsilon) * sum N       epsilon = 1e-5
     * </pre>
     *
     * <p>The rows are those that are quantized: normalised, residuals, sub-vectors. With codebookNorm the result is
     * projected, so that codebookNorm UNIT and norm UNIT give the variant for cosine similarity. At the start
     * N_k = max(1, emaExpiry), after kmeansInit the size of the cluster, and m_k = N_k C_k. A code that no batch uses
     * any more stays until N_k comes near epsilon (1150 batches at a decay of 0.99) and then goes to zero, unless it
     * is replaced.
     *
     * <p>The codebook is none of the {@link Quantizer#parameters}, and the codebook's term of the loss has a value
     * but moves nothing: of beta there remains the weight 1 - beta of the commitment. Excludes what needs a gradient
     * of the codebook or moves codes otherwise: an affine, syncNu above 0, alternated optimisation. Off by default.
     *
     * @param decay in (0, 1), usually 0.99
     */
    public B ema(double decay) {
        if (!(decay > 0 && decay < 1)) {
            throw new IllegalArgumentException("need decay in (0, 1), got " + decay);
        }
        emaDecay = decay;
        return self();
    }

    /**
     * Above 0, with {@link #ema}: a code is replaced, by the replacementPolicy, as soon as N_k, the moving average of
     * the rows that it gets in a batch, is below this; N_k then starts anew at max(1, emaExpiry), and so does the count
     * of {@link #replaceFreq}. 0 by default.
     */
    public B emaExpiry(double threshold) {
        emaExpiry = Arguments.notNegative("emaExpiry", threshold);
        return self();
    }

    /**
     * Above 0 a training pass draws the codes: code k of a row z with a probability proportional to
     * exp(-|z - C'_k|^2 / temperature), by the largest of -|z - C'_k|^2 / temperature plus Gumbel noise. The higher the
     * temperature, the more codes are tried; near 0 the nearest are left. The noise depends on the seed, the training
     * step, the number of the row among those that are quantized, and the code. Inference takes the nearest codes.
     * 0, the nearest codes always, by default.
     */
    public B samplingTemperature(double temperature) {
        samplingTemperature = Arguments.notNegative("samplingTemperature", temperature);
        return self();
    }

    /**
     * A codebook under one linear map (SimVQ: Zhu et al., Addressing Representation Collapse in Vector Quantized Models
     * with One Linear Layer, 2024): the stored codebook is a frozen random basis B of N(0, 1/D) numbers, and what is
     * trained is W, D x D, of C = B W', which starts as the identity. A gradient of any code moves all of them. Excludes
     * what moves codes one by one: EMA, replacement, kmeansInit, alternated optimisation, and codebookNorm, which
     * would project the stored codebook. Off by default.
     */
    public B linearCodebook(boolean linearCodebook) {
        this.linearCodebook = linearCodebook;
        return self();
    }

    /**
     * Above 0, L: rows are looked up in L dimensions (Yu et al., Vector-quantized Image Modeling with Improved VQGAN,
     * 2021, "factorized codes"). A learned linear projection maps z to L features; norm, codebooks, commitment loss,
     * distances and gradient estimator are of these, as in a layer of that featureSize; another projection maps the
     * codes back, once for all groups or stages. 0, no projections, by default.
     */
    public B lookupSize(int lookupSize) {
        this.lookupSize = Arguments.notNegative("lookupSize", lookupSize);
        return self();
    }

    /**
     * Weight of orthogonal regularisation (Shin et al., Translation-equivariant Image Quantizer for Bi-directional
     * Image-Text Generation, 2021): {@link Quantizer#backward} adds the gradient of weight * |N N' - I|^2 / K^2 to that
     * of each codebook that the pass used, N its codes scaled to length 1, whatever alpha. {@link Quantizer#orthogonalLoss}
     * is the value. Excludes EMA, whose codes have no gradient. 0 by default.
     */
    public B orthogonalWeight(double weight) {
        orthogonalWeight = Arguments.notNegative("orthogonalWeight", weight);
        return self();
    }

    /** Seed of all random numbers of the layer; 0 by default. */
    public B seed(long seed) {
        this.seed = seed;
        return self();
    }

    /** Where to compute; {@link Backend#best} by default. */
    public B backend(Backend backend) {
        this.backend = Objects.requireNonNull(backend, "backend");
        return self();
    }

    /**
     * Alternated optimisation inside the forward (paper, section 4.3): in training, after the assignment, the optimiser
     * takes steps on the codebook along the gradient of mean((e - sg(z))^2), and e is looked up in the result. Its
     * gradients reach neither the affine's parameters nor the optimiser that the caller steps. Off by default.
     *
     * @param optimizer the rule and its hyperparameters; its state is kept by the layer. Not used for anything else
     * @param steps of each forward, at least 1
     * @param reassigns whether the rows get their codes anew after the steps
     */
    public B alternated(Optimizer optimizer, int steps, boolean reassigns) {
        Objects.requireNonNull(optimizer, "optimizer");
        alternation = new InnerOptimizer.Options(optimizer, Arguments.atLeastOne("steps", steps), reassigns);
        return self();
    }

    /**
     * Trains one layer by several workers, each with a copy of it and a part of every batch: counts, moments, sums for
     * moving averages, replacement and the gradients of the parameters are those of the batch of all workers, and the
     * parameters of all copies stay equal, bit for bit, whatever rows each worker has and however many workers there
     * are. Every worker needs at least one row, which takes part, in every batch. The loss and the gradient of z are
     * those of a worker's own rows, z's with the commitment's mean over all; the gradient that the task gives to
     * {@link Quantizer#backward} is to be that of the task of the batch of all, so that a mean is one over all rows.
     * Perplexity and active codes are those of all. Inference is each worker's own. Where a call has failed on one worker,
     * others may wait for it: let that worker close its {@link AllReduce}.
     *
     * <p>Excludes what looks at single rows of other workers: kmeansInit, replacementPolicy KMEANS_INPUT and
     * FARTHEST_INPUT, norm BATCH and GROUP, lookupSize, samplingTemperature, quantizer dropout by sample. None by
     * default.
     */
    public B workers(AllReduce workers) {
        this.workers = Objects.requireNonNull(workers, "workers");
        return self();
    }

    /** Whether rows are spread over workers. */
    final boolean hasWorkers() {
        return workers != null;
    }

    abstract B self();

    /** The layer described. */
    public abstract Quantizer build();

    /** Every option but where to compute: shown by its value, given the value that it is to have. */
    void visitOptions(NamedOptions options) {
        options.integer("featureSize", featureSize);
        options.integer("numCodes", numCodes);
        dim(options.integer("dim", dim));
        beta(options.real("beta", beta));
        kmeansInit(options.flag("kmeansInit", kmeansInit));
        norm(options.choice("norm", norm));
        codebookNorm(options.choice("codebookNorm", codebookNorm));
        affineLr(options.real("affineLr", affineLr));
        affineGroups(options.integer("affineGroups", affineGroups));
        statisticsAffine(options.flag("statisticsAffine", statisticsAffine));
        syncNu(options.real("syncNu", syncNu));
        gradientEstimator(options.choice("gradientEstimator", estimator));
        replaceFreq(options.integer("replaceFreq", replaceFreq));
        replacementPolicy(options.choice("replacementPolicy", replacementPolicy));
        double decay = options.real("ema", emaDecay);
        if (decay != 0) {
            ema(decay);
        }
        emaExpiry(options.real("emaExpiry", emaExpiry));
        samplingTemperature(options.real("samplingTemperature", samplingTemperature));
        linearCodebook(options.flag("linearCodebook", linearCodebook));
        lookupSize(options.integer("lookupSize", lookupSize));
        orthogonalWeight(options.real("orthogonalWeight", orthogonalWeight));
        seed(options.number("seed", seed));
        alternation = InnerOptimizer.Options.visit(options, alternation);
    }

    /** The options by name, the layer's kind among them. */
    final Map<String, String> named() {
        NamedOptions options = new NamedOptions();
        options.text(KIND, kind());
        visitOptions(options);
        return options.values();
    }

    /** The builder of the layer that options describe. */
    static QuantizerBuilder<?> of(Map<String, String> named) {
        NamedOptions options = new NamedOptions(named);
        String kind = options.text(KIND, "none");
        int featureSize = options.required("featureSize");
        int numCodes = options.required("numCodes");
        QuantizerBuilder<?> builder =
                switch (kind) {
                    case "VectorQuant" -> VectorQuant.builder(featureSize, numCodes);
                    case "GroupVectorQuant" ->
                        GroupVectorQuant.builder(featureSize, numCodes, options.required("groups"));
                    case "ResidualVectorQuant" ->
                        ResidualVectorQuant.builder(featureSize, numCodes, options.required("stages"));
                    default ->
                        throw options.unusable(KIND, "VectorQuant, GroupVectorQuant or ResidualVectorQuant", kind);
                };
        builder.visitOptions(options);
        options.checkAllRead();
        return builder;
    }

    /** The class that is built. */
    private String kind() {
        return getClass().getEnclosingClass().getSimpleName();
    }

    /** Features of the rows that are quantized. */
    final int lookupFeatures() {
        return lookupSize == 0 ? featureSize : lookupSize;
    }

    /** Features of a codebook. */
    int codebookFeatures() {
        return lookupFeatures();
    }

    /** How many codebooks share numCodes. */
    int codebookCount() {
        return 1;
    }

    /** Where to compute, and over whose rows to sum. */
    final RowSums sums() {
        Kernels kernels = (backend == null ? Backend.best() : backend).kernels();
        return workers == null ? new RowSums(kernels) : new WorkerSums(kernels, workers);
    }

    /** What the features of the rows that are quantized are called in errors. */
    final String lookupName() {
        return lookupSize == 0 ? "featureSize" : "lookupSize";
    }

    /** What the codebooks of moving averages do; null where codebooks have a gradient. */
    final MovingAverages.@Nullable Options averages() {
        return emaDecay > 0 ? new MovingAverages.Options(emaDecay, emaExpiry) : null;
    }

    /** What the number of codes of one codebook is called in errors. */
    String codesName() {
        return "numCodes";
    }
}
