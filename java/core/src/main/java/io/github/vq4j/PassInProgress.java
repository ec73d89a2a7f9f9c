package io.github.vq4j;

import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;

/**
 * The forward or backward of a layer that runs. In inference those of other threads wait for it; threads that train one layer
 * at once, and would mix their passes, are told.
 */
final class PassInProgress {
    private final ReentrantLock running = new ReentrantLock();

    /**
     * @param training whether the layer trains
     * @throws IllegalStateException if it does, and another thread runs one
     */
    <R> R during(Object layer, boolean training, Supplier<R> pass) {
        if (!training) {
            running.lock();
        } else if (!running.tryLock()) {
            throw new IllegalStateException("another thread runs a forward or backward of this " + layer
                    + "; need one after the other, or a copy of the layer for each thread");
        }
        try {
            return pass.get();
        } finally {
            running.unlock();
        }
    }
}
