package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Memory;
import io.github.vq4j.internal.Rows;
import java.util.Arrays;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.jspecify.annotations.Nullable;

/**
 * Sums over the rows of all workers. A value x travels as x * 2^exponent in 64 bits: 40 bits below the largest magnitude
 * of all workers, fewer where more than 2^22 rows would not fit.
 */
final class WorkerSums {
    private static final int BITS_BELOW_LARGEST = 40;
    private static final int BITS_OF_SUM = 62;

    private final Kernels kernels;
    private final AllReduce workers;

    WorkerSums(Kernels kernels, AllReduce workers) {
        this.kernels = kernels;
        this.workers = workers;
    }

    /** The sum of one number of each worker. */
    long total(long own) {
        long[] value = {own};
        workers.sum(value);
        return value[0];
    }

    /** Histograms added up. */
    void addUp(long[] counts) {
        workers.sum(counts);
    }

    /**
     * Sum of the rows of each code, of all workers.
     *
     * @param rowsOfAll the number of rows of all workers
     * @param sums codes x features, overwritten
     */
    void scatter(FloatPointer z, Rows rows, IntPointer codes, int codesCount, long rowsOfAll, FloatPointer sums) {
        int exponent = exponent(largest(z, rows), rowsOfAll);
        reduce(z, rows, codes, codesCount, null, 1, exponent, 1, sums);
    }

    /** Mean and population variance of every feature over the rows of all workers. */
    void moments(FloatPointer z, Rows rows, FloatPointer mean, FloatPointer variance) {
        long rowsOfAll = total(rows.count());
        double largest = largest(z, rows);
        reduce(z, rows, null, 1, null, 1, exponent(largest, rowsOfAll), rowsOfAll, mean);
        // Twice the largest magnitude is the most that a value can be away from the mean.
        int exponentOfSquares = exponent(4 * largest * largest, rowsOfAll);
        reduce(z, rows, null, 1, mean, 2, exponentOfSquares, rowsOfAll, variance);
    }

    /**
     * The rows of all workers that take the place of marked codes, chosen by the rows' bits alone.
     *
     * @param mask codesCount, not 0 where a code is marked
     * @return codesCount x features in the order of the codes; zeros for codes that are not marked
     */
    float[] drawRows(FloatPointer z, Rows rows, IntPointer mask, int codesCount, long seed, long step) {
        int features = Math.toIntExact(rows.features());
        long[] tickets = new long[codesCount];
        long[] chosen = new long[codesCount];
        try (Memory<LongPointer> drawn = Memory.longs(kernels, codesCount);
                Memory<LongPointer> numbers = Memory.longs(kernels, codesCount)) {
            kernels.drawRows(z, rows, mask, codesCount, seed, step, drawn.pointer(), numbers.pointer());
            kernels.read(drawn.pointer(), tickets);
            kernels.read(numbers.pointer(), chosen);
        }
        long[] best = tickets.clone();
        workers.max(best);
        // Rows with the winning ticket have the same bits: the maximum over those who have one is that row.
        long[] bits = new long[codesCount * features];
        Arrays.fill(bits, Long.MIN_VALUE);
        long[] own = new long[codesCount];
        int count = 0;
        for (int k = 0; k < codesCount; k++) {
            if (tickets[k] >= 0 && tickets[k] == best[k]) {
                own[count++] = chosen[k];
            }
        }
        float[] values = takeRows(z, rows, Arrays.copyOf(own, count));
        for (int k = 0, i = 0; k < codesCount; k++) {
            if (tickets[k] >= 0 && tickets[k] == best[k]) {
                for (int d = 0; d < features; d++) {
                    bits[k * features + d] = Float.floatToRawIntBits(values[i * features + d]);
                }
                i++;
            }
        }
        workers.max(bits);
        float[] result = new float[bits.length];
        for (int i = 0; i < bits.length; i++) {
            result[i] = bits[i] == Long.MIN_VALUE ? 0 : Float.intBitsToFloat((int) bits[i]);
        }
        return result;
    }

    private float[] takeRows(FloatPointer z, Rows rows, long[] numbers) {
        float[] values = new float[Math.toIntExact(numbers.length * rows.features())];
        if (numbers.length > 0) {
            try (Memory<LongPointer> order = Memory.longs(kernels, numbers.length);
                    Memory<FloatPointer> taken = Memory.floats(kernels, values.length)) {
                kernels.write(numbers, order.pointer());
                kernels.takeRows(z, rows, order.pointer(), numbers.length, taken.pointer());
                kernels.read(taken.pointer(), values);
            }
        }
        return values;
    }

    private double largest(FloatPointer z, Rows rows) {
        float[] own = new float[1];
        try (Memory<FloatPointer> memory = Memory.floats(kernels, 1)) {
            kernels.largestMagnitude(z, rows, memory.pointer());
            kernels.read(memory.pointer(), own);
        }
        // The bits of numbers that are not negative are ordered as the numbers are.
        long[] bits = {Float.floatToRawIntBits(own[0])};
        workers.max(bits);
        return Float.intBitsToFloat((int) bits[0]);
    }

    private static int exponent(double largest, long rowsOfAll) {
        int bitsOfCount = 64 - Long.numberOfLeadingZeros(rowsOfAll);
        int bits = Math.min(BITS_BELOW_LARGEST, BITS_OF_SUM - bitsOfCount);
        return largest == 0 ? 0 : bits - 1 - Math.getExponent(largest);
    }

    private void reduce(
            FloatPointer z,
            Rows rows,
            @Nullable IntPointer codes,
            int codesCount,
            @Nullable FloatPointer shift,
            int power,
            int exponent,
            double divisor,
            FloatPointer out) {
        int count = Math.toIntExact(codesCount * rows.features());
        long[] sums = new long[count];
        try (Memory<LongPointer> memory = Memory.longs(kernels, count)) {
            kernels.fixedPointScatter(z, rows, codes, codesCount, shift, power, exponent, memory.pointer());
            kernels.read(memory.pointer(), sums);
            workers.sum(sums);
            kernels.write(sums, memory.pointer());
            kernels.fromFixedPoint(memory.pointer(), count, exponent, divisor, out);
        }
    }
}
