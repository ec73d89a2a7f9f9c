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
 * else lowered by one; the code goes when it reaches zero. Moving averages may mark further codes, whose life starts anew too.
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
    private final Memory<IntPointer> counters;
    private final Memory<IntPointer> nextCounters;
    private final Memory<IntPointer> mask;
    private final Memory<IntPointer> nextMask;
    private final Memory<IntPointer> cleared;
    private final Memory<LongPointer> count;

    /** How many further training passes cannot mark a code, so that the host need not ask; and after the one in progress. */
    private int passesWithout;

    private int nextPassesWithout;

    /** Whether the pass in progress has asked how long codes are to live. */
    private boolean hasAsked;

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
        cleared = Memory.ints(kernels, codes);
        count = Memory.longs(kernels, 1);
        int[] start = new int[codes];
        Arrays.fill(start, lifetime);
        kernels.write(start, counters.pointer());
        kernels.clear(mask.pointer(), bytes());
        kernels.clear(count.pointer(), Long.BYTES);
        kernels.write(start, nextCounters.pointer());
    }

    /**
     * Marks the codes to replace after a training pass.
     *
     * @param counts how often the batch uses each code
     * @return whether there may be any: a CUDA device is not waited for to know it, unless the policy needs their number and
     *     a code may have reached the end of its life
     */
    boolean mark(LongPointer counts, @Nullable MovingAverages averages, MovingAverages.State averaged) {
        if (lifetime > 0) {
            kernels.copy(nextCounters.pointer(), counters.pointer(), bytes());
            kernels.replacement.countDown(
                    counts, codes, lifetime, nextCounters.pointer(), nextMask.pointer(), marked.pointer());
        } else {
            kernels.clear(nextMask.pointer(), bytes());
        }
        if (averages != null) {
            IntPointer lives = lifetime > 0 ? nextCounters.pointer() : null;
            averages.markExpired(averaged, lifetime, lives, nextMask.pointer(), marked.pointer());
        }
        if (!kernels.onCuda()) {
            return read(marked) > 0;
        }
        if (!vectors.needNumber()) {
            return true;
        }
        hasAsked = passesWithout == 0;
        if (!hasAsked) {
            nextPassesWithout = passesWithout - 1;
            return false;
        }
        boolean marks = read(marked) > 0;
        boolean mayExpire = averages != null && averages.expires();
        int shortestLife = Arrays.stream(ofEachCode(nextCounters)).min().orElseThrow();
        nextPassesWithout = mayExpire ? 0 : Math.max(0, shortestLife - 1);
        return marks;
    }

    /**
     * Whether the host takes over by {@link #commit} how many further passes cannot mark a code: the pass must not fail after
     * it, since a code that it alone has used is due earlier then.
     */
    boolean tellsOfFurtherPasses() {
        return hasAsked && nextPassesWithout > 0;
    }

    /** How many codes have been marked last. */
    LongPointer marked() {
        return marked.pointer();
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
                new ReplacementVectors.Target(marks(), marked(), codes, effective, affineGroups, step);
        vectors.place(target, counts, batch, copy);
        return copy;
    }

    /** Takes a training pass over; the stored codebook has been. */
    void commit(Parameter codebook) {
        passesWithout = nextPassesWithout;
        boolean clears = codebook.hasFollowers();
        if (clears) {
            kernels.clear(cleared.pointer(), bytes());
        }
        kernels.commit(counters.pointer(), nextCounters.pointer(), bytes());
        kernels.commit(mask.pointer(), marks(), bytes());
        kernels.commit(count.pointer(), marked(), Long.BYTES);
        if (clears) {
            kernels.commit(cleared.pointer(), marks(), bytes());
            codebook.clearFollowers(cleared.pointer());
        }
    }

    /** Takes a training pass over that had no rows for the codebook: what a pass before has replaced, it has not. */
    void commitNone() {
        kernels.clear(marks(), bytes());
        kernels.clear(marked(), Long.BYTES);
        kernels.commit(mask.pointer(), marks(), bytes());
        kernels.commit(count.pointer(), marked(), Long.BYTES);
    }

    /** The codes that the last training pass replaced, ascending. */
    int[] lastReplaced() {
        if (read(count) == 0) {
            return new int[0];
        }
        int[] marks = ofEachCode(mask);
        return IntStream.range(0, codes).filter(k -> marks[k] != 0).toArray();
    }

    /** What is left of every code's life. */
    int[] counters() {
        return ofEachCode(counters);
    }

    void visitState(StateVisitor state, String prefix) {
        passesWithout = 0; // the state may be another afterwards
        state.ints(
                prefix + "replacement.counters", kernels, counters.pointer(), Math.min(1, lifetime), lifetime, codes);
        state.ints(prefix + "replacement.mask", kernels, mask.pointer(), 0, 1, codes);
        state.number(
                prefix + "replacement.replaced",
                0,
                codes,
                () -> read(count),
                value -> kernels.write(new long[] {value}, count.pointer()));
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
        cleared.close();
        count.close();
    }

    private long bytes() {
        return (long) codes * Integer.BYTES;
    }

    private int[] ofEachCode(Memory<IntPointer> numbers) {
        int[] values = new int[codes];
        kernels.read(numbers.pointer(), values);
        return values;
    }

    private long read(Memory<LongPointer> number) {
        long[] values = new long[1];
        kernels.read(number.pointer(), values);
        return values[0];
    }
}
