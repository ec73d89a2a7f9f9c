package io.github.vq4j.examples.autoencoder;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.vq4j.examples.data.ImageSet;
import io.github.vq4j.examples.data.Images;
import java.io.IOException;
import java.util.Random;
import org.junit.jupiter.api.Test;

class EncodedImagesTest {
    @Test
    void everyFourByFourPixelsOfAHeldOutImageAreAVector() throws IOException {
        EncodedImages encoded = EncodedImages.afterTraining(images(8, 3), 2, 1);
        assertEquals(32, encoded.features());
        assertEquals(3 * 4 * 32, encoded.vectors().length);
        for (float value : encoded.vectors()) {
            assertTrue(Float.isFinite(value));
        }
    }

    @Test
    void theEncoderIsThatAfterTheLastIteration() throws IOException {
        float[] afterOne = EncodedImages.afterTraining(images(8, 3), 1, 1).vectors();
        assertArrayEquals(
                afterOne, EncodedImages.afterTraining(images(8, 3), 1, 1).vectors());
        float[] afterFive = EncodedImages.afterTraining(images(8, 3), 5, 1).vectors();
        assertTrue(largestDifference(afterOne, afterFive) > 1e-4f);
    }

    @Test
    void imagesThatCannotBeTrainedOnAreRefused() {
        IOException refused = assertThrows(IOException.class, () -> EncodedImages.afterTraining(images(6, 3), 1, 1));
        assertEquals("drawn: need images whose sides 4 divides, got 6 x 6", refused.getMessage());
    }

    private static float largestDifference(float[] a, float[] b) {
        float largest = 0;
        for (int i = 0; i < a.length; i++) {
            largest = Math.max(largest, Math.abs(a[i] - b[i]));
        }
        return largest;
    }

    private static ImageSet images(int side, int heldOut) {
        return new ImageSet(drawn(TrainingRun.BATCH_SIZE, side), drawn(heldOut, side), "drawn");
    }

    private static Images drawn(int count, int side) {
        byte[] pixels = new byte[count * side * side];
        new Random(count).nextBytes(pixels);
        return new Images(count, side, side, pixels);
    }
}
