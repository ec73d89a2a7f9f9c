package io.github.vq4j.cli;

import java.io.BufferedReader;
import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** The lines of a text file in UTF-8 and their numbers. A byte order mark in front is passed over. */
public final class TextLines implements Closeable {
    private static final String BYTE_ORDER_MARK = "\uFEFF";

    private final Path path;
    private final BufferedReader lines;
    private long number;

    /**
     * Opens a file.
     *
     * @throws IOException if it cannot be read
     */
    public TextLines(Path path) throws IOException {
        this.path = path;
        // A character for each byte: a line's bytes are decoded when its number is known.
        lines = Files.newBufferedReader(path, StandardCharsets.ISO_8859_1);
    }

    /**
     * The next line; null at the end.
     *
     * @throws IOException also when the line is not UTF-8; the message names it
     */
    public @Nullable String next() throws IOException {
        String bytes = lines.readLine();
        if (bytes == null) {
            return null;
        }
        number++;
        String line = decoded(bytes);
        return number == 1 && line.startsWith(BYTE_ORDER_MARK) ? line.substring(BYTE_ORDER_MARK.length()) : line;
    }

    /** Of the line that {@link #next} gave last; the first is 1. */
    public long number() {
        return number;
    }

    @Override
    public void close() throws IOException {
        lines.close();
    }

    private String decoded(String bytes) throws IOException {
        if (StandardCharsets.US_ASCII.newEncoder().canEncode(bytes)) {
            return bytes;
        }
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes.getBytes(StandardCharsets.ISO_8859_1)))
                    .toString();
        } catch (CharacterCodingException other) {
            throw new IOException(path + ": need text in UTF-8, got other bytes in line " + number, other);
        }
    }
}
