package io.github.vq4j;

/** Rows of a row-major tensor with its feature axis anywhere, as arrays of rows and back. */
record Layout(long[] shape, int axis) {
    int features() {
        return (int) shape[axis];
    }

    int rows() {
        return size() / features();
    }

    int size() {
        int size = 1;
        for (long axisSize : shape) {
            size *= (int) axisSize;
        }
        return size;
    }

    int samples() {
        return axis == 0 ? 1 : (int) shape[0];
    }

    double[][] rowsOf(float[] values) {
        double[][] rows = new double[rows()][features()];
        for (int n = 0; n < rows.length; n++) {
            for (int d = 0; d < features(); d++) {
                rows[n][d] = values[place(n, d)];
            }
        }
        return rows;
    }

    double[] valuesOf(double[][] rows) {
        double[] values = new double[size()];
        for (int n = 0; n < rows.length; n++) {
            for (int d = 0; d < features(); d++) {
                values[place(n, d)] = rows[n][d];
            }
        }
        return values;
    }

    private int place(int n, int d) {
        int inner = 1;
        for (int i = axis + 1; i < shape.length; i++) {
            inner *= (int) shape[i];
        }
        return (n / inner * features() + d) * inner + n % inner;
    }
}
