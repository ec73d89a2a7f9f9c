package io.github.vq4j.cli;

import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;

/**
 * A file that is written under the name PATH.part, and gets its own when it is whole: what was interrupted does not look
 * finished, and a file that was there before stays until then.
 */
public final class PartFile implements Closeable {
    private final Path path;
    private final Path part;
    private final FileChannel channel;

    /**
     * Starts a file.
     *
     * @throws IOException if it cannot be written
     */
    public PartFile(Path path) throws IOException {
        this.path = path.toAbsolutePath();
        part = this.path.resolveSibling(path.getFileName() + ".part");
        channel = FileChannel.open(
                part, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.TRUNCATE_EXISTING);
    }

    /** Appends all that remains. */
    public void write(ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }

    /** Gives the file its name. */
    public void finish() throws IOException {
        channel.force(true);
        channel.close();
        Files.move(part, path, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    /** Deletes what is not finished. */
    @Override
    public void close() throws IOException {
        if (channel.isOpen()) {
            channel.close();
            Files.deleteIfExists(part);
        }
    }
}
