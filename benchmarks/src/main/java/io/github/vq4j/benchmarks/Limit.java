package io.github.vq4j.benchmarks;

import org.jspecify.annotations.Nullable;

/** The limit of the machine that a row is compared with, ready to be measured many times. */
final class Limit implements AutoCloseable {
    private static final int FLOAT_BYTES = Float.BYTES;

    private final int threads;
    private final @Nullable Matrix from;
    private final @Nullable Matrix to;

    private Limit(int threads, @Nullable Matrix from, @Nullable Matrix to) {
        this.threads = threads;
        this.from = from;
        this.to = to;
    }

    /** Fused multiply-adds. */
    static Limit ofArithmetic(int threads) {
        return new Limit(threads, null, null);
    }

    /** A copy that reads and writes this many bytes together. */
    static Limit ofMemory(double bytes, int threads) {
        long numbers = Math.max(1, (long) (bytes / 2 / FLOAT_BYTES));
        Matrix from = Matrix.normal(1, 1, numbers);
        Matrix to = Matrix.normal(2, 1, numbers);
        return new Limit(threads, from, to);
    }

    /** Operations, or bytes read and written, a second. */
    double rate() {
        return from == null || to == null
                ? MachineLimits.multiplyAddRate(threads)
                : MachineLimits.copyRate(to.floats(), from.floats(), from.columns() * FLOAT_BYTES, threads);
    }

    @Override
    public void close() {
        if (from != null && to != null) {
            from.close();
            to.close();
        }
    }
}
