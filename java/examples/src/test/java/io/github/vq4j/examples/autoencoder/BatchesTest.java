package io.github.vq4j.examples.autoencoder;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.vq4j.examples.data.Images;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

class BatchesTest {
    /** Image n has the value n. */
    private final Images images = new Images(10, 1, 1, new byte[] {0, 1, 2, 3, 4, 5, 6, 7, 8, 9});

    @Test
    void anEpochShowsNoImageTwice() {
        Batches batches = new Batches(images, 3, 1);
        for (int epoch = 0; epoch < 20; epoch++) {
            Set<Float> seen = new HashSet<>();
            for (int i = 0; i < 3; i++) {
                for (float value : batches.next()) {
                    seen.add(value);
                }
            }
            assertEquals(9, seen.size());
        }
    }

    @Test
    void theSeedDecidesAboutTheOrder() {
        Batches first = new Batches(images, 5, 1);
        Batches same = new Batches(images, 5, 1);
        Batches other = new Batches(images, 5, 2);
        boolean differs = false;
        for (int i = 0; i < 10; i++) {
            float[] batch = first.next();
            assertArrayEquals(batch, same.next());
            differs |= !Arrays.equals(batch, other.next());
        }
        assertTrue(differs);
    }

    @Test
    void twoEpochsDiffer() {
        Batches batches = new Batches(images, 10, 1);
        assertFalse(Arrays.equals(batches.next(), batches.next()));
    }

    @Test
    void fewerImagesThanABatchAreRefused() {
        IllegalArgumentException refusal =
                assertThrows(IllegalArgumentException.class, () -> new Batches(images, 256, 1));
        assertTrue(refusal.getMessage().contains("256"), refusal.getMessage());
        assertTrue(refusal.getMessage().contains("got 10"), refusal.getMessage());
    }
}
