package io.github.vq4j.benchmarks;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.vq4j.examples.data.Images;
import org.junit.jupiter.api.Test;

class ImagePatchesTest {
    /** Two images of 2 x 5: of each two patches of 2 x 2 fit, the second image's first is that of the first one. */
    private static final Images IMAGES = new Images(2, 2, 5, new byte[] {
        0, 51, 102, (byte) 153, 9, (byte) 204, (byte) 255, 0, 0, 9, 0, 51, 1, 1, 9, (byte) 204, (byte) 255, 1, 1, 9
    });

    @Test
    void patchesLieSideBySideAndComeOnce() {
        try (Matrix patches = ImagePatches.distinct(IMAGES, 2, 10)) {
            assertEquals(3, patches.rows());
            assertArrayEquals(new float[] {0, 0.2f, 0.8f, 1}, patches.row(0));
            assertArrayEquals(new float[] {0.4f, 0.6f, 0, 0}, patches.row(1));
            assertArrayEquals(new float[] {1 / 255f, 1 / 255f, 1 / 255f, 1 / 255f}, patches.row(2));
        }
    }

    @Test
    void noMoreThanAskedForAreTaken() {
        try (Matrix patches = ImagePatches.distinct(IMAGES, 2, 1)) {
            assertEquals(1, patches.rows());
            assertArrayEquals(new float[] {0, 0.2f, 0.8f, 1}, patches.row(0));
        }
    }

    @Test
    void imagesSmallerThanAPatchHaveNone() {
        try (Matrix patches = ImagePatches.distinct(IMAGES, 3, 10)) {
            assertEquals(0, patches.rows());
        }
    }
}
