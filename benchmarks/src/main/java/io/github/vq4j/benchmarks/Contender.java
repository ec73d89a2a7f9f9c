package io.github.vq4j.benchmarks;

import org.jspecify.annotations.Nullable;

/** One way to do what a row measures, on data that it already has. */
interface Contender extends AutoCloseable {
    /** Its name in the table. */
    String name();

    /** Does it once. */
    void run();

    /** Seconds of a call; as many calls as fill {@code atLeast} seconds, and their mean. */
    default double seconds(double atLeast) {
        long begin = System.nanoTime();
        long calls = 0;
        double elapsed;
        do {
            run();
            calls++;
            elapsed = (System.nanoTime() - begin) * 1e-9;
        } while (elapsed < atLeast);
        return elapsed / calls;
    }

    /** Forgets what earlier calls changed, where a call depends on them. */
    default void restart() {}

    /** What the last call gave, or a part of it: codes, or the bits of numbers. */
    int[] result();

    /** Bytes by which a call raises the resident memory of its process; null if the system does not tell. */
    default @Nullable Long memoryGrowth() {
        return ResidentMemory.growth(this::run);
    }

    @Override
    default void close() {}
}
