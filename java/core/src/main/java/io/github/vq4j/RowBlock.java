package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Rows;
import io.github.vq4j.internal.Scratch;
import java.util.Arrays;
import java.util.Iterator;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.LongPointer;

/** A block of a {@link DistributedRows.Task}, in the memory of a backend. */
final class RowBlock implements AutoCloseable {
    private static final int SHOWN_FEATURES = 8;

    private final Kernels kernels;
    private final int featureSize;
    private final NativeFloats input;
    private Rows rows;
    private FloatPointer values;

    RowBlock(Kernels kernels, int featureSize) {
        this.kernels = kernels;
        this.featureSize = featureSize;
        input = new NativeFloats(kernels);
    }

    /** Goes on to the next block with rows; false when there is none. */
    boolean read(Iterator<Tensor> blocks) {
        while (blocks.hasNext()) {
            Tensor block = blocks.next();
            block.checkUsable("rows", DataType.FLOAT32, kernels);
            if (block.rank() != 2 || block.size(1) != featureSize) {
                throw new IllegalArgumentException(
                        "need rows of featureSize = " + featureSize + ", got shape " + Arrays.toString(block.shape()));
            }
            if (block.size(0) > 0) {
                rows = Rows.matrix(block.size(0), featureSize);
                values = input.read(block);
                return true;
            }
        }
        return false;
    }

    Rows rows() {
        return rows;
    }

    FloatPointer values() {
        return values;
    }

    /** The ticket of every row. */
    long[] tickets(long seed, Scratch<LongPointer> scratch) {
        long[] tickets = new long[Math.toIntExact(rows.count())];
        LongPointer memory = scratch.atLeast(tickets.length);
        kernels.workers.rowTickets(values, rows, seed, memory);
        kernels.read(memory, tickets);
        return tickets;
    }

    /** The numbers of a row, the first of them where there are many. */
    String describe(long row) {
        float[] all = new float[Math.toIntExact(rows.elements())];
        kernels.read(values, all);
        int begin = Math.toIntExact(row * featureSize);
        int bad = begin;
        while (Float.isFinite(all[bad])) {
            bad++;
        }
        float[] shown = Arrays.copyOfRange(all, begin, begin + Math.min(featureSize, SHOWN_FEATURES));
        return all[bad] + " as feature " + (bad - begin) + " of a row that begins with " + Arrays.toString(shown);
    }

    @Override
    public void close() {
        input.close();
    }
}
