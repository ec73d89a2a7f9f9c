package io.github.vq4j;

/** Which options of a layer go together, and why the others do not. */
final class OptionRules {
    private final QuantizerBuilder<?> options;

    private OptionRules(QuantizerBuilder<?> options) {
        this.options = options;
    }

    /** Refuses options that contradict each other or do not divide, for codebooks of {@code codes} codes. */
    static void check(QuantizerBuilder<?> options, int codes) {
        OptionRules rules = new OptionRules(options);
        rules.checkGradients();
        rules.checkEma();
        rules.checkLinearCodebook();
        rules.checkWorkers();
        rules.checkSizes(codes);
    }

    private void checkGradients() {
        if (options.affineLr > 0 && options.statisticsAffine) {
            throw new IllegalArgumentException(
                    "need either affineLr > 0 or statisticsAffine, got both (affineLr = " + options.affineLr + ")");
        }
        if (options.estimator == GradientEstimator.DIVEQ && options.syncNu > 0) {
            throw new IllegalArgumentException(
                    "need syncNu = 0 with gradientEstimator DIVEQ, whose codes have their part of"
                            + " the task's gradient already, got syncNu = " + options.syncNu);
        }
    }

    private void checkEma() {
        if (options.emaDecay == 0) {
            if (options.emaExpiry > 0) {
                throw new IllegalArgumentException(
                        "need ema with emaExpiry, whose averages it looks at, got emaExpiry = " + options.emaExpiry
                                + " without");
            }
            return;
        }
        if (options.affineLr > 0 || options.statisticsAffine) {
            throw new IllegalArgumentException(
                    "need no affine with ema: the codes are means of rows, and an affine would"
                            + " move them away from those, got affineLr = " + options.affineLr + ", statisticsAffine = "
                            + options.statisticsAffine);
        }
        if (options.syncNu > 0) {
            throw new IllegalArgumentException(
                    "need syncNu = 0 with ema: it is a share of the task's gradient, and the codes"
                            + " have no gradient, got " + options.syncNu);
        }
        if (options.estimator == GradientEstimator.DIVEQ) {
            throw new IllegalArgumentException("need another gradientEstimator than DIVEQ with ema: the codes have no"
                    + " gradient, and their part of the task's would be lost");
        }
        if (options.orthogonalWeight > 0) {
            throw new IllegalArgumentException(
                    "need orthogonalWeight = 0 with ema: it is the weight of a gradient of the"
                            + " codes, and they have none, got " + options.orthogonalWeight);
        }
        if (options.alternation != null) {
            throw new IllegalArgumentException(
                    "need either ema or alternated optimisation, got both: the averages would"
                            + " overwrite the steps of the inner optimiser");
        }
    }

    private void checkLinearCodebook() {
        if (!options.linearCodebook) {
            return;
        }
        refuseWithLinearCodebook(options.emaDecay > 0, "ema");
        refuseWithLinearCodebook(options.replaceFreq > 0, "replaceFreq");
        refuseWithLinearCodebook(options.kmeansInit, "kmeansInit");
        refuseWithLinearCodebook(options.alternation != null, "alternated optimisation");
        if (options.codebookNorm != CodebookNorm.NONE) {
            throw new IllegalArgumentException(
                    "need no codebookNorm with linearCodebook: it projects the stored codebook,"
                            + " which is frozen, got " + options.codebookNorm);
        }
    }

    private static void refuseWithLinearCodebook(boolean is, String option) {
        if (is) {
            throw new IllegalArgumentException(
                    "need linearCodebook without " + option + ", which moves codes one by one: the"
                            + " basis is frozen, and one map moves all codes, got both");
        }
    }

    private void checkWorkers() {
        if (!options.hasWorkers()) {
            return;
        }
        if (options.kmeansInit) {
            throw new IllegalArgumentException(
                    "need kmeansInit off with workers: it clusters rows that other workers have;"
                            + " cluster a sample by KMeans and set the codebook on every worker");
        }
        if (options.norm == Norm.BATCH || options.norm == Norm.GROUP) {
            throw new IllegalArgumentException(
                    "need a norm without parameters with workers, whose gradients would be those"
                            + " of one worker's rows: NONE, UNIT, MAX_NORM or INSTANCE, got " + options.norm);
        }
        if (options.lookupSize > 0) {
            throw new IllegalArgumentException(
                    "need lookupSize = 0 with workers: the gradients of the projections would be"
                            + " those of one worker's rows, got " + options.lookupSize);
        }
        if (options.samplingTemperature > 0) {
            throw new IllegalArgumentException(
                    "need samplingTemperature = 0 with workers: the draw depends on the number that"
                            + " a row has with its worker, got " + options.samplingTemperature);
        }
        boolean looksAtRows = options.replacementPolicy == ReplacementPolicy.KMEANS_INPUT
                || options.replacementPolicy == ReplacementPolicy.FARTHEST_INPUT;
        if (looksAtRows && (options.replaceFreq > 0 || options.emaExpiry > 0)) {
            throw new IllegalArgumentException(
                    "need replacementPolicy RANDOM_INPUT or SPLIT_BUSIEST with workers: others"
                            + " compare rows that other workers have, got " + options.replacementPolicy);
        }
    }

    private void checkSizes(int codes) {
        if (codes % options.affineGroups != 0) {
            throw new IllegalArgumentException("need affineGroups to divide " + options.codesName() + " = " + codes
                    + ", got " + options.affineGroups);
        }
        int features = options.lookupFeatures();
        if (options.norm == Norm.GROUP && features % InputNorm.GROUPS != 0) {
            throw new IllegalArgumentException("need a " + options.lookupName() + " that " + InputNorm.GROUPS
                    + " groups divide for norm GROUP, got " + features);
        }
        checkProduct(options.lookupName(), features, "numCodes", options.numCodes);
        checkProduct("featureSize", options.featureSize, "lookupSize", options.lookupSize);
        if (options.linearCodebook || options.orthogonalWeight > 0) {
            int ofCodebook = options.codebookFeatures();
            checkProduct("the features of a codebook", ofCodebook, "themselves", ofCodebook);
        }
    }

    private static void checkProduct(String name, int size, String otherName, int other) {
        if ((long) size * other > Integer.MAX_VALUE) {
            throw new IllegalArgumentException(
                    "need " + name + " * " + otherName + " <= " + Integer.MAX_VALUE + ", got " + size + " * " + other);
        }
    }
}
