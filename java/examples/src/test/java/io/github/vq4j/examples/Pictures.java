package io.github.vq4j.examples;

import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Path;
import javax.imageio.ImageIO;

/** What tests can tell of pictures. */
public final class Pictures {
    private Pictures() {}

    /** Fails unless the file is a wide picture. */
    public static void check(Path file) throws IOException {
        BufferedImage picture = ImageIO.read(file.toFile());
        assertNotNull(picture, file.toString());
        assertTrue(picture.getWidth() > 800 && picture.getHeight() > 100, picture.toString());
    }
}
