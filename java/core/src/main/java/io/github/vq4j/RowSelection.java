package io.github.vq4j;

import io.github.vq4j.internal.Halves;
import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Rows;
import io.github.vq4j.internal.Scratch;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;

/**
 * Some of the rows of a tensor, by their numbers, ascending: taken out they are a row-major matrix. The memory is reused by
 * later selections.
 */
final class RowSelection implements AutoCloseable {
    private final Kernels kernels;
    private final Scratch<LongPointer> order;
    private final Scratch<LongPointer> counted;
    private final long[] count = new long[1];
    private Rows whole;

    RowSelection(Kernels kernels) {
        this.kernels = kernels;
        order = Scratch.longs(kernels);
        counted = Scratch.longs(kernels);
    }

    /** Selects the rows whose value is above a bound. Waits to know how many they are. */
    void select(IntPointer values, int bound, Rows rows) {
        whole = rows;
        LongPointer number = counted.atLeast(1);
        kernels.tensors.rowsAbove(values, rows.count(), bound, order.atLeast(rows.count()), number);
        kernels.read(number, count);
    }

    /** As {@link #select(IntPointer, int, Rows)}, of rows whose number is known. */
    void select(IntPointer values, int bound, Rows rows, long known) {
        whole = rows;
        count[0] = known;
        if (!isEmpty()) {
            kernels.tensors.rowsAbove(values, rows.count(), bound, order.atLeast(rows.count()), counted.atLeast(1));
        }
    }

    /** Selects all rows, for a caller that asks {@link #isAll} and takes none out: their numbers are not written down. */
    void selectAll(Rows rows) {
        whole = rows;
        count[0] = rows.count();
    }

    /** Selects no row. */
    void selectNone(Rows rows) {
        whole = rows;
        count[0] = 0;
    }

    /** How many rows are selected. */
    long count() {
        return count[0];
    }

    boolean isEmpty() {
        return count[0] == 0;
    }

    boolean isAll() {
        return count[0] == whole.count();
    }

    /** The rows that were selected from. */
    Rows whole() {
        return whole;
    }

    /** How the selected rows lie when they are taken out. */
    Rows matrix() {
        return Rows.matrix(count[0], whole.features());
    }

    /** The numbers of the selected rows. */
    LongPointer order() {
        return order.atLeast(whole.count());
    }

    /** The number of a selected row among all. */
    long numberOf(long selected) {
        long[] number = new long[1];
        kernels.read(order().getPointer(LongPointer.class, selected), number);
        return number[0];
    }

    /** Takes the selected rows, of as many values as {@code values} says, out of all. */
    FloatPointer take(FloatPointer all, long values, FloatPointer out) {
        kernels.tensors.takeRows(all, of(values), order(), count(), out);
        return out;
    }

    /** As {@link #take}, of values in 16 bits. */
    FloatPointer take(Halves all, long values, FloatPointer out) {
        kernels.tensors.takeRows(all, of(values), order(), count(), out);
        return out;
    }

    /** The reverse of {@link #take}. */
    void put(FloatPointer selected, long values, FloatPointer all) {
        kernels.tensors.putRows(selected, order(), count(), of(values), all);
    }

    /** Takes one code of each selected row. */
    IntPointer takeCodes(IntPointer all, IntPointer out) {
        kernels.tensors.takeCodesOfRows(all, of(1), order(), count(), out);
        return out;
    }

    /** Puts codes of the selected rows, several of each, among those of all. */
    void putCodes(IntPointer selected, long codesOfRow, IntPointer all) {
        kernels.tensors.putCodesOfRows(selected, order(), count(), of(codesOfRow), all);
    }

    @Override
    public void close() {
        order.close();
        counted.close();
    }

    private Rows of(long values) {
        return new Rows(whole.outer(), values, whole.inner());
    }
}
