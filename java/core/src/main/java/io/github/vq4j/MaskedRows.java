package io.github.vq4j;

import io.github.vq4j.internal.Halves;
import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Rows;
import io.github.vq4j.internal.Scratch;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.jspecify.annotations.Nullable;

/**
 * What a {@link RowMask} does to a pass: the rows that take part are taken out, and what the pass makes of them is put back
 * among what the others have. The memory is reused by later passes.
 */
final class MaskedRows implements AutoCloseable {
    private final Kernels kernels;
    private final RowSelection selection;
    private final Scratch<IntPointer> marks;
    private final Scratch<FloatPointer> own;
    private final Scratch<FloatPointer> output;
    private final Scratch<FloatPointer> outputGradient;
    private final Scratch<FloatPointer> inputGradient;
    private final Scratch<FloatPointer> spread;
    private final Scratch<IntPointer> codes;
    private final Scratch<FloatPointer> distances;

    /** The marks of the last mask, where they are not to be asked of a device. */
    private @Nullable RowMarks known;

    MaskedRows(Kernels kernels) {
        this.kernels = kernels;
        selection = new RowSelection(kernels);
        marks = Scratch.ints(kernels);
        own = Scratch.floats(kernels);
        output = Scratch.floats(kernels);
        outputGradient = Scratch.floats(kernels);
        inputGradient = Scratch.floats(kernels);
        spread = Scratch.floats(kernels);
        codes = Scratch.ints(kernels);
        distances = Scratch.floats(kernels);
    }

    /** Takes the rows of a mask out of an input, unless there are none. */
    FloatPointer takeInput(RowMask mask, NativeFloats input, FloatPointer z, Rows rows) {
        IntPointer values = marks.atLeast(rows.count());
        // On the CPU there is nothing to wait for.
        known = kernels.onCuda() ? mask.marksOnHost() : null;
        if (known == null) {
            mask.rows().copyTo(kernels, values);
            selection.select(values, 0, rows);
        } else {
            kernels.send(known.values(), values);
            selection.select(values, 0, rows, known.count());
        }
        if (selection.isEmpty()) {
            return z;
        }
        FloatPointer taken = own.atLeast(rows.elements());
        Halves unread = input.takeUnread();
        return unread == null
                ? selection.take(z, rows.features(), taken)
                : selection.take(unread, rows.features(), taken);
    }

    /** Takes none of the rows. */
    void takeNone(Rows rows) {
        selection.selectNone(rows);
    }

    RowSelection selection() {
        return selection;
    }

    /** Whether a failure has to be found before this memory is used again, which alone tells its row. */
    boolean isNeededByFailures() {
        return known == null && !selection.isEmpty();
    }

    /** Runs operations on the rows that take part. Where they fail at one of them, it has its number among all rows. */
    void run(Runnable operations) {
        RowMarks marks = known; // this pass's, whenever the failure is found
        kernels.withFailures(
                failure -> {
                    boolean isOfRow =
                            failure.tensor().equals("z") || failure.tensor().equals("gradient");
                    if (!isOfRow) {
                        return failure;
                    }
                    long number = marks == null ? selection.numberOf(failure.row()) : marks.numberOf(failure.row());
                    return new NotFiniteException(failure.tensor(), number);
                },
                operations);
    }

    /** How many rows of each sample take part; null where the host does not know it. */
    long @Nullable [] countsOfSamples(int samples) {
        return known == null ? null : known.countsOfSamples(samples);
    }

    /** Memory for the output of the rows that take part. */
    FloatPointer output() {
        return output.atLeast(selection.matrix().elements());
    }

    /** Puts that output among the rows of the input that pass through. */
    void spreadOutput(NativeFloats input, FloatPointer z, FloatPointer out) {
        Halves halves = input.halves();
        if (halves == null) {
            kernels.copy(out, z, selection.whole().elements() * Float.BYTES);
        } else {
            kernels.tensors.widen(halves, selection.whole().elements(), out);
        }
        if (!selection.isEmpty()) {
            selection.put(output(), selection.whole().features(), out);
        }
    }

    /** Codes of all rows: -1 for those that take no part. */
    IntPointer spreadCodes(@Nullable IntPointer ofSelection, long codesOfRow) {
        long count = selection.whole().count() * codesOfRow;
        IntPointer all = codes.atLeast(count);
        kernels.tensors.fillCodes(-1, count, all);
        if (ofSelection != null) {
            selection.putCodes(ofSelection, codesOfRow, all);
        }
        return all;
    }

    /** Distances of all rows: 0 for those that take no part. */
    FloatPointer spreadDistances(@Nullable FloatPointer ofSelection, long codesOfRow) {
        long count = selection.whole().count() * codesOfRow;
        FloatPointer all = distances.atLeast(count);
        kernels.clear(all, count * Float.BYTES);
        if (ofSelection != null) {
            selection.put(ofSelection, codesOfRow, all);
        }
        return all;
    }

    /** The task's gradient of the rows that take part. */
    @Nullable
    FloatPointer takeOutputGradient(@Nullable FloatPointer gradient) {
        if (gradient == null) {
            return null;
        }
        long elements = selection.matrix().elements();
        return selection.take(gradient, selection.whole().features(), outputGradient.atLeast(elements));
    }

    /** Memory for the gradient of the rows that take part. */
    FloatPointer inputGradient() {
        return inputGradient.atLeast(selection.matrix().elements());
    }

    /** Puts that gradient among the task's, which the others keep. {@code out} may overlap the task's. */
    void spreadInputGradient(@Nullable FloatPointer gradient, FloatPointer out) {
        long bytes = selection.whole().elements() * Float.BYTES;
        FloatPointer all = spread.atLeast(selection.whole().elements());
        if (gradient == null) {
            kernels.clear(all, bytes);
        } else {
            kernels.copy(all, gradient, bytes);
        }
        if (!selection.isEmpty()) {
            selection.put(inputGradient(), selection.whole().features(), all);
        }
        kernels.copy(out, all, bytes);
    }

    @Override
    public void close() {
        selection.close();
        marks.close();
        own.close();
        output.close();
        outputGradient.close();
        inputGradient.close();
        spread.close();
        codes.close();
        distances.close();
    }
}
