package io.github.vq4j;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Which rows of a batch a layer works on: what is padding in a batch of sequences or images of different sizes stays out.
 * A row that is masked out has code -1 and distance 0, passes through to the output and lets the task's gradient through,
 * both unchanged, and takes no part in the loss, the statistics, the initialisation and the replacement of codes: all else
 * is as if the batch had only the other rows, as a matrix. A sample's loss is the mean over its rows that take part, 0 if
 * there are none. With all rows masked out nothing is trained, and the loss is 0.
 *
 * <p>How many rows take part decides the sizes of all that follows: with a mask on a CUDA device the host waits to know it,
 * with one on the host it counts. A mask on the host has been read when the call that is given it returns.
 */
public final class RowMask {
    private static final long MOST_COPIED = Integer.MAX_VALUE / Integer.BYTES; // as arrays of INT32

    private final Tensor rows;

    private RowMask(Tensor rows) {
        this.rows = rows;
    }

    /**
     * A view of marks: every use sees them as they are then.
     *
     * @param rows INT32, of the shape of z without the feature axis: above 0 where the row takes part
     */
    public static RowMask of(Tensor rows) {
        if (rows.dataType() != DataType.INT32) {
            throw new IllegalArgumentException("need a mask of type INT32, got " + rows);
        }
        return new RowMask(rows);
    }

    /**
     * A copy of marks.
     *
     * @param rows true where the row takes part; as many as the shape has elements
     * @param shape of z without the feature axis
     */
    public static RowMask of(boolean[] rows, long... shape) {
        int[] marks = new int[rows.length];
        for (int n = 0; n < rows.length; n++) {
            marks[n] = rows[n] ? 1 : 0;
        }
        return new RowMask(Tensor.of(marks, shape));
    }

    /**
     * The first rows of each sequence of a padded batch.
     *
     * @param lengths how many rows of each of the B sequences take part, 0 to {@code most}
     * @param most rows of a sequence with its padding: a mask for z of B x {@code most} x D, or B x D x {@code most}
     */
    public static RowMask ofLengths(int[] lengths, int most) {
        long all = (long) lengths.length * Arguments.atLeastOne("most", most);
        if (all > MOST_COPIED) {
            throw new IllegalArgumentException("need at most " + MOST_COPIED + " rows with their padding, got "
                    + lengths.length + " sequences of " + most);
        }
        boolean[] rows = new boolean[(int) all];
        for (int b = 0; b < lengths.length; b++) {
            if (lengths[b] < 0 || lengths[b] > most) {
                throw new IllegalArgumentException(
                        "need 0 <= lengths <= " + most + ", got " + lengths[b] + " at position " + b);
            }
            Arrays.fill(rows, b * most, b * most + lengths[b], true);
        }
        return of(rows, lengths.length, most);
    }

    Tensor rows() {
        return rows;
    }

    /** The marks as they are now; null where they lie on a device, or are more than an array is for. */
    @Nullable
    RowMarks marksOnHost() {
        boolean fit = rows.device() == Device.HOST && rows.size() <= MOST_COPIED;
        return fit ? new RowMarks(rows.toIntArray()) : null;
    }

    void checkShape(long[] needed) {
        if (!rows.hasShape(needed)) {
            throw new IllegalArgumentException(
                    "need a mask of z's shape without the feature axis, " + Arrays.toString(needed) + ", got " + rows);
        }
    }
}
