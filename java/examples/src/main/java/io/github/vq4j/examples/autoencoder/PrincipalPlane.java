package io.github.vq4j.examples.autoencoder;

import java.util.Arrays;
import java.util.List;

/**
 * The plane in which vectors spread most: their mean, and the two eigenvectors of their covariance with the largest
 * eigenvalues, found by Jacobi's rotations. The same vectors give the same plane; of each axis and its opposite it is the
 * one whose largest component, by amount, is positive.
 */
final class PrincipalPlane {
    private static final int SWEEPS = 60;
    private static final double NEGLIGIBLE = 1e-24;

    private final double[] mean;
    private final double[][] axes;

    /** A point of the plane. */
    record Point(double x, double y) {}

    private PrincipalPlane(double[] mean, double[][] axes) {
        this.mean = mean;
        this.axes = axes;
    }

    /**
     * Fits the plane.
     *
     * @param vectors at least one, of two features or more
     */
    static PrincipalPlane of(List<float[]> vectors) {
        int features = vectors.get(0).length;
        double[] mean = new double[features];
        for (float[] vector : vectors) {
            for (int d = 0; d < features; d++) {
                mean[d] += vector[d] / (double) vectors.size();
            }
        }
        double[][] covariance = new double[features][features];
        for (float[] vector : vectors) {
            for (int i = 0; i < features; i++) {
                for (int j = 0; j < features; j++) {
                    covariance[i][j] += (vector[i] - mean[i]) * (vector[j] - mean[j]) / vectors.size();
                }
            }
        }
        double[][] rotation = diagonalise(covariance);
        int first = largest(covariance, -1);
        int second = largest(covariance, first);
        return new PrincipalPlane(mean, new double[][] {axis(rotation, first), axis(rotation, second)});
    }

    /** Where a vector falls on the plane. */
    Point project(float[] vector) {
        double[] at = new double[2];
        for (int axis = 0; axis < 2; axis++) {
            for (int d = 0; d < mean.length; d++) {
                at[axis] += (vector[d] - mean[d]) * axes[axis][d];
            }
        }
        return new Point(at[0], at[1]);
    }

    /** The index of the largest diagonal element but one. */
    private static int largest(double[][] matrix, int but) {
        int best = -1;
        for (int i = 0; i < matrix.length; i++) {
            if (i != but && (best < 0 || matrix[i][i] > matrix[best][best])) {
                best = i;
            }
        }
        return best;
    }

    private static double[] axis(double[][] rotation, int column) {
        double[] axis = new double[rotation.length];
        Arrays.setAll(axis, d -> rotation[d][column]);
        double extreme = 0;
        for (double component : axis) {
            if (Math.abs(component) > Math.abs(extreme)) {
                extreme = component;
            }
        }
        double sign = Math.signum(extreme);
        Arrays.setAll(axis, d -> sign * rotation[d][column]);
        return axis;
    }

    /**
     * Makes a symmetric matrix diagonal.
     *
     * @return its eigenvectors as columns
     */
    private static double[][] diagonalise(double[][] matrix) {
        int size = matrix.length;
        double[][] vectors = new double[size][size];
        double trace = 0;
        for (int i = 0; i < size; i++) {
            vectors[i][i] = 1;
            trace += matrix[i][i];
        }
        for (int sweep = 0; sweep < SWEEPS && offDiagonal(matrix) > NEGLIGIBLE * trace * trace; sweep++) {
            for (int p = 0; p < size; p++) {
                for (int q = p + 1; q < size; q++) {
                    if (matrix[p][q] != 0) {
                        rotate(matrix, vectors, p, q);
                    }
                }
            }
        }
        return vectors;
    }

    private static double offDiagonal(double[][] matrix) {
        double sum = 0;
        for (int i = 0; i < matrix.length; i++) {
            for (int j = 0; j < i; j++) {
                sum += matrix[i][j] * matrix[i][j];
            }
        }
        return sum;
    }

    /** Rotates rows and columns p and q so that the element at both becomes 0. */
    private static void rotate(double[][] matrix, double[][] vectors, int p, int q) {
        double ratio = (matrix[q][q] - matrix[p][p]) / (2 * matrix[p][q]);
        double tangent = Math.copySign(1, ratio) / (Math.abs(ratio) + Math.sqrt(ratio * ratio + 1));
        double cosine = 1 / Math.sqrt(tangent * tangent + 1);
        double sine = tangent * cosine;
        for (double[] row : matrix) {
            turn(row, p, q, cosine, sine);
        }
        for (int i = 0; i < matrix.length; i++) {
            double left = matrix[p][i];
            double right = matrix[q][i];
            matrix[p][i] = cosine * left - sine * right;
            matrix[q][i] = sine * left + cosine * right;
        }
        for (double[] row : vectors) {
            turn(row, p, q, cosine, sine);
        }
    }

    private static void turn(double[] row, int p, int q, double cosine, double sine) {
        double left = row[p];
        double right = row[q];
        row[p] = cosine * left - sine * right;
        row[q] = sine * left + cosine * right;
    }
}
