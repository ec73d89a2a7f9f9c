package io.github.vq4j.examples.autoencoder;

import io.github.vq4j.examples.data.Images;
import java.util.Arrays;
import java.util.Random;

/** Training images in batches without end: every epoch in a new order, and without the few that fill no batch. */
final class Batches {
    private final Images images;
    private final int batchSize;
    private final Random random;
    private final int[] order;
    private int next;

    /**
     * Batches whose order is the seed's.
     *
     * @throws IllegalArgumentException if there are fewer images than a batch needs
     */
    Batches(Images images, int batchSize, long seed) {
        if (images.count() < batchSize) {
            throw new IllegalArgumentException(
                    "need at least " + batchSize + " images to train on, a batch, got " + images.count());
        }
        this.images = images;
        this.batchSize = batchSize;
        random = new Random(seed);
        order = new int[images.count()];
        Arrays.setAll(order, i -> i);
        shuffle();
    }

    /** The next batch, scaled to [-1, 1]. */
    float[] next() {
        if (next + batchSize > order.length) {
            shuffle();
            next = 0;
        }
        next += batchSize;
        return images.scaled(Arrays.copyOfRange(order, next - batchSize, next));
    }

    private void shuffle() {
        for (int i = order.length - 1; i > 0; i--) {
            int j = random.nextInt(i + 1);
            int other = order[j];
            order[j] = order[i];
            order[i] = other;
        }
    }
}
