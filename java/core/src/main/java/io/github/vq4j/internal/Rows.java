package io.github.vq4j.internal;

/**
 * Rows of a tensor whose feature axis stands anywhere: element d of row n = o * inner + i is found at
 * [(o * features + d) * inner + i].
 *
 * @param outer product of the sizes before the feature axis
 * @param features size of the feature axis
 * @param inner product of the sizes after the feature axis
 */
public record Rows(long outer, long features, long inner) {
    /** The rows of a tensor along one of its axes. */
    public static Rows of(long[] shape, int axis) {
        long outer = 1;
        long inner = 1;
        for (int i = 0; i < axis; i++) {
            outer *= shape[i];
        }
        for (int i = axis + 1; i < shape.length; i++) {
            inner *= shape[i];
        }
        return new Rows(outer, shape[axis], inner);
    }

    /** A row-major matrix. */
    public static Rows matrix(long rows, long features) {
        return new Rows(rows, features, 1);
    }

    /**
     * The row in which a vector lies.
     *
     * @param vectors these rows, or each of them cut in place into several of fewer features
     */
    public long rowOf(long vector, Rows vectors) {
        return vector / inner / (features / vectors.features) * inner + vector % inner;
    }

    /** The number of rows, N. */
    public long count() {
        return outer * inner;
    }

    /** The number of elements, N * D. */
    public long elements() {
        return outer * inner * features;
    }
}
