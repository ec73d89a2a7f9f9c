package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Memory;
import io.github.vq4j.internal.Scratch;
import java.io.Serializable;
import java.util.Arrays;
import java.util.Iterator;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.LongPointer;

/** Collects the different rows whose tickets are large enough. */
final class RowSample implements DistributedRows.Task<TreeSet<RowSample.Row>> {
    private static final long serialVersionUID = 1;

    private final int featureSize;
    private final long seed;
    private final long leastTicket;

    /**
     * A sample.
     *
     * @param featureSize D
     * @param leastTicket of a row that is taken
     */
    RowSample(int featureSize, long seed, long leastTicket) {
        this.featureSize = featureSize;
        this.seed = seed;
        this.leastTicket = leastTicket;
    }

    /** A row and its ticket, by which rows are ordered; rows of different bits may have the same. */
    static final class Row implements Serializable, Comparable<Row> {
        private static final long serialVersionUID = 1;

        private final long ticket;
        private final float[] values;

        Row(long ticket, float[] values) {
            this.ticket = ticket;
            this.values = values;
        }

        float[] values() {
            return values;
        }

        @Override
        public int compareTo(Row other) {
            int byTicket = Long.compare(ticket, other.ticket);
            return byTicket != 0 ? byTicket : Arrays.compare(values, other.values);
        }
    }

    @Override
    public TreeSet<Row> run(Iterator<Tensor> blocks) {
        Kernels kernels = Backend.best().kernels();
        TreeSet<Row> taken = new TreeSet<>();
        try (RowBlock block = new RowBlock(kernels, featureSize);
                Scratch<LongPointer> scratch = Scratch.longs(kernels)) {
            while (block.read(blocks)) {
                long[] tickets = block.tickets(seed, scratch);
                int[] chosen = IntStream.range(0, tickets.length)
                        .filter(n -> tickets[n] >= leastTicket)
                        .toArray();
                float[] values = take(kernels, block, chosen);
                for (int i = 0; i < chosen.length; i++) {
                    float[] row = Arrays.copyOfRange(values, i * featureSize, (i + 1) * featureSize);
                    taken.add(new Row(tickets[chosen[i]], row));
                }
            }
        }
        return taken;
    }

    @Override
    public TreeSet<Row> combine(TreeSet<Row> one, TreeSet<Row> other) {
        one.addAll(other);
        return one;
    }

    private float[] take(Kernels kernels, RowBlock block, int[] chosen) {
        float[] values = new float[chosen.length * featureSize];
        if (chosen.length > 0) {
            long[] numbers = Arrays.stream(chosen).asLongStream().toArray();
            try (Memory<LongPointer> order = Memory.longs(kernels, numbers.length);
                    Memory<FloatPointer> rows = Memory.floats(kernels, values.length)) {
                kernels.write(numbers, order.pointer());
                kernels.tensors.takeRows(block.values(), block.rows(), order.pointer(), numbers.length, rows.pointer());
                kernels.read(rows.pointer(), values);
            }
        }
        return values;
    }
}
