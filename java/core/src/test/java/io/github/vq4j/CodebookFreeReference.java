package io.github.vq4j;

import java.util.function.DoubleUnaryOperator;

/** The quantizers without a codebook in plain float64, from their formulas. Rows are arrays of features. */
final class CodebookFreeReference {
    private CodebookFreeReference() {}

    /** One feature of finite scalar quantization. */
    record Axis(int levels) {
        double halfRange() {
            return (levels - 1) * (1 + 1e-3) / 2;
        }

        double offset() {
            return levels % 2 == 0 ? 0.5 : 0;
        }

        int halfWidth() {
            return levels / 2;
        }

        double bounded(double z) {
            double ratio = offset() / halfRange();
            double shift = 0.5 * Math.log((1 + ratio) / (1 - ratio));
            return Math.tanh(z + shift) * halfRange() - offset();
        }

        /** The level's number, 0 to levels - 1. */
        int digit(double z) {
            return (int) Math.max(0, Math.min(levels - 1, Math.rint(bounded(z)) + halfWidth()));
        }

        double value(int digit) {
            return (double) (digit - halfWidth()) / halfWidth();
        }
    }

    /** Lookup-free quantization, spherical or not. */
    record Signs(
            boolean spherical,
            double inverseTemperature,
            double commitmentWeight,
            double entropyWeight,
            double diversityGamma) {
        double scale(int features) {
            return spherical ? 1 / Math.sqrt(features) : 1;
        }

        double[][] normalised(double[][] z) {
            double[][] rows = new double[z.length][];
            for (int n = 0; n < z.length; n++) {
                double squared = 0;
                for (double value : z[n]) {
                    squared += value * value;
                }
                double factor = spherical ? 1 / Math.sqrt(squared) : 1;
                rows[n] = map(z[n], value -> value * factor);
            }
            return rows;
        }

        double[][] codes(double[][] u) {
            double[][] codes = new double[u.length][];
            for (int n = 0; n < u.length; n++) {
                double scale = scale(u[n].length);
                codes[n] = map(u[n], value -> value > 0 ? scale : -scale);
            }
            return codes;
        }

        double commitmentLoss(double[][] u, double[][] codes) {
            double sum = 0;
            for (int n = 0; n < u.length; n++) {
                for (int d = 0; d < u[n].length; d++) {
                    sum += (u[n][d] - codes[n][d]) * (u[n][d] - codes[n][d]);
                }
            }
            return sum / (u.length * u[0].length);
        }

        double probability(double u, int features) {
            return 1 / (1 + Math.exp(-2 * inverseTemperature * scale(features) * u));
        }

        double sampleEntropy(double[][] u) {
            double sum = 0;
            for (double[] row : u) {
                for (double value : row) {
                    sum += entropy(probability(value, row.length), probability(-value, row.length));
                }
            }
            return sum / u.length;
        }

        double batchEntropy(double[][] u) {
            double sum = 0;
            for (int d = 0; d < u[0].length; d++) {
                double one = 0;
                double zero = 0;
                for (double[] row : u) {
                    one += probability(row[d], row.length) / u.length;
                    zero += probability(-row[d], row.length) / u.length;
                }
                sum += entropy(one, zero);
            }
            return sum;
        }

        double loss(double[][] u, double[][] codes) {
            return commitmentWeight * commitmentLoss(u, codes)
                    + entropyWeight * (sampleEntropy(u) - diversityGamma * batchEntropy(u));
        }

        /** What the layer's backward is the gradient of: linear in u, plus alpha times the loss, codes fixed. */
        double objective(double[][] z, double[][] gradOutput, double[][] codes, double alpha) {
            double[][] u = normalised(z);
            double task = 0;
            for (int n = 0; n < u.length; n++) {
                for (int d = 0; d < u[n].length; d++) {
                    task += gradOutput[n][d] * u[n][d];
                }
            }
            return task + alpha * loss(u, codes);
        }

        private static double entropy(double one, double zero) {
            double sum = 0;
            for (double p : new double[] {one, zero}) {
                sum -= p > 0 ? p * Math.log(p) : 0;
            }
            return sum;
        }

        private static double[] map(double[] values, DoubleUnaryOperator operator) {
            double[] result = new double[values.length];
            for (int i = 0; i < values.length; i++) {
                result[i] = operator.applyAsDouble(values[i]);
            }
            return result;
        }
    }
}
