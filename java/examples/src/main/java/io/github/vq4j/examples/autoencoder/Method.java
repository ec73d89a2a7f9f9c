package io.github.vq4j.examples.autoencoder;

import io.github.vq4j.Backend;
import io.github.vq4j.CodebookNorm;
import io.github.vq4j.FiniteScalarQuant;
import io.github.vq4j.GradientEstimator;
import io.github.vq4j.GroupVectorQuant;
import io.github.vq4j.LookupFreeQuant;
import io.github.vq4j.Norm;
import io.github.vq4j.Optimizer;
import io.github.vq4j.QuantizerBuilder;
import io.github.vq4j.ReplacementPolicy;
import io.github.vq4j.ResidualVectorQuant;
import io.github.vq4j.TrainingPhases;
import io.github.vq4j.VectorQuant;
import io.github.vq4j.torch.CodebookFreeModule;
import io.github.vq4j.torch.QuantizerModule;
import io.github.vq4j.torch.VectorQuantModule;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Set;
import java.util.function.LongFunction;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** What the autoencoder can be trained with: a layer of the library, all of 240 or 256 codes. */
enum Method {
    // The five that are compared unless others are named; each adds one technique to the one before.
    BASELINE("baseline", "baseline", vectors(layer -> layer)),
    KMEANS("kmeans", "+ k-means init", vectors(Method::kmeans)),
    SYNC("sync", "+ synchronised (nu 2)", vectors(Method::sync)),
    AFFINE("affine", "+ affine (lr 2)", vectors(Method::affine)),
    REPLACEMENT("replacement", "+ replacement (20)", vectors(Method::replacement)),

    // One technique each, beside k-means initialisation where it goes with that.
    ALTERNATED("alternated", "alternated", vectors(layer -> kmeans(layer).alternated(Optimizer.adam(1e-3), 1, true))),
    PHASES("phases", "commitment, then task", vectors(Method::kmeans)) {
        @Override
        TrainingPhases phases() {
            return new TrainingPhases(1, 1);
        }
    },
    STATISTICS("statistics", "statistics affine", vectors(layer -> kmeans(layer).statisticsAffine(true))),
    AFFINE_GROUPS("affine-groups", "affine of 8 groups", vectors(layer -> kmeans(layer)
            .affineLr(2)
            .affineGroups(8))),
    EMA("ema", "moving averages", vectors(layer -> kmeans(layer).ema(0.99).emaExpiry(1))),
    ROTATION("rotation", "rotation trick", vectors(layer -> kmeans(layer)
            .gradientEstimator(GradientEstimator.ROTATION))),
    DIVEQ("diveq", "DiVeQ", vectors(layer -> kmeans(layer).gradientEstimator(GradientEstimator.DIVEQ))),
    COSINE("cosine", "cosine (unit norms)", vectors(layer -> kmeans(layer)
            .norm(Norm.UNIT)
            .codebookNorm(CodebookNorm.UNIT))),
    MAX_NORM("max-norm", "norms of at most 10", vectors(layer -> kmeans(layer)
            .norm(Norm.MAX_NORM)
            .codebookNorm(CodebookNorm.MAX_NORM))),
    BATCH_NORM("batch-norm", "batch norm", vectors(layer -> kmeans(layer).norm(Norm.BATCH))),
    GROUP_NORM("group-norm", "group norm", vectors(layer -> kmeans(layer).norm(Norm.GROUP))),
    INSTANCE_NORM(
            "instance-norm", "instance norm", vectors(layer -> kmeans(layer).norm(Norm.INSTANCE))),
    REPLACE_RANDOM("replace-random", "replaced by rows", replacing(ReplacementPolicy.RANDOM_INPUT)),
    REPLACE_KMEANS("replace-kmeans", "replaced by k-means", replacing(ReplacementPolicy.KMEANS_INPUT)),
    REPLACE_SPLIT("replace-split", "busiest codes split", replacing(ReplacementPolicy.SPLIT_BUSIEST)),
    REPLACE_FARTHEST("replace-farthest", "replaced by farthest", replacing(ReplacementPolicy.FARTHEST_INPUT)),
    SAMPLED("sampled", "drawn codes (T 0.1)", vectors(layer -> kmeans(layer).samplingTemperature(0.1))),
    LINEAR("linear", "linear (SimVQ)", vectors(layer -> layer.linearCodebook(true))),
    LOOKUP("lookup", "lookup in 8 features", vectors(layer -> kmeans(layer).lookupSize(8))),
    ORTHOGONAL("orthogonal", "orthogonal codes", vectors(layer -> kmeans(layer).orthogonalWeight(10))),

    // Other layers.
    GROUP("group", "4 groups", split(Method::groups)),
    GROUP_SHARED("group-shared", "4 groups, shared", split(() -> groups().share(true))),
    RESIDUAL("residual", "4 stages", split(Method::stages)),
    RESIDUAL_SHARED("residual-shared", "4 stages, shared", split(() -> stages().share(true))),
    RESIDUAL_LOSSES("residual-losses", "4 stages, own losses", split(() -> stages().stageLosses(true))),
    RESIDUAL_DROPOUT("residual-dropout", "4 stages, dropout", split(() -> stages().quantizerDropout(1, true))),
    RESIDUAL_BEAM("residual-beam", "4 stages, beam of 4", split(() -> stages().beamWidth(4))),
    FSQ(
            "fsq",
            "FSQ, levels 8 6 5",
            seed -> new CodebookFreeModule(
                    FiniteScalarQuant.builder(8, 6, 5).backend(Backend.cpu()).build())),
    LFQ("lfq", "LFQ, 8 bits", seed -> new CodebookFreeModule(lookupFree().build())),
    BSQ(
            "bsq",
            "BSQ, 8 bits",
            seed -> new CodebookFreeModule(lookupFree().spherical(true).build()));

    private static final int FEATURES = 32;
    private static final int CODES = 256;
    private static final int PARTS = 4;
    private static final int BITS = 8;
    private static final double BETA = 0.95;
    private static final double SYNC_NU = 2;
    private static final double AFFINE_LR = 2;
    private static final int REPLACE_FREQ = 20;

    private final String key;
    private final String title;
    private final LongFunction<QuantizerModule> layer;

    Method(String key, String title, LongFunction<QuantizerModule> layer) {
        this.key = key;
        this.title = title;
        this.layer = layer;
    }

    /** Its name on the command line and in the report. */
    String key() {
        return key;
    }

    /** Its name in tables and pictures. */
    String title() {
        return title;
    }

    /** The title with blanks behind it, so that bars of all methods line up. */
    String paddedTitle() {
        return String.format("%-21s", title);
    }

    /** A new layer, whose random numbers are the seed's. On the CPU even where there is CUDA: libtorch has none here. */
    QuantizerModule layer(long seed) {
        return layer.apply(seed);
    }

    /** The losses that its steps descend on in turn; null where each descends on both. */
    @Nullable
    TrainingPhases phases() {
        return null;
    }

    /** The method with a name. */
    static Method of(String key) {
        return Arrays.stream(values())
                .filter(method -> method.key.equals(key))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("need one of " + keys() + ", got " + key));
    }

    /** All names. */
    static String keys() {
        return Arrays.stream(values()).map(Method::key).collect(Collectors.joining(", "));
    }

    /** Those that are compared unless others are named. */
    static Set<Method> compared() {
        return EnumSet.range(BASELINE, REPLACEMENT);
    }

    private static VectorQuant.Builder kmeans(VectorQuant.Builder layer) {
        return layer.kmeansInit(true);
    }

    private static VectorQuant.Builder sync(VectorQuant.Builder layer) {
        return kmeans(layer).syncNu(SYNC_NU);
    }

    private static VectorQuant.Builder affine(VectorQuant.Builder layer) {
        return sync(layer).affineLr(AFFINE_LR);
    }

    private static VectorQuant.Builder replacement(VectorQuant.Builder layer) {
        return affine(layer).replaceFreq(REPLACE_FREQ);
    }

    private static GroupVectorQuant.Builder groups() {
        return GroupVectorQuant.builder(FEATURES, CODES, PARTS).kmeansInit(true);
    }

    private static ResidualVectorQuant.Builder stages() {
        return ResidualVectorQuant.builder(FEATURES, CODES, PARTS).kmeansInit(true);
    }

    private static LookupFreeQuant.Builder lookupFree() {
        return LookupFreeQuant.builder(BITS).backend(Backend.cpu());
    }

    private static LongFunction<QuantizerModule> replacing(ReplacementPolicy policy) {
        return vectors(layer -> kmeans(layer).replaceFreq(REPLACE_FREQ).replacementPolicy(policy));
    }

    private static LongFunction<QuantizerModule> vectors(UnaryOperator<VectorQuant.Builder> method) {
        return seed -> {
            VectorQuant.Builder layer = method.apply(VectorQuant.builder(FEATURES, CODES));
            return new VectorQuantModule(
                    layer.beta(BETA).seed(seed).backend(Backend.cpu()).build());
        };
    }

    private static LongFunction<QuantizerModule> split(Supplier<QuantizerBuilder<?>> method) {
        return seed -> new VectorQuantModule(
                method.get().beta(BETA).seed(seed).backend(Backend.cpu()).build());
    }
}
