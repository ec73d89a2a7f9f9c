package io.github.vq4j;

/**
 * The gradient estimators in float64, for one vector z, its replacement e and the task's gradient g: gradients by formula,
 * and the replacement with everything frozen that the estimator freezes.
 */
final class ReferenceEstimator {
    private ReferenceEstimator() {}

    /** What z receives. */
    static double[] ofRow(GradientEstimator estimator, double[] z, double[] e, double[] g) {
        if (!hasDirection(estimator, z, e)) {
            return g.clone();
        }
        if (estimator == GradientEstimator.DIVEQ) {
            return sum(1, g, -1, ofCode(estimator, 0, z, e, g));
        }
        double[] u = unit(z);
        double[] v = unit(e);
        double[] w = unit(sum(1, u, 1, v));
        double[] turned = sum(1, sum(1, g, -2 * dot(w, g), w), 2 * dot(v, g), u);
        return sum(length(e) / length(z), turned, 0, z);
    }

    /** What the code receives. */
    static double[] ofCode(GradientEstimator estimator, double nu, double[] z, double[] e, double[] g) {
        if (estimator != GradientEstimator.DIVEQ) {
            return sum(nu, g, 0, z);
        }
        if (!hasDirection(estimator, z, e)) {
            return new double[z.length];
        }
        double[] d = unit(sum(1, e, -1, z));
        return sum(dot(d, g), d, 0, z);
    }

    /** The replacement of x by y, frozen at z and e: of value e there. */
    static double[] frozen(GradientEstimator estimator, double nu, double[] z, double[] e, double[] x, double[] y) {
        boolean directed = hasDirection(estimator, z, e);
        if (estimator == GradientEstimator.DIVEQ && directed) {
            return sum(1, x, length(sum(1, y, -1, x)), unit(sum(1, e, -1, z)));
        }
        double share = estimator == GradientEstimator.DIVEQ ? 0 : nu;
        double[] moved = sum(1, x, 1, sum(1, e, -1, z));
        if (estimator == GradientEstimator.ROTATION && directed) {
            double[] u = unit(z);
            double[] v = unit(e);
            double[] w = unit(sum(1, u, 1, v));
            double[] turned = sum(1, sum(1, x, -2 * dot(w, x), w), 2 * dot(u, x), v);
            moved = sum(length(e) / length(z), turned, 0, x);
        }
        return sum(1, moved, share, sum(1, y, -1, e));
    }

    private static boolean hasDirection(GradientEstimator estimator, double[] z, double[] e) {
        return switch (estimator) {
            case STRAIGHT_THROUGH -> false;
            case ROTATION -> length(z) >= 1e-6 && length(e) >= 1e-6 && length(sum(1, unit(z), 1, unit(e))) >= 1e-2;
            case DIVEQ -> length(sum(1, e, -1, z)) >= 1e-12;
        };
    }

    private static double[] sum(double a, double[] x, double b, double[] y) {
        double[] result = new double[x.length];
        for (int d = 0; d < x.length; d++) {
            result[d] = a * x[d] + b * y[d];
        }
        return result;
    }

    private static double[] unit(double[] x) {
        return sum(1 / length(x), x, 0, x);
    }

    private static double length(double[] x) {
        return Math.sqrt(dot(x, x));
    }

    private static double dot(double[] x, double[] y) {
        double sum = 0;
        for (int d = 0; d < x.length; d++) {
            sum += x[d] * y[d];
        }
        return sum;
    }
}
