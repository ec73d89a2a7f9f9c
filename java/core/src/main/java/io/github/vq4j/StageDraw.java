package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Memory;
import io.github.vq4j.internal.Rows;
import org.bytedeco.javacpp.IntPointer;
import org.jspecify.annotations.Nullable;

/**
 * How many stages each row of a pass uses, by quantizer dropout. Draws are those of a counter-based generator, so that the host
 * makes those of the samples, too, and knows how many rows use a stage without waiting for a device; with a mask, which leaves
 * any number of rows of a sample, it waits.
 */
final class StageDraw {
    private final IntPointer ofRows;
    private final int @Nullable [] ofSamples;

    /**
     * Draws for the rows of a pass.
     *
     * @param least stages
     * @param most stages
     */
    StageDraw(Kernels kernels, Pass pass, long seed, long step, boolean bySample, int least, int most) {
        ofRows = pass.stagesOfRows.atLeast(pass.rows.count());
        RowSelection masked = pass.isMasked ? pass.mask.selection() : null;
        long samples = bySample ? pass.samples : 1;
        kernels.drawStages(
                seed,
                step,
                masked == null ? null : masked.order(),
                pass.rows.count(),
                masked == null ? pass.rows.count() : masked.whole().count(),
                samples,
                least,
                most,
                ofRows);
        ofSamples = masked == null ? ofSamples(seed, step, Math.toIntExact(samples), least, most) : null;
    }

    private static int[] ofSamples(long seed, long step, int samples, int least, int most) {
        Kernels host = Kernels.cpu();
        int[] stages = new int[samples];
        try (Memory<IntPointer> drawn = Memory.ints(host, samples)) {
            host.drawStages(seed, step, null, samples, samples, samples, least, most, drawn.pointer());
            host.read(drawn.pointer(), stages);
        }
        return stages;
    }

    /** The draw of each row, where the kernels run. */
    IntPointer ofRows() {
        return ofRows;
    }

    /** Selects the rows that use a stage, of all of the pass. */
    void select(int stage, Rows all, RowSelection selection) {
        select(ofRows, stage, all, all.count(), selection);
    }

    /**
     * The same of some of the rows, those that use an earlier stage.
     *
     * @param values their draws
     * @param ofPass how many rows the pass has
     */
    void select(IntPointer values, int stage, Rows rows, long ofPass, RowSelection selection) {
        if (ofSamples == null) {
            selection.select(values, stage, rows);
            return;
        }
        long using = 0;
        for (int stages : ofSamples) {
            using += stages > stage ? ofPass / ofSamples.length : 0;
        }
        selection.select(values, stage, rows, using);
    }
}
