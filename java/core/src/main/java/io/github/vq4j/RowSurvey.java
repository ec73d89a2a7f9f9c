package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Memory;
import io.github.vq4j.internal.Scratch;
import java.io.Serializable;
import java.util.Arrays;
import java.util.Iterator;
import java.util.stream.LongStream;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.LongPointer;

/**
 * What has to be known of all rows before they are summed and sampled. No record, as other classes that travel between
 * machines: serializers that some frameworks use cannot make records.
 */
final class RowSurvey implements Serializable {
    private static final long serialVersionUID = 1;

    private final long rows;
    private final float largest;
    private final long[] tickets;

    /**
     * What is known.
     *
     * @param rows their number
     * @param largest their largest magnitude
     * @param tickets the largest of the rows' tickets, ascending, each once
     */
    RowSurvey(long rows, float largest, long[] tickets) {
        this.rows = rows;
        this.largest = largest;
        this.tickets = tickets;
    }

    long rows() {
        return rows;
    }

    float largest() {
        return largest;
    }

    long[] tickets() {
        return tickets;
    }

    /** Surveys rows. */
    static final class Task implements DistributedRows.Task<RowSurvey> {
        private static final long serialVersionUID = 1;

        private final int featureSize;
        private final int mostTickets;
        private final long seed;

        /**
         * A survey.
         *
         * @param featureSize D
         * @param mostTickets how many tickets to keep
         */
        Task(int featureSize, int mostTickets, long seed) {
            this.featureSize = featureSize;
            this.mostTickets = mostTickets;
            this.seed = seed;
        }

        @Override
        public RowSurvey run(Iterator<Tensor> blocks) {
            Kernels kernels = Backend.best().kernels();
            long rows = 0;
            float largest = 0;
            long[] tickets = {};
            try (RowBlock block = new RowBlock(kernels, featureSize);
                    Scratch<LongPointer> scratch = Scratch.longs(kernels);
                    Memory<FloatPointer> largestOfBlock = Memory.floats(kernels, 1)) {
                while (block.read(blocks)) {
                    rows += block.rows().count();
                    largest = Math.max(largest, largestMagnitude(kernels, block, largestOfBlock.pointer()));
                    tickets = largestTickets(tickets, block.tickets(seed, scratch));
                }
            }
            return new RowSurvey(rows, largest, tickets);
        }

        @Override
        public RowSurvey combine(RowSurvey one, RowSurvey other) {
            return new RowSurvey(
                    one.rows + other.rows,
                    Math.max(one.largest, other.largest),
                    largestTickets(one.tickets, other.tickets));
        }

        private long[] largestTickets(long[] kept, long[] more) {
            long least = kept.length < mostTickets ? -1 : kept[0];
            long[] all = LongStream.concat(
                            Arrays.stream(kept), Arrays.stream(more).filter(ticket -> ticket > least))
                    .sorted()
                    .distinct()
                    .toArray();
            return Arrays.copyOfRange(all, Math.max(0, all.length - mostTickets), all.length);
        }

        private float largestMagnitude(Kernels kernels, RowBlock block, FloatPointer largest) {
            float[] value = new float[1];
            try {
                kernels.workers.largestMagnitude(block.values(), block.rows(), largest);
            } catch (NotFiniteException failure) {
                throw new IllegalArgumentException("need rows of finite numbers, got " + block.describe(failure.row()));
            }
            kernels.read(largest, value);
            if (CodeSums.largestDistance(value[0], featureSize) > Float.MAX_VALUE) {
                throw new IllegalArgumentException("need rows whose squared distances fit in fp32, got the number "
                        + value[0] + " in one of " + featureSize + " features");
            }
            return value[0];
        }
    }
}
