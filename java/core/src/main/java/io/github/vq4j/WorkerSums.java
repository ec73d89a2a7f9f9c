package io.github.vq4j;

import io.github.vq4j.internal.Halves;
import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Memory;
import io.github.vq4j.internal.Rows;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.jspecify.annotations.Nullable;

/**
 * Sums over the rows of all workers. A value x travels as x * 2^exponent in 64 bits: 40 bits below the largest magnitude
 * of all workers, fewer where more than 2^22 rows would not fit. Rows are drawn by their bits alone.
 */
final class WorkerSums extends RowSums {
    private static final int BITS_BELOW_LARGEST = 40;
    private static final int BITS_OF_SUM = 62;

    /** Of the kernels; reached by squares of very small numbers. */
    private static final int LARGEST_EXPONENT = 200;

    private final AllReduce workers;

    WorkerSums(Kernels kernels, AllReduce workers) {
        super(kernels);
        this.workers = workers;
    }

    @Override
    boolean hasWorkers() {
        return true;
    }

    @Override
    long count(Rows rows) {
        long[] value = {rows.count()};
        workers.sum(value);
        return value[0];
    }

    @Override
    void checkMayBeEmpty() {
        throw new IllegalArgumentException(
                "need at least one row on each of the " + workers.workers() + " workers, got a mask that leaves none");
    }

    @Override
    void countCodes(IntPointer codes, long count, int codesCount, LongPointer counts) {
        super.countCodes(codes, count, codesCount, counts);
        long[] values = new long[codesCount];
        kernels.read(counts, values);
        workers.sum(values);
        kernels.write(values, counts);
    }

    @Override
    void scatter(FloatPointer z, Rows rows, IntPointer codes, int codesCount, FloatPointer sums) {
        int exponent = exponent(largest(z, rows), count(rows));
        reduce(z, rows, codes, codesCount, null, 1, exponent, 1, sums);
    }

    @Override
    void codebookGradient(
            FloatPointer z,
            @Nullable FloatPointer gradient,
            Rows rows,
            FloatPointer codebook,
            IntPointer codes,
            int codesCount,
            float coefficient,
            float nu,
            FloatPointer out) {
        try (Memory<FloatPointer> ofRows = Memory.floats(kernels, rows.elements())) {
            kernels.loss.inputGradient(z, null, rows, codebook, codes, -coefficient, ofRows.pointer());
            if (gradient != null && nu != 0) {
                kernels.tensors.weightedSum(1f, ofRows.pointer(), nu, gradient, rows.elements(), ofRows.pointer());
            }
            scatter(ofRows.pointer(), rows, codes, codesCount, out);
        }
    }

    @Override
    void gradients(
            FloatPointer z,
            @Nullable FloatPointer gradient,
            Rows rows,
            FloatPointer codebook,
            IntPointer codes,
            int codesCount,
            float inputCoefficient,
            float codebookCoefficient,
            float nu,
            FloatPointer outRows,
            FloatPointer outCodebook) {
        kernels.loss.inputGradient(z, gradient, rows, codebook, codes, inputCoefficient, outRows);
        codebookGradient(z, gradient, rows, codebook, codes, codesCount, codebookCoefficient, nu, outCodebook);
    }

    @Override
    void moments(FloatPointer z, @Nullable Halves unread, Rows rows, FloatPointer mean, FloatPointer variance) {
        if (unread != null) {
            kernels.tensors.widen(unread, rows.elements(), z);
        }
        long rowsOfAll = count(rows);
        double largest = largest(z, rows);
        // Twice the largest magnitude is the most that a value can be away from the mean.
        double largestSquare = 4 * largest * largest;
        if (largestSquare > Float.MAX_VALUE) {
            // There is no fixed-point number of an infinity: it would be a variance like any other.
            throw new IllegalArgumentException("need z whose squared distances from its mean fit in fp32, for the"
                    + " variance of all workers' rows, got the number " + (float) largest + " among them");
        }
        reduce(z, rows, null, 1, null, 1, exponent(largest, rowsOfAll), rowsOfAll, mean);
        reduce(z, rows, null, 1, mean, 2, exponent(largestSquare, rowsOfAll), rowsOfAll, variance);
    }

    @Override
    void replaceCodes(
            FloatPointer z,
            Rows rows,
            ReplacementVectors.Target target,
            float noise,
            long seed,
            FloatPointer codebook) {
        float[] drawn = drawRows(z, rows, target.mask(), target.codes(), seed, target.step());
        try (Memory<FloatPointer> vectors = Memory.floats(kernels, drawn.length)) {
            kernels.write(drawn, vectors.pointer());
            kernels.replacement.placeCodes(
                    vectors.pointer(),
                    drawn.length / rows.features(),
                    target.mask(),
                    target.codes(),
                    rows.features(),
                    target.effective().scale(),
                    target.effective().shift(),
                    target.affineGroups(),
                    0,
                    noise,
                    seed,
                    target.step(),
                    codebook);
        }
    }

    /**
     * A row of all workers for every marked code, in the order of the codes: the one with the largest ticket. Rows with the
     * same ticket have the same bits, so that it does not matter who has it.
     */
    private float[] drawRows(FloatPointer z, Rows rows, IntPointer mask, int codesCount, long seed, long step) {
        int features = Math.toIntExact(rows.features());
        long[] own = new long[codesCount];
        long[] numbers = new long[codesCount];
        try (Memory<LongPointer> tickets = Memory.longs(kernels, codesCount);
                Memory<LongPointer> chosen = Memory.longs(kernels, codesCount)) {
            kernels.workers.drawRows(z, rows, mask, codesCount, seed, step, tickets.pointer(), chosen.pointer());
            kernels.read(tickets.pointer(), own);
            kernels.read(chosen.pointer(), numbers);
        }
        long[] best = own.clone();
        workers.max(best);
        int[] marked = IntStream.range(0, codesCount).filter(k -> best[k] >= 0).toArray();
        int[] won = Arrays.stream(marked).filter(k -> own[k] == best[k]).toArray();
        float[] values =
                takeRows(z, rows, Arrays.stream(won).mapToLong(k -> numbers[k]).toArray());
        long[] bits = new long[marked.length * features];
        Arrays.fill(bits, Long.MIN_VALUE);
        for (int i = 0, w = 0; i < marked.length; i++) {
            if (w < won.length && won[w] == marked[i]) {
                for (int d = 0; d < features; d++) {
                    bits[i * features + d] = Float.floatToRawIntBits(values[w * features + d]);
                }
                w++;
            }
        }
        workers.max(bits);
        float[] drawn = new float[bits.length];
        for (int i = 0; i < bits.length; i++) {
            drawn[i] = Float.intBitsToFloat((int) bits[i]);
        }
        return drawn;
    }

    private float[] takeRows(FloatPointer z, Rows rows, long[] numbers) {
        float[] values = new float[Math.toIntExact(numbers.length * rows.features())];
        if (numbers.length > 0) {
            try (Memory<LongPointer> order = Memory.longs(kernels, numbers.length);
                    Memory<FloatPointer> taken = Memory.floats(kernels, values.length)) {
                kernels.write(numbers, order.pointer());
                kernels.tensors.takeRows(z, rows, order.pointer(), numbers.length, taken.pointer());
                kernels.read(taken.pointer(), values);
            }
        }
        return values;
    }

    private double largest(FloatPointer z, Rows rows) {
        float[] own = new float[1];
        try (Memory<FloatPointer> memory = Memory.floats(kernels, 1)) {
            kernels.workers.largestMagnitude(z, rows, memory.pointer());
            kernels.read(memory.pointer(), own);
        }
        // The bits of numbers that are not negative are ordered as the numbers are.
        long[] bits = {Float.floatToRawIntBits(own[0])};
        workers.max(bits);
        return Float.intBitsToFloat((int) bits[0]);
    }

    /** Of fixed-point numbers up to a magnitude, of which so many are added up. */
    static int exponent(double largest, long rowsOfAll) {
        int bitsOfCount = 64 - Long.numberOfLeadingZeros(rowsOfAll);
        int bits = Math.min(BITS_BELOW_LARGEST, BITS_OF_SUM - bitsOfCount);
        return largest == 0 ? 0 : Math.min(LARGEST_EXPONENT, bits - 1 - Math.getExponent(largest));
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
            kernels.workers.fixedPointScatter(z, rows, codes, codesCount, shift, power, exponent, memory.pointer());
            kernels.read(memory.pointer(), sums);
            workers.sum(sums);
            kernels.write(sums, memory.pointer());
            kernels.workers.fromFixedPoint(memory.pointer(), count, exponent, divisor, out);
        }
    }
}
