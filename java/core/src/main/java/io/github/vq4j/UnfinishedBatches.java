package io.github.vq4j;

import io.github.vq4j.internal.Batch;
import java.util.ArrayDeque;
import java.util.Deque;

/** Batches that a layer has submitted and whose failures may not have been seen yet, oldest first. */
final class UnfinishedBatches {
    /** Enough that none of them is waited for in vain. */
    static final int MOST = 8;

    private final Deque<Batch> batches = new ArrayDeque<>();

    void add(Batch batch) {
        batches.add(batch);
    }

    /** Waits for all, and leaves their failures to be thrown later. */
    void finish() {
        batches.forEach(Batch::finish);
    }

    /** Waits for the oldest until no more than this many are left, and throws a failure of theirs that nobody has seen. */
    void leave(int most) {
        while (batches.size() > most) {
            batches.remove().awaitUnlessSeen();
        }
    }
}
