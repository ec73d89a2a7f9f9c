package io.github.vq4j.examples.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;

class DrawnImagesTest {
    private final Images images = new DrawnImages().draw(500, 1);

    @Test
    void theSeedDecides() {
        assertArrayEquals(images.pixels(), new DrawnImages().draw(500, 1).pixels());
        assertFalse(
                Arrays.equals(images.pixels(), new DrawnImages().draw(500, 2).pixels()));
    }

    /** The same on every machine: what one of them drew. */
    @Test
    void theImagesAreThoseOfEveryMachine() {
        CRC32 checksum = new CRC32();
        checksum.update(images.pixels());
        assertEquals(0x5d05a437L, checksum.getValue());
    }

    @Test
    void allDifferAndHaveSomeInkOnAnEmptyGround() {
        Set<Integer> seen = new HashSet<>();
        for (int n = 0; n < images.count(); n++) {
            float[] image = images.scaled(n);
            seen.add(Arrays.hashCode(image));
            double ink = 0;
            for (float value : image) {
                ink += (value + 1) / 2;
            }
            double share = ink / image.length;
            assertTrue(share > 0.01 && share < 0.5, "ink of image " + n + ": " + share);
        }
        assertEquals(images.count(), seen.size());
    }
}
