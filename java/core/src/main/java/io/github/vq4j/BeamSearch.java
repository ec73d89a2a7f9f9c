package io.github.vq4j;

import io.github.vq4j.internal.Halves;
import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Rows;
import io.github.vq4j.internal.Scratch;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.jspecify.annotations.Nullable;

/**
 * Search for the codes of the stages of a residual layer whose sum leaves least of each row. Every row keeps several sums of
 * codes; a stage tries the nearest codes of what each has left, and keeps the sums that then leave least, by |residual|^2.
 * The sum that greedy search would have is always among them, so that no row ends worse. Of sums that leave the same the one
 * with the lowest codes, earlier stages first, is preferred.
 *
 * <p>The memory is reused by later searches.
 */
final class BeamSearch implements AutoCloseable {
    private final Kernels kernels;
    private final int width;
    private final int stages;
    private final RowSelection goingOn;
    private final RowSelection amongAll;
    private final Scratch<FloatPointer> first;
    private final Scratch<IntPointer> candidates;
    private final Scratch<FloatPointer> distances;
    private final Scratch<LongPointer> parents;
    private final Scratch<IntPointer> codes;
    private final Scratch<FloatPointer> kept;
    private final Scratch<IntPointer> chosen;
    private final Scratch<IntPointer> best;
    private Scratch<FloatPointer> left;
    private Scratch<FloatPointer> nextLeft;
    private Scratch<IntPointer> paths;
    private Scratch<IntPointer> nextPaths;
    private Scratch<IntPointer> values;
    private Scratch<IntPointer> nextValues;

    /** Rows of the batch; those still searched, the sums of each, and what the sums leave, as rows. */
    private long allRows;

    private long rows;
    private long beams;
    private FloatPointer z;
    private Rows layout;
    private boolean isPart;

    BeamSearch(Kernels kernels, int width, int stages) {
        this.kernels = kernels;
        this.width = width;
        this.stages = stages;
        goingOn = new RowSelection(kernels);
        amongAll = new RowSelection(kernels);
        first = Scratch.floats(kernels);
        candidates = Scratch.ints(kernels);
        distances = Scratch.floats(kernels);
        parents = Scratch.longs(kernels);
        codes = Scratch.ints(kernels);
        kept = Scratch.floats(kernels);
        chosen = Scratch.ints(kernels);
        best = Scratch.ints(kernels);
        left = Scratch.floats(kernels);
        nextLeft = Scratch.floats(kernels);
        paths = Scratch.ints(kernels);
        nextPaths = Scratch.ints(kernels);
        values = Scratch.ints(kernels);
        nextValues = Scratch.ints(kernels);
    }

    /**
     * Starts with an empty sum for every row.
     *
     * @param draw how many stages each row uses; null: all
     */
    void begin(FloatPointer z, Rows layout, @Nullable StageDraw draw) {
        this.z = z;
        this.layout = layout;
        allRows = layout.count();
        rows = allRows;
        beams = 1;
        isPart = false;
        kernels.tensors.fillCodes(-1, rows * stages, paths.atLeast(rows * stages));
        kernels.tensors.fillCodes(-1, rows * stages, best.atLeast(rows * stages));
        if (draw != null) {
            kernels.copy(values.atLeast(rows), draw.ofRows(), rows * Integer.BYTES);
        }
    }

    /**
     * Goes on with the rows that use a stage.
     *
     * @param draw as at the beginning
     * @return whether there are any
     */
    boolean keepRowsOf(int stage, StageDraw draw) {
        draw.select(values.atLeast(rows), stage, Rows.matrix(rows, 1), goingOn);
        if (goingOn.isEmpty() || goingOn.isAll()) {
            return goingOn.isAll();
        }
        draw.select(stage, Rows.matrix(allRows, 1), amongAll);
        isPart = true;
        long count = goingOn.count();
        long width = beams * layout.features();
        goingOn.take(z, width, nextLeft.atLeast(count * width));
        kernels.tensors.takeCodesOfRows(
                paths.atLeast(rows * beams * stages),
                Rows.matrix(rows, beams * stages),
                goingOn.order(),
                count,
                nextPaths.atLeast(count * beams * stages));
        goingOn.takeCodes(values.atLeast(rows), nextValues.atLeast(count));
        rows = count;
        layout = Rows.matrix(rows * beams, layout.features());
        swapLeft();
        swapPaths();
        Scratch<IntPointer> before = values;
        values = nextValues;
        nextValues = before;
        return true;
    }

    /** What greedy search has left of the rows still searched. */
    FloatPointer leftByGreedy() {
        if (beams == 1) {
            return z;
        }
        FloatPointer out = first.atLeast(rows * layout.features());
        kernels.tensors.takeFeatures(z, Rows.matrix(rows, beams * layout.features()), 0, layout.features(), out);
        return out;
    }

    /** How those rows lie. */
    Rows leftRows() {
        return beams == 1 ? layout : Rows.matrix(rows, layout.features());
    }

    /**
     * Adds the codes of a stage.
     *
     * @param unread the rows in 16 bits, which are left in 32; null: they are there
     */
    void extend(int stage, Codebook codebook, Codebook.State state, @Nullable Halves unread) {
        long tried = Math.min(width, codebook.codes());
        long keeps = Math.min(width, beams * tried);
        long features = layout.features();
        IntPointer found = candidates.atLeast(rows * beams * tried);
        FloatPointer leaves = distances.atLeast(rows * beams * tried);
        long vectorsOfRow = beams;
        kernels.withFailures(
                failure -> new NotFiniteException(failure.tensor(), failure.row() / vectorsOfRow),
                () -> codebook.assignTopK(state, z, unread, layout, tried, found));
        kernels.assignment.codeDistances(
                z, layout, state.effective(), found, tried, Distance.SQUARED_EUCLIDEAN.kind(), leaves);
        LongPointer from = parents.atLeast(rows * keeps);
        IntPointer added = codes.atLeast(rows * keeps);
        kernels.stages.extendBeams(
                leaves,
                found,
                paths.atLeast(rows * beams * stages),
                rows,
                beams,
                tried,
                stages,
                stage,
                keeps,
                from,
                added,
                nextPaths.atLeast(rows * keeps * stages),
                kept.atLeast(rows * keeps));
        Rows next = Rows.matrix(rows * keeps, features);
        FloatPointer rest = nextLeft.atLeast(next.elements());
        kernels.tensors.takeRows(z, layout, from, next.count(), rest);
        kernels.assignment.residual(rest, next, state.effective(), codebook.codes(), added, rest);
        layout = next;
        beams = keeps;
        swapLeft();
        swapPaths();
    }

    /** Takes the best sums so far of the rows still searched as what they end with, unless a later stage goes on. */
    void choose() {
        IntPointer result = isPart ? chosen.atLeast(rows * stages) : best.atLeast(allRows * stages);
        kernels.stages.chooseBeams(
                kept.atLeast(rows * beams), paths.atLeast(rows * beams * stages), rows, beams, stages, result);
        if (isPart) {
            amongAll.putCodes(result, stages, best.atLeast(allRows * stages));
        }
    }

    /** Gives the rows of an assignment, the ones that use the stage, their codes of it. */
    void giveCodes(int stage, Assignment assignment) {
        RowSelection selection = assignment.selection;
        IntPointer all = selection == null ? assignment.codes : codes.atLeast(allRows);
        kernels.tensors.takeCodes(best.atLeast(allRows * stages), Rows.matrix(allRows, 1), stages, stage, 0, 0, all);
        if (selection != null) {
            selection.takeCodes(all, assignment.codes);
        }
    }

    private void swapLeft() {
        Scratch<FloatPointer> before = left;
        left = nextLeft;
        nextLeft = before;
        z = left.atLeast(rows * beams * layout.features());
    }

    private void swapPaths() {
        Scratch<IntPointer> before = paths;
        paths = nextPaths;
        nextPaths = before;
    }

    @Override
    public void close() {
        goingOn.close();
        amongAll.close();
        first.close();
        candidates.close();
        distances.close();
        parents.close();
        codes.close();
        kept.close();
        chosen.close();
        best.close();
        left.close();
        nextLeft.close();
        paths.close();
        nextPaths.close();
        values.close();
        nextValues.close();
    }
}
