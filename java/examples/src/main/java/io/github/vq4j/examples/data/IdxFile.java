package io.github.vq4j.examples.data;

import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;

/** Reads images from a file in MNIST's format IDX, plain or compressed with gzip. */
public final class IdxFile {
    /** Unsigned bytes (8) in three dimensions: images, rows, columns. */
    private static final int MAGIC_OF_IMAGES = 0x00000803;

    private static final int HEADER_BYTES = 16;
    private static final int MOST_PIXELS = Integer.MAX_VALUE - 8;
    private static final int GZIP_FIRST = 0x1f;
    private static final int GZIP_SECOND = 0x8b;

    private IdxFile() {}

    /**
     * Reads all images of a file.
     *
     * @throws IOException if it is not there, or is not a whole file of images; the message names it, what was seen and
     *     what is needed
     */
    public static Images readImages(Path file) throws IOException {
        try (InputStream stored = new BufferedInputStream(Files.newInputStream(file));
                InputStream content = unpacked(stored)) {
            return readImages(content, file);
        } catch (ZipException | EOFException damaged) {
            throw new IOException(
                    file + ": need a whole gzip file, got a damaged one (" + damaged.getMessage() + ")", damaged);
        }
    }

    private static InputStream unpacked(InputStream stored) throws IOException {
        stored.mark(2);
        boolean gzip = stored.read() == GZIP_FIRST && stored.read() == GZIP_SECOND;
        stored.reset();
        return gzip ? new GZIPInputStream(stored) : stored;
    }

    private static Images readImages(InputStream content, Path file) throws IOException {
        byte[] header = content.readNBytes(HEADER_BYTES);
        if (header.length < HEADER_BYTES) {
            throw new IOException(file + ": need a header of " + HEADER_BYTES + " bytes, got " + header.length);
        }
        ByteBuffer numbers = ByteBuffer.wrap(header);
        int magic = numbers.getInt();
        if (magic != MAGIC_OF_IMAGES) {
            throw new IOException(String.format(
                    "%s: need IDX images (first four bytes %08x), got %08x", file, MAGIC_OF_IMAGES, magic));
        }
        int count = numbers.getInt();
        int height = numbers.getInt();
        int width = numbers.getInt();
        String sizes = count + " x " + height + " x " + width;
        if (count < 1 || height < 1 || width < 1 || (double) count * height * width > MOST_PIXELS) {
            throw new IOException(
                    file + ": need sizes of at least 1 and at most " + MOST_PIXELS + " pixels, got " + sizes);
        }
        int size = count * height * width;
        // Reads in pieces: a header that lies does not make it allocate what is not there.
        byte[] pixels = content.readNBytes(size);
        if (pixels.length < size) {
            throw new IOException(file + ": need " + sizes + " = " + size + " bytes of pixels, got " + pixels.length);
        }
        if (content.read() >= 0) {
            throw new IOException(file + ": need " + sizes + " = " + size + " bytes of pixels, got more");
        }
        return new Images(count, height, width, pixels);
    }
}
