package io.github.vq4j;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The layer in float64 and plain loops, to compare {@link VectorQuant} with: forward, the gradients by formula, and the
 * objective with its stop-gradients frozen, whose central differences those gradients must be.
 */
final class ReferenceVectorQuant {
    /** Options, named as those of {@link VectorQuant}. */
    record Options(
            Norm norm,
            CodebookNorm codebookNorm,
            double affineLr,
            boolean statisticsAffine,
            int affineGroups,
            double beta,
            double syncNu,
            GradientEstimator estimator) {}

    /** What a forward gives: the normalised rows, the effective codebook and the results. */
    record Forward(
            double[][] z, double[][] rows, double[][] effective, int[] codes, double loss, double[] sampleLosses) {}

    /** Gradients, the parameters' in the order of {@link #parameters}. */
    record Gradient(double[][] input, List<double[][]> parameters) {}

    private static final double MOMENTUM = 0.1;

    private final Options options;
    private final int features;
    double[][] codebook;
    private final double[][] affineScale;
    private final double[][] affineBias;
    private final double[][] normScale;
    private final double[][] normShift;
    private final double[] batchMean;
    private final double[] batchVariance;
    private double[][] statisticsScale;
    private double[][] statisticsShift;
    private double[][] runningZ;
    private double[][][] runningC;

    ReferenceVectorQuant(Options options, double[][] codebook) {
        this.options = options;
        this.codebook = codebook;
        features = codebook[0].length;
        affineScale = new double[options.affineGroups][features];
        affineBias = new double[options.affineGroups][features];
        normScale = new double[1][features];
        normShift = new double[1][features];
        Arrays.fill(normScale[0], 1);
        batchMean = new double[features];
        batchVariance = new double[features];
        Arrays.fill(batchVariance, 1);
        statisticsScale = filled(1);
        statisticsShift = filled(0);
    }

    /** Codebook, affine scale and bias, norm scale and shift, as far as there are any; the arrays themselves. */
    List<double[][]> parameters() {
        List<double[][]> all = new ArrayList<>();
        all.add(codebook);
        if (learnsAffine()) {
            all.add(affineScale);
            all.add(affineBias);
        }
        if (learnsNorm()) {
            all.add(normScale);
            all.add(normShift);
        }
        return all;
    }

    /** A forward with the nearest codes. */
    Forward forward(double[][] z, int samples, boolean training) {
        double[][] rows = normalised(z, samples, training);
        if (training) {
            if (options.norm == Norm.BATCH) {
                updateBatchMoments(z);
            }
            codebook = projected();
            if (options.statisticsAffine) {
                updateStatistics(rows);
            }
        }
        double[][] effective = effective(training ? codebook : projected());
        int[] codes = new int[z.length];
        for (int n = 0; n < z.length; n++) {
            for (int k = 1; k < effective.length; k++) {
                if (squared(rows[n], effective[k]) < squared(rows[n], effective[codes[n]])) {
                    codes[n] = k;
                }
            }
        }
        return withCodes(new Forward(z, rows, effective, codes, 0, null), codes, samples);
    }

    /** The forward with other codes. */
    Forward withCodes(Forward forward, int[] codes, int samples) {
        double[] sampleLosses = new double[samples];
        int perSample = codes.length / samples;
        for (int n = 0; n < codes.length; n++) {
            sampleLosses[n / perSample] +=
                    squared(forward.rows[n], forward.effective[codes[n]]) / (perSample * features);
        }
        double loss = Arrays.stream(sampleLosses).sum() / samples;
        return new Forward(forward.z, forward.rows, forward.effective, codes, loss, sampleLosses);
    }

    Gradient backward(Forward f, double[][] g, double alpha, int samples, boolean training) {
        int count = f.z.length;
        double mean = 2 * alpha / ((double) count * features);
        double[][] rowsGradient = new double[count][features];
        double[][] effectiveGradient = new double[codebook.length][features];
        for (int n = 0; n < count; n++) {
            double[] e = f.effective[f.codes[n]];
            double[] ofRow = ReferenceEstimator.ofRow(options.estimator, f.rows[n], e, g[n]);
            double[] ofCode = ReferenceEstimator.ofCode(options.estimator, options.syncNu, f.rows[n], e, g[n]);
            for (int d = 0; d < features; d++) {
                double difference = f.rows[n][d] - e[d];
                rowsGradient[n][d] = ofRow[d] + mean * (1 - options.beta) * difference;
                effectiveGradient[f.codes[n]][d] += ofCode[d] - mean * options.beta * difference;
            }
        }
        List<double[][]> parameters = new ArrayList<>();
        double[][] codebookGradient = new double[codebook.length][features];
        double[][] scaleGradient = new double[options.affineGroups][features];
        double[][] biasGradient = new double[options.affineGroups][features];
        for (int k = 0; k < codebook.length; k++) {
            int t = group(k);
            for (int d = 0; d < features; d++) {
                codebookGradient[k][d] = scale(t, d) * effectiveGradient[k][d];
                scaleGradient[t][d] += options.affineLr * effectiveGradient[k][d] * codebook[k][d];
                biasGradient[t][d] += options.affineLr * effectiveGradient[k][d];
            }
        }
        parameters.add(codebookGradient);
        if (learnsAffine()) {
            parameters.add(scaleGradient);
            parameters.add(biasGradient);
        }
        double[][] input = throughNorm(f.z, rowsGradient, samples, training, parameters);
        return new Gradient(input, parameters);
    }

    /**
     * sum(g * output) + alpha * loss as a function of z and the parameters, with the codes and all stop-gradients frozen
     * at {@code at}.
     */
    double objective(Forward at, double[][] z, double[][] g, double alpha, int samples, boolean training) {
        double[][] rows = normalised(z, samples, training);
        double[][] effective = effective(codebook);
        double task = 0;
        double loss = 0;
        for (int n = 0; n < z.length; n++) {
            double[] e = effective[at.codes[n]];
            double[] e0 = at.effective[at.codes[n]];
            double[] output = ReferenceEstimator.frozen(options.estimator, options.syncNu, at.rows[n], e0, rows[n], e);
            for (int d = 0; d < features; d++) {
                double z0 = at.rows[n][d];
                task += g[n][d] * output[d];
                loss += (1 - options.beta) * (rows[n][d] - e0[d]) * (rows[n][d] - e0[d])
                        + options.beta * (z0 - e[d]) * (z0 - e[d]);
            }
        }
        return task + alpha * loss / ((double) z.length * features);
    }

    RunningMoments runningMoments() {
        return new RunningMoments(
                floats(runningZ[0]), floats(runningZ[1]), floats(flat(runningC[0])), floats(flat(runningC[1])));
    }

    static double squared(double[] a, double[] b) {
        double sum = 0;
        for (int d = 0; d < a.length; d++) {
            sum += (a[d] - b[d]) * (a[d] - b[d]);
        }
        return sum;
    }

    // ---- norms -------------------------------------------------------------------------------------------------

    private double[][] normalised(double[][] z, int samples, boolean training) {
        return switch (options.norm) {
            case NONE -> Arrays.stream(z).map(double[]::clone).toArray(double[][]::new);
            case UNIT -> rowNorm(z, true);
            case MAX_NORM -> rowNorm(z, false);
            default -> {
                double[][] out = new double[z.length][features];
                for (Block block : blocks(z.length, samples)) {
                    block.takeMoments(z, training);
                    block.forEach((n, d) -> out[n][d] = block.normal(z[n][d]) * scaleOfNorm(d) + normShift[0][d]);
                }
                yield out;
            }
        };
    }

    private double[][] throughNorm(
            double[][] z, double[][] g, int samples, boolean training, List<double[][]> parameters) {
        switch (options.norm) {
            case NONE:
                return g;
            case UNIT, MAX_NORM:
                double[][] through = new double[z.length][];
                for (int n = 0; n < z.length; n++) {
                    through[n] = throughRowNorm(z[n], g[n]);
                }
                return through;
            default:
                double[][] input = new double[z.length][features];
                double[][] scaleGradient = new double[1][features];
                double[][] shiftGradient = new double[1][features];
                for (Block block : blocks(z.length, samples)) {
                    block.takeMoments(z, training);
                    double[] sums = new double[2];
                    block.forEach((n, d) -> {
                        double normal = block.normal(z[n][d]);
                        scaleGradient[0][d] += g[n][d] * normal;
                        shiftGradient[0][d] += g[n][d];
                        sums[0] += g[n][d] * scaleOfNorm(d);
                        sums[1] += g[n][d] * scaleOfNorm(d) * normal;
                    });
                    double constant = block.fromRunning ? 0 : 1.0 / block.count();
                    block.forEach((n, d) -> input[n][d] =
                            (g[n][d] * scaleOfNorm(d) - constant * (sums[0] + block.normal(z[n][d]) * sums[1]))
                                    * block.inverse);
                }
                if (learnsNorm()) {
                    parameters.add(scaleGradient);
                    parameters.add(shiftGradient);
                }
                return input;
        }
    }

    private double[] throughRowNorm(double[] z, double[] g) {
        double length = Math.sqrt(squared(z, new double[z.length]));
        boolean unit = options.norm == Norm.UNIT;
        double radius = unit ? 1 : 10;
        if (!unit && length <= radius) {
            return g;
        }
        double along = 0;
        for (int d = 0; d < z.length; d++) {
            along += z[d] * g[d] / (length * length);
        }
        double[] through = new double[z.length];
        for (int d = 0; d < z.length; d++) {
            through[d] = radius / length * (g[d] - along * z[d]);
        }
        return through;
    }

    private static double[][] rowNorm(double[][] rows, boolean unit) {
        double[][] out = new double[rows.length][];
        for (int n = 0; n < rows.length; n++) {
            double length = Math.sqrt(squared(rows[n], new double[rows[n].length]));
            double factor = unit ? 1 / Math.max(length, 1e-12) : length > 10 ? 10 / length : 1;
            out[n] = Arrays.stream(rows[n]).map(value -> value * factor).toArray();
        }
        return out;
    }

    private interface Element {
        void at(int n, int d);
    }

    /** What shares a mean and a variance: some features of the rows of a sample. */
    private final class Block {
        private final int firstRow;
        private final int lastRow;
        private final int firstFeature;
        private final int lastFeature;
        private double mean;
        private double inverse;
        private boolean fromRunning;

        Block(int firstRow, int lastRow, int firstFeature, int lastFeature) {
            this.firstRow = firstRow;
            this.lastRow = lastRow;
            this.firstFeature = firstFeature;
            this.lastFeature = lastFeature;
        }

        int count() {
            return (lastRow - firstRow) * (lastFeature - firstFeature);
        }

        void forEach(Element element) {
            for (int n = firstRow; n < lastRow; n++) {
                for (int d = firstFeature; d < lastFeature; d++) {
                    element.at(n, d);
                }
            }
        }

        void takeMoments(double[][] z, boolean training) {
            fromRunning = options.norm == Norm.BATCH && !training;
            double variance = variance(z);
            if (fromRunning) {
                mean = batchMean[firstFeature];
                variance = batchVariance[firstFeature];
            }
            inverse = 1 / Math.sqrt(variance + (options.norm == Norm.GROUP ? 1e-6 : 1e-5));
        }

        double variance(double[][] z) {
            double[] sums = new double[2];
            forEach((n, d) -> sums[0] += z[n][d] / count());
            mean = sums[0];
            forEach((n, d) -> sums[1] += (z[n][d] - mean) * (z[n][d] - mean) / count());
            return sums[1];
        }

        double normal(double value) {
            return (value - mean) * inverse;
        }
    }

    private List<Block> blocks(int rows, int samples) {
        int parts = options.norm == Norm.BATCH ? 1 : samples;
        int groups = options.norm == Norm.GROUP ? 32 : features;
        List<Block> blocks = new ArrayList<>();
        for (int s = 0; s < parts; s++) {
            for (int t = 0; t < groups; t++) {
                blocks.add(new Block(
                        rows / parts * s, rows / parts * (s + 1), features / groups * t, features / groups * (t + 1)));
            }
        }
        return blocks;
    }

    private void updateBatchMoments(double[][] z) {
        for (Block column : blocks(z.length, 1)) {
            double unbiased = column.variance(z) * z.length / (z.length - 1);
            int d = column.firstFeature;
            batchMean[d] = MOMENTUM * column.mean + (1 - MOMENTUM) * batchMean[d];
            batchVariance[d] = MOMENTUM * unbiased + (1 - MOMENTUM) * batchVariance[d];
        }
    }

    private boolean learnsNorm() {
        return options.norm == Norm.BATCH || options.norm == Norm.GROUP;
    }

    private double scaleOfNorm(int d) {
        return normScale[0][d];
    }

    // ---- the effective codebook --------------------------------------------------------------------------------

    private double[][] projected() {
        return options.codebookNorm == CodebookNorm.NONE
                ? codebook
                : rowNorm(codebook, options.codebookNorm == CodebookNorm.UNIT);
    }

    private double[][] effective(double[][] base) {
        double[][] effective = new double[base.length][features];
        for (int k = 0; k < base.length; k++) {
            for (int d = 0; d < features; d++) {
                effective[k][d] = scale(group(k), d) * base[k][d] + shift(group(k), d);
            }
        }
        return effective;
    }

    private void updateStatistics(double[][] rows) {
        double[][] z = momentsOf(rows, 0, rows.length);
        double[][][] c = new double[2][options.affineGroups][];
        int size = codebook.length / options.affineGroups;
        for (int t = 0; t < options.affineGroups; t++) {
            double[][] moments = momentsOf(codebook, t * size, (t + 1) * size);
            c[0][t] = moments[0];
            c[1][t] = moments[1];
        }
        runningZ = runningZ == null ? z : new double[][] {mixed(runningZ[0], z[0]), mixed(runningZ[1], z[1])};
        if (runningC == null) {
            runningC = c;
        } else {
            for (int moment = 0; moment < 2; moment++) {
                for (int t = 0; t < options.affineGroups; t++) {
                    runningC[moment][t] = mixed(runningC[moment][t], c[moment][t]);
                }
            }
        }
        for (int t = 0; t < options.affineGroups; t++) {
            for (int d = 0; d < features; d++) {
                statisticsScale[t][d] = Math.sqrt(runningZ[1][d] / (runningC[1][t][d] + 1e-8));
                statisticsShift[t][d] = runningZ[0][d] - statisticsScale[t][d] * runningC[0][t][d];
            }
        }
    }

    private double[][] momentsOf(double[][] rows, int first, int last) {
        double[][] moments = new double[2][features];
        for (int d = 0; d < features; d++) {
            Block column = new Block(first, last, d, d + 1);
            moments[1][d] = column.variance(rows);
            moments[0][d] = column.mean;
        }
        return moments;
    }

    private boolean learnsAffine() {
        return options.affineLr > 0;
    }

    private double scale(int t, int d) {
        return options.statisticsAffine ? statisticsScale[t][d] : 1 + options.affineLr * affineScale[t][d];
    }

    private double shift(int t, int d) {
        return options.statisticsAffine ? statisticsShift[t][d] : options.affineLr * affineBias[t][d];
    }

    private int group(int k) {
        return k / (codebook.length / options.affineGroups);
    }

    private double[][] filled(double value) {
        double[][] values = new double[options.affineGroups][features];
        for (double[] row : values) {
            Arrays.fill(row, value);
        }
        return values;
    }

    private static double[] mixed(double[] running, double[] batch) {
        double[] mixed = new double[running.length];
        for (int i = 0; i < mixed.length; i++) {
            mixed[i] = MOMENTUM * batch[i] + (1 - MOMENTUM) * running[i];
        }
        return mixed;
    }

    static double[] flat(double[][] rows) {
        return Arrays.stream(rows).flatMapToDouble(Arrays::stream).toArray();
    }

    static float[] floats(double[] values) {
        float[] floats = new float[values.length];
        for (int i = 0; i < values.length; i++) {
            floats[i] = (float) values[i];
        }
        return floats;
    }
}
