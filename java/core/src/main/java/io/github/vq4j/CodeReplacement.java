package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Memory;
import io.github.vq4j.internal.Rows;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;

/**
 * Replaces a code that no training batch has used for a lifetime by a random row of the batch plus noise, least recently
 * used first by nature: a counter per code is set to the lifetime when the code is used, else lowered by one; the code
 * goes when it reaches zero.
 */
final class CodeReplacement implements AutoCloseable {
    private static final float NOISE = 0.01f;

    private final Kernels kernels;
    private final int codes;
    private final int lifetime;
    private final long seed;
    private final Memory<IntPointer> counters;
    private final Memory<IntPointer> mask;
    private final Memory<LongPointer> replaced;
    private final long[] replacedCount = new long[1];

    CodeReplacement(Kernels kernels, int codes, int lifetime, long seed) {
        this.kernels = kernels;
        this.codes = codes;
        this.lifetime = lifetime;
        this.seed = seed;
        counters = Memory.ints(kernels, codes);
        mask = Memory.ints(kernels, codes);
        replaced = Memory.longs(kernels, 1);
        int[] start = new int[codes];
        Arrays.fill(start, lifetime);
        kernels.write(start, counters.pointer());
        kernels.clear(mask.pointer(), (long) codes * Integer.BYTES);
    }

    /**
     * Counts down and replaces, after a training pass over normalised rows {@code z}.
     *
     * @return how many codes were replaced
     */
    int apply(
            LongPointer counts,
            FloatPointer z,
            Rows rows,
            EffectiveCodebook.State effective,
            long affineGroups,
            long step,
            Parameter codebook) {
        kernels.countDown(counts, codes, lifetime, counters.pointer(), mask.pointer(), replaced.pointer());
        kernels.read(replaced.pointer(), replacedCount);
        if (replacedCount[0] > 0) {
            kernels.replaceCodes(
                    z,
                    rows,
                    mask.pointer(),
                    codes,
                    effective.scale(),
                    effective.shift(),
                    affineGroups,
                    NOISE,
                    seed,
                    step,
                    codebook.values());
            codebook.clearFollowers(mask.pointer());
        }
        return (int) replacedCount[0];
    }

    /** The codes that the last call of {@link #apply} replaced, ascending. */
    int[] lastReplaced() {
        if (replacedCount[0] == 0) {
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
        state.ints(prefix + "replacement.counters", kernels, counters.pointer(), 1, lifetime, codes);
        state.ints(prefix + "replacement.mask", kernels, mask.pointer(), 0, 1, codes);
        state.number(
                prefix + "replacement.replaced", 0, codes, () -> replacedCount[0], count -> replacedCount[0] = count);
    }

    @Override
    public void close() {
        counters.close();
        mask.close();
        replaced.close();
    }
}
