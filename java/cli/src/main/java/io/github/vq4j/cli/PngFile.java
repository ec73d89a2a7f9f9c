package io.github.vq4j.cli;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Locale;

/** A picture under exactly the name that it was asked for. */
final class PngFile {
    private PngFile() {}

    /** Draws a picture into a stream, as PNG. */
    interface Drawing {
        void drawTo(OutputStream stream) throws IOException;
    }

    /**
     * Refuses a name that would make a PNG look like something else.
     *
     * @throws IOException that says so
     */
    static void checkName(Path path) throws IOException {
        if (!path.toString().toLowerCase(Locale.ROOT).endsWith(".png")) {
            throw new IOException("need a picture that ends in .png, got " + path);
        }
    }

    /** Writes a picture once it is drawn. */
    static void write(Path path, Drawing drawing) throws IOException {
        ByteArrayOutputStream png = new ByteArrayOutputStream();
        drawing.drawTo(png);
        try (PartFile file = new PartFile(path)) {
            file.write(ByteBuffer.wrap(png.toByteArray()));
            file.finish();
        }
    }
}
