package io.github.vq4j.examples.data;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.util.zip.GZIPOutputStream;

/** Makes files for tests. */
public final class IdxBytes {
    private IdxBytes() {}

    /** A file of images; what the header says and the pixels need not fit. */
    public static byte[] images(int count, int height, int width, byte[] pixels) {
        return ByteBuffer.allocate(16 + pixels.length)
                .putInt(0x803)
                .putInt(count)
                .putInt(height)
                .putInt(width)
                .put(pixels)
                .array();
    }

    /** A file of these images. */
    public static byte[] images(Images images) {
        return images(images.count(), images.height(), images.width(), images.pixels());
    }

    /** The same bytes compressed. */
    public static byte[] gzip(byte[] content) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (OutputStream gzip = new GZIPOutputStream(bytes)) {
            gzip.write(content);
        }
        return bytes.toByteArray();
    }
}
