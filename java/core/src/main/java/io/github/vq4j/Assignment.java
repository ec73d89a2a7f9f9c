package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Rows;
import io.github.vq4j.internal.Scratch;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.jspecify.annotations.Nullable;

/**
 * Rows that one codebook quantizes in a pass, all or some of the pass's, and what that gives. Its memory is reused by later
 * passes.
 */
final class Assignment implements AutoCloseable {
    private final Kernels kernels;
    private final RowSelection ownSelection;
    private final Scratch<FloatPointer> own;
    private final Scratch<FloatPointer> selected;
    private final Scratch<FloatPointer> ownGradient;
    private final Scratch<FloatPointer> ownCodeGradient;
    private final Scratch<FloatPointer> distances;
    private final Scratch<FloatPointer> allDistances;
    private final Scratch<IntPointer> allCodes;
    private final Scratch<DoublePointer> sampleLosses;
    private final Scratch<DoublePointer> loss;
    private final Scratch<DoublePointer> ownTermLoss;

    /** The rows, and how they lie in memory. */
    FloatPointer z;

    Rows rows;

    /** The code of every row, within its codebook. */
    IntPointer codes;

    /** The mean that the assignment has as a term of the pass's loss; its own mean where that is of all rows. */
    DoublePointer termLoss;

    /** Whether {@link #distances}, {@link #sampleLosses} and {@link #loss} are those of these rows and codes. */
    boolean isMeasured;

    /** Which of the pass's rows they are; null: all. */
    @Nullable
    RowSelection selection;

    Assignment(Kernels kernels) {
        this.kernels = kernels;
        ownSelection = new RowSelection(kernels);
        own = Scratch.floats(kernels);
        selected = Scratch.floats(kernels);
        ownGradient = Scratch.floats(kernels);
        ownCodeGradient = Scratch.floats(kernels);
        distances = Scratch.floats(kernels);
        allDistances = Scratch.floats(kernels);
        allCodes = Scratch.ints(kernels);
        sampleLosses = Scratch.doubles(kernels);
        loss = Scratch.doubles(kernels);
        ownTermLoss = Scratch.doubles(kernels);
    }

    void of(FloatPointer z, Rows rows, IntPointer codes) {
        this.z = z;
        this.rows = rows;
        this.codes = codes;
        isMeasured = false;
        selection = null;
    }

    /**
     * The rows of a pass that use a stage.
     *
     * @param all the values of the pass's rows
     */
    void ofStage(StageDraw draw, int stage, FloatPointer all, Rows allRows, IntPointer codes) {
        draw.select(stage, allRows, ownSelection);
        if (ownSelection.isAll()) {
            of(all, allRows, codes);
            return;
        }
        of(all, ownSelection.matrix(), codes);
        selection = ownSelection;
        if (!isEmpty()) {
            z = selection.take(all, allRows.features(), selected.atLeast(rows.elements()));
        }
    }

    /** Whether there are no rows. */
    boolean isEmpty() {
        return rows.count() == 0;
    }

    /** Memory for rows that stand nowhere else. */
    FloatPointer ownRows(Rows layout) {
        return own.atLeast(layout.elements());
    }

    /** Memory for their gradient. */
    FloatPointer ownGradient() {
        return ownGradient.atLeast(rows.elements());
    }

    /** Memory for the gradient of their codes, row by row. */
    FloatPointer ownCodeGradient() {
        return ownCodeGradient.atLeast(rows.elements());
    }

    /** |z_n - e_n|^2 of every row. */
    FloatPointer distances() {
        return distances.atLeast(rows.count());
    }

    /** The distances of all rows of the pass: 0 for those that are not among these. */
    FloatPointer distancesOfAll(Rows all) {
        if (selection == null) {
            return distances();
        }
        FloatPointer spread = allDistances.atLeast(all.count());
        kernels.clear(spread, all.count() * Float.BYTES);
        if (!isEmpty()) {
            selection.put(distances(), 1, spread);
        }
        return spread;
    }

    /** The codes of all rows of the pass: -1 for those that are not among these. */
    IntPointer codesOfAll(Rows all) {
        if (selection == null) {
            return codes;
        }
        IntPointer spread = allCodes.atLeast(all.count());
        kernels.tensors.fillCodes(-1, all.count(), spread);
        if (!isEmpty()) {
            selection.putCodes(codes, 1, spread);
        }
        return spread;
    }

    DoublePointer sampleLosses(long samples) {
        return sampleLosses.atLeast(samples);
    }

    DoublePointer loss() {
        return loss.atLeast(1);
    }

    /** Memory for a {@link #termLoss} of the assignment's own. */
    DoublePointer ownTermLoss() {
        termLoss = ownTermLoss.atLeast(1);
        return termLoss;
    }

    @Override
    public void close() {
        ownSelection.close();
        own.close();
        selected.close();
        ownGradient.close();
        ownCodeGradient.close();
        distances.close();
        allDistances.close();
        allCodes.close();
        sampleLosses.close();
        loss.close();
        ownTermLoss.close();
    }
}
