package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Memory;
import io.github.vq4j.internal.Rows;
import java.util.Arrays;
import org.bytedeco.javacpp.IntPointer;
import org.jspecify.annotations.Nullable;

/**
 * How many stages each row of a pass uses, by quantizer dropout. Draws are those of a counter-based generator, so that the host
 * makes those of the samples, too, and knows how many rows use a stage without waiting for a device; with a mask on the device,
 * which leaves any number of rows of a sample, it waits.
 */
final class StageDraw {
    private final IntPointer ofRows;

    /** How many rows use each stage; null where the host does not know it. */
    private final long @Nullable [] rowsOfStages;

    /**
     * Draws for the rows of a pass.
     *
     * @param least stages
     * @param most stages
     */
    StageDraw(Kernels kernels, Pass pass, long seed, long step, boolean bySample, int least, int most) {
        ofRows = pass.stagesOfRows.atLeast(pass.rows.count());
        RowSelection masked = pass.isMasked ? pass.mask.selection() : null;
        int samples = bySample ? Math.toIntExact(pass.samples) : 1;
        kernels.stages.drawStages(
                seed,
                step,
                masked == null ? null : masked.order(),
                pass.rows.count(),
                masked == null ? pass.rows.count() : masked.whole().count(),
                samples,
                least,
                most,
                ofRows);
        long[] rowsOfSamples = masked == null ? alike(pass.rows, samples) : pass.mask.countsOfSamples(samples);
        rowsOfStages = rowsOfSamples == null
                ? null
                : rowsOfStages(ofSamples(seed, step, samples, least, most), rowsOfSamples, most);
    }

    private static long[] alike(Rows rows, int samples) {
        long[] counts = new long[samples];
        Arrays.fill(counts, rows.count() / samples);
        return counts;
    }

    private static int[] ofSamples(long seed, long step, int samples, int least, int most) {
        Kernels host = Kernels.cpu();
        int[] stages = new int[samples];
        try (Memory<IntPointer> drawn = Memory.ints(host, samples)) {
            host.stages.drawStages(seed, step, null, samples, samples, samples, least, most, drawn.pointer());
            host.read(drawn.pointer(), stages);
        }
        return stages;
    }

    private static long[] rowsOfStages(int[] ofSamples, long[] rowsOfSamples, int most) {
        long[] using = new long[most];
        for (int sample = 0; sample < ofSamples.length; sample++) {
            for (int stage = 0; stage < ofSamples[sample]; stage++) {
                using[stage] += rowsOfSamples[sample];
            }
        }
        return using;
    }

    /** The draw of each row, where the kernels run. */
    IntPointer ofRows() {
        return ofRows;
    }

    /** Selects the rows that use a stage, of all of the pass. */
    void select(int stage, Rows all, RowSelection selection) {
        select(ofRows, stage, all, selection);
    }

    /**
     * The same of some of the rows, those that use an earlier stage.
     *
     * @param values their draws
     */
    void select(IntPointer values, int stage, Rows rows, RowSelection selection) {
        if (rowsOfStages == null) {
            selection.select(values, stage, rows);
        } else if (rowsOfStages[stage] == rows.count()) {
            selection.selectAll(rows);
        } else {
            selection.select(values, stage, rows, rowsOfStages[stage]);
        }
    }
}
