package io.github.vq4j.internal;

import java.util.concurrent.atomic.AtomicLong;

/**
 * The bytes of all {@link Memory}. The garbage collector gives back what nobody has closed, but does not see how large that
 * is: it is asked to run where the bytes pass a limit. That is the heap's largest size, or twice what was in use after the
 * last time, so that a program that holds much is not slowed down by collections that find nothing.
 */
final class MemoryInUse {
    private static final long HEAP = Runtime.getRuntime().maxMemory();
    private static final long WAIT_MILLISECONDS = 10;

    /** After so many waits in which nothing was given back, all has been: on a busy machine that thread may not run at once. */
    private static final int WAITS_FOR_NOTHING = 5;

    private static final AtomicLong BYTES = new AtomicLong();
    private static volatile long limit = HEAP;

    private MemoryInUse() {}

    static void add(long bytes) {
        if (BYTES.addAndGet(bytes) > limit) {
            collectAbove(limit);
        }
    }

    static void remove(long bytes) {
        BYTES.addAndGet(-bytes);
    }

    /** Has everything given back that nobody holds. */
    static void collect() {
        collectAbove(-1);
    }

    /** @param bytes more than which are in use, unless another thread has just collected */
    private static synchronized void collectAbove(long bytes) {
        if (BYTES.get() <= bytes) {
            return;
        }
        System.gc();
        // An interrupt waits: without what is given back the limit would double each time.
        boolean isInterrupted = Thread.interrupted();
        // What the collector has found is given back by another thread, bit by bit.
        long left = BYTES.get();
        for (int forNothing = 0; forNothing < WAITS_FOR_NOTHING; ) {
            try {
                Thread.sleep(WAIT_MILLISECONDS);
            } catch (InterruptedException interrupted) {
                isInterrupted = true;
            }
            long now = BYTES.get();
            forNothing = now < left ? 0 : forNothing + 1;
            left = now;
        }
        if (isInterrupted) {
            Thread.currentThread().interrupt();
        }
        limit = Math.max(HEAP, 2 * BYTES.get());
    }
}
