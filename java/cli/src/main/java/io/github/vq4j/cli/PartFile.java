package io.github.vq4j.cli;

import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.ThreadLocalRandom;

/**
 * A file that is written under a name of its own, PATH.RANDOM.part, and gets PATH when it is whole: what was interrupted
 * does not look finished, and a file that was there before stays until then.
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
        this.path = OutputPath.of(path);
        String random = Long.toHexString(ThreadLocalRandom.current().nextLong());
        part = this.path.resolveSibling(this.path.getFileName() + "." + random + ".part");
        channel = FileChannel.open(part, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
        // Ctrl-C and SIGTERM close nothing. After the move there is no file of that name.
        part.toFile().deleteOnExit();
    }

    /** Appends all that remains. */
    public void write(ByteBuffer bytes) throws IOException {
        try {
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
        } catch (IOException failure) {
            throw named(failure);
        }
    }

    /** Gives the file its name. */
    public void finish() throws IOException {
        try {
            channel.force(true);
            channel.close();
        } catch (IOException failure) {
            throw named(failure);
        }
        Files.move(part, path, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    /** Deletes what is not finished. */
    @Override
    public void close() throws IOException {
        channel.close();
        Files.deleteIfExists(part);
    }

    /** "No space left on device" alone does not say where. */
    private IOException named(IOException failure) {
        return new IOException("cannot write " + path + ": " + failure.getMessage(), failure);
    }
}
