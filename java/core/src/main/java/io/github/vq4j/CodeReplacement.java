package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Memory;
import io.github.vq4j.internal.Scratch;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.jspecify.annotations.Nullable;

/**
 * Replaces codes that training batches do not use. A counter per code is set to the lifetime when the code is used,
 * else lowered by one; the code goes when it reaches zero. Moving averages may mark further codes.
 *
 * <p>A training pass marks and replaces on copies, which {@link #commit} takes over when nothing can fail any more.
 */
final class CodeReplacement implements AutoCloseable {
    private final Kernels kernels;
    private final int codes;
    private final int lifetime;
    private final ReplacementVectors vectors;
    private final Memory<LongPointer> marked;
    private final Scratch<FloatPointer> replaced;
    private Memory<IntPointer> counters;
    private Memory<IntPointer> nextCounters;
    private Memory<IntPointer> mask;
    private Memory<IntPointer> nextMask;
    private long count;
    private long nextCount;

    /** @param lifetime training batches that a code may be unused; 0: any number */
    CodeReplacement(RowSums sums, int codes, int lifetime, ReplacementPolicy policy, long seed) {
        kernels = sums.kernels;
        this.codes = codes;
        this.lifetime = lifetime;
        vectors = new ReplacementVectors(sums, policy, seed);
        marked = Memory.longs(kernels, 1);
        replaced = Scratch.floats(kernels);
        counters = Memory.ints(kernels, codes);
        nextCounters = Memory.ints(kernels, codes);
        mask = Memory.ints(kernels, codes);
        nextMask = Memory.ints(kernels, codes);
        int[] start = new int[codes];
        Arrays.fill(start, lifetime);
        kernels.write(start, counters.pointer());
        kernels.clear(mask.pointer(), (long) codes * Integer.BYTES);
        kernels.write(start, nextCounters.pointer());
    }

    /**
     * Marks the codes to replace after a training pass.
     *
     * @param counts how often the batch uses each code
     * @return whether there are any
     */
    boolean mark(LongPointer counts, @Nullable MovingAverages averages, MovingAverages.State averaged) {
        if (lifetime > 0) {
            kernels.copy(nextCounters.pointer(), counters.pointer(), (long) codes * Integer.BYTES);
            kernels.countDown(counts, codes, lifetime, nextCounters.pointer(), nextMask.pointer(), marked.pointer());
        } else {
            kernels.clear(nextMask.pointer(), (long) codes * Integer.BYTES);
        }
        if (averages != null) {
            averages.markExpired(averaged, nextMask.pointer(), marked.pointer());
        }
        long[] read = new long[1];
        kernels.read(marked.pointer(), read);
        nextCount = read[0];
        return nextCount > 0;
    }

    /** The codes marked last: 1 where one is to be replaced, else 0. */
    IntPointer marks() {
        return nextMask.pointer();
    }

    /**
     * A copy of the codebook in which the marked codes are replaced.
     *
     * @param batch the rows to take vectors from, measured
     */
    FloatPointer replace(
            FloatPointer codebook,
            LongPointer counts,
            Assignment batch,
            EffectiveCodebook.State effective,
            long affineGroups,
            long step) {
        long size = codes * batch.rows.features();
        FloatPointer copy = replaced.atLeast(size);
        kernels.copy(copy, codebook, size * Float.BYTES);
        ReplacementVectors.Target target =
                new ReplacementVectors.Target(marks(), nextCount, codes, effective, affineGroups, step);
        vectors.place(target, counts, batch, copy);
        return copy;
    }

    /**
     * Takes a training pass over; the stored codebook has been.
     *
     * @return how many codes were replaced
     */
    int commit(Parameter codebook) {
        Memory<IntPointer> before = counters;
        counters = nextCounters;
        nextCounters = before;
        before = mask;
        mask = nextMask;
        nextMask = before;
        count = nextCount;
        if (count > 0) {
            codebook.clearFollowers(mask.pointer());
        }
        return (int) count;
    }

    /** The codes that the last training pass replaced, ascending. */
    int[] lastReplaced() {
        if (count == 0) {
            return new int[0];
        }
        int[] marks = new int[codes];
        kernels.read(mask.pointer(), marks);
        return IntStream.range(0, codes).filter(k -> marks[k] != 0).toArray();
    }

    /** What is left of every code's life. */
    int[] counters() {
        int[] left = new int[codes];
        kernels.read(counters.pointer(), left);
        return left;
    }

    void visitState(StateVisitor state, String prefix) {
        state.ints(
                prefix + "replacement.counters", kernels, counters.pointer(), Math.min(1, lifetime), lifetime, codes);
        state.ints(prefix + "replacement.mask", kernels, mask.pointer(), 0, 1, codes);
        state.number(prefix + "replacement.replaced", 0, codes, () -> count, value -> count = value);
    }

    @Override
    public void close() {
        vectors.close();
        marked.close();
        replaced.close();
        counters.close();
        nextCounters.close();
        mask.close();
        nextMask.close();
    }
}
