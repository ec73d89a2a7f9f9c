package io.github.vq4j;

import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;

/** Whether a forward or backward of a layer runs: threads that train it at once, and would mix their passes, are told. */
final class PassInProgress {
    private final AtomicBoolean running = new AtomicBoolean();

    /** @throws IllegalStateException if another one runs */
    <R> R during(Object layer, Supplier<R> pass) {
        if (!running.compareAndSet(false, true)) {
            throw new IllegalStateException("another thread runs a forward or backward of this " + layer
                    + "; need one after the other, or a copy of the layer for each thread");
        }
        try {
            return pass.get();
        } finally {
            running.set(false);
        }
    }
}
