package io.github.vq4j;

import java.util.Arrays;

/**
 * The axis of a layer's input that the features stand on.
 *
 * @param dim as the layer's option: negative counts from the end
 */
record FeatureAxis(int featureSize, int dim) {
    /** The axis in an input that fits. */
    int of(Tensor z) {
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

    /** A shape less one of its axes. */
    static long[] without(long[] shape, int axis) {
        long[] rest = new long[shape.length - 1];
        System.arraycopy(shape, 0, rest, 0, axis);
        System.arraycopy(shape, axis + 1, rest, axis, rest.length - axis);
        return rest;
    }

    /** A shape with one more axis. */
    static long[] with(long[] shape, int axis, long size) {
        long[] all = new long[shape.length + 1];
        System.arraycopy(shape, 0, all, 0, axis);
        all[axis] = size;
        System.arraycopy(shape, axis, all, axis + 1, shape.length - axis);
        return all;
    }
}
