package io.github.vq4j;

import java.util.List;
import java.util.function.Consumer;

/**
 * A training method or a form of codebook, as the options of a layer, for {@link MethodTableTest}.
 *
 * @param name in the document
 * @param what it does
 * @param source equation or paper
 * @param options of the builder; empty for a mask, which the forward takes
 * @param call how the options are set, in code
 * @param configure sets them, on a builder that has them
 */
record Method(
        String name,
        String what,
        String source,
        List<String> options,
        String call,
        Consumer<QuantizerBuilder<?>> configure) {
    private static final String HUH = "Huh et al., ICML 2023";

    /** A multiple of 32, for group norm, which is of the projected rows. */
    private static final int FEWER_DIMENSIONS = 32;

    /** Rows of a batch that take part are chosen by the forward's mask. */
    static final Method MASK = new Method(
            "row mask",
            "leaves padding out of everything",
            "codes −1, output z there",
            List.of(),
            "`forward(z, RowMask)`",
            builder -> {});

    /** All of them, in the document's order. */
    static final List<Method> ALL = List.of(
            new Method(
                    "k-means++ initialisation",
                    "starts the codebook from the first training batch",
                    "Arthur, Vassilvitskii, SODA 2007; Lloyd",
                    List.of("kmeansInit"),
                    "`kmeansInit(true)`",
                    builder -> builder.kmeansInit(true)),
            new Method(
                    "learned affine",
                    "moves all codes together, unused ones too",
                    "C' = (1 + lr a)∘C + lr b; " + HUH,
                    List.of("affineLr", "affineGroups"),
                    "`affineLr(2)`, `affineGroups(1)`",
                    builder -> builder.affineLr(2).affineGroups(2)),
            new Method(
                    "statistics affine",
                    "moves the codebook's moments to the data's",
                    "C' = (σz/σC)∘(C − μC) + μz; " + HUH,
                    List.of("statisticsAffine", "affineGroups"),
                    "`statisticsAffine(true)`",
                    builder -> builder.statisticsAffine(true).affineGroups(2)),
            new Method(
                    "synchronised commitment",
                    "gives codes a share of the task's gradient",
                    "z + sg(e − z) + ν e − sg(ν e); " + HUH,
                    List.of("syncNu"),
                    "`syncNu(1)`",
                    builder -> builder.syncNu(1)),
            new Method(
                    "alternated optimisation",
                    "steps the codebook inside the forward, then looks e up",
                    "min over C of mean((e − sg(z))²); " + HUH,
                    List.of("alternated"),
                    "`alternated(optimizer, 1, false)`",
                    builder -> builder.alternated(Optimizer.adam(1e-3), 1, false)),
            new Method(
                    "EMA codebook",
                    "makes codes moving averages of their rows",
                    "m ← γ m + (1 − γ) Σ z; van den Oord et al., 2017",
                    List.of("ema", "emaExpiry"),
                    "`ema(0.99)`, `emaExpiry(1)`",
                    builder -> builder.ema(0.99).emaExpiry(1)),
            new Method(
                    "rotation trick",
                    "turns the task's gradient from e's direction to z's",
                    "dz = r Rᵀ g; Fifty et al., 2024",
                    List.of("gradientEstimator"),
                    "`gradientEstimator(ROTATION)`",
                    builder -> builder.gradientEstimator(GradientEstimator.ROTATION)),
            new Method(
                    "DiVeQ",
                    "splits the task's gradient between z and e",
                    "e = z + ‖e − z‖ sg(d); Vali et al., 2025",
                    List.of("gradientEstimator"),
                    "`gradientEstimator(DIVEQ)`",
                    builder -> builder.gradientEstimator(GradientEstimator.DIVEQ)),
            replacement(ReplacementPolicy.RANDOM_INPUT, "makes unused codes random rows"),
            replacement(ReplacementPolicy.KMEANS_INPUT, "makes unused codes centroids of the batch"),
            replacement(ReplacementPolicy.SPLIT_BUSIEST, "makes unused codes copies of the busiest"),
            replacement(ReplacementPolicy.FARTHEST_INPUT, "makes unused codes the worst quantized rows"),
            norm(Norm.UNIT, "scales rows to length 1"),
            norm(Norm.MAX_NORM, "shortens rows to length 10"),
            norm(Norm.BATCH, "batch norm"),
            norm(Norm.GROUP, "group norm"),
            norm(Norm.INSTANCE, "instance norm"),
            codebookNorm(CodebookNorm.UNIT, "scales codes to length 1; with norm UNIT: cosine similarity"),
            codebookNorm(CodebookNorm.MAX_NORM, "shortens codes to length 10"),
            new Method(
                    "codes drawn at a temperature",
                    "tries other codes than the nearest while training",
                    "p ∝ exp(−‖z − C'‖² / T), Gumbel-max",
                    List.of("samplingTemperature"),
                    "`samplingTemperature(0.5)`",
                    builder -> builder.samplingTemperature(0.5)),
            new Method(
                    "linear codebook",
                    "trains one linear map of a frozen random codebook",
                    "C = B Wᵀ; SimVQ, Zhu et al., 2024",
                    List.of("linearCodebook"),
                    "`linearCodebook(true)`",
                    builder -> builder.linearCodebook(true)),
            new Method(
                    "lookup in fewer dimensions",
                    "projects rows before the lookup, codes after it",
                    "factorized codes; Yu et al., 2021",
                    List.of("lookupSize"),
                    "`lookupSize(8)`",
                    builder -> builder.lookupSize(FEWER_DIMENSIONS)),
            new Method(
                    "orthogonal regularisation",
                    "turns codes away from each other",
                    "‖N Nᵀ − I‖² / K²; Shin et al., 2021",
                    List.of("orthogonalWeight"),
                    "`orthogonalWeight(10)`",
                    builder -> builder.orthogonalWeight(10)),
            MASK,
            new Method(
                    "workers",
                    "trains one codebook on the rows of several workers",
                    "sums over all workers, exact",
                    List.of("workers"),
                    "`workers(allReduce)`",
                    builder -> builder.workers(AllReduce.inProcess(1).get(0))),
            new Method(
                    "shared codebook",
                    "one codebook for all groups or stages",
                    "Huh et al.'s package",
                    List.of("share"),
                    "`share(true)`",
                    Method::share),
            new Method(
                    "stage losses",
                    "takes the mean of each stage's own loss",
                    "mean over stages of mean((r − e)²)",
                    List.of("stageLosses"),
                    "`stageLosses(true)`",
                    builder -> residual(builder).stageLosses(true)),
            new Method(
                    "quantizer dropout by batch",
                    "trains the first stages to do alone",
                    "Zeghidour et al., 2021",
                    List.of("quantizerDropout"),
                    "`quantizerDropout(1, false)`",
                    builder -> residual(builder).quantizerDropout(1, false)),
            new Method(
                    "quantizer dropout by sample",
                    "the same with a number of stages for each sample",
                    "Kumar et al., 2023",
                    List.of("quantizerDropout"),
                    "`quantizerDropout(1, true)`",
                    builder -> residual(builder).quantizerDropout(1, true)),
            new Method(
                    "beam search",
                    "looks for the sum of codes that leaves least",
                    "min over beams of ‖z − Σ e‖²",
                    List.of("beamWidth"),
                    "`beamWidth(4)`",
                    builder -> residual(builder).beamWidth(2)));

    @Override
    public String toString() {
        return name;
    }

    private static Method replacement(ReplacementPolicy policy, String what) {
        return new Method(
                "replacement " + policy,
                what,
                "unused for `replaceFreq` batches",
                List.of("replaceFreq", "replacementPolicy"),
                "`replaceFreq(20)`, `replacementPolicy(" + policy + ")`",
                builder -> builder.replaceFreq(1).replacementPolicy(policy));
    }

    private static Method norm(Norm norm, String what) {
        return new Method(
                "norm " + norm,
                what,
                "before the assignment",
                List.of("norm"),
                "`norm(" + norm + ")`",
                builder -> builder.norm(norm));
    }

    private static Method codebookNorm(CodebookNorm norm, String what) {
        return new Method(
                "codebook norm " + norm,
                what,
                "projection after each step",
                List.of("codebookNorm"),
                "`codebookNorm(" + norm + ")`",
                builder -> builder.codebookNorm(norm));
    }

    private static void share(QuantizerBuilder<?> builder) {
        if (builder instanceof GroupVectorQuant.Builder group) {
            group.share(true);
        } else {
            residual(builder).share(true);
        }
    }

    private static ResidualVectorQuant.Builder residual(QuantizerBuilder<?> builder) {
        return (ResidualVectorQuant.Builder) builder;
    }
}
