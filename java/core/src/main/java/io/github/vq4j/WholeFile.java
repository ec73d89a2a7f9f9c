package io.github.vq4j;

import java.io.IOException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.ThreadLocalRandom;
import org.jspecify.annotations.Nullable;

/** Files that are there as a whole or not at all. */
final class WholeFile {
    private WholeFile() {}

    interface Content {
        void writeTo(FileChannel channel) throws IOException;
    }

    /**
     * Writes a file under a temporary name beside its own and moves it when all of it is on the disk, so that there is at
     * any time either the old file or the whole new one.
     *
     * @throws IOException if that fails; a file that was there is still there then, and the temporary one is not
     */
    static void write(Path path, Content content) throws IOException {
        Path target = targetOf(path);
        Path temporary = target.resolveSibling("." + target.getFileName() + "."
                + Long.toHexString(ThreadLocalRandom.current().nextLong()) + ".tmp");
        try {
            try (FileChannel channel =
                    FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
                content.writeTo(channel);
                channel.force(true);
            }
            Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException failure) {
            Files.deleteIfExists(temporary);
            throw new IOException("cannot write " + path + ": " + reason(failure, target), failure);
        } catch (RuntimeException | Error failure) {
            Files.deleteIfExists(temporary);
            throw failure;
        }
        // The new name too has to reach the disk.
        try (FileChannel folder = FileChannel.open(target.getParent(), StandardOpenOption.READ)) {
            folder.force(true);
        }
    }

    /** Of failures that say nothing: of a channel, which is closed by an interrupt, and of a folder without permission. */
    private static @Nullable String reason(IOException failure, Path target) {
        if (failure instanceof ClosedByInterruptException) {
            return "the thread has been interrupted";
        }
        return failure instanceof AccessDeniedException
                ? "no permission to write into the folder " + target.getParent()
                : failure.getMessage();
    }

    /** The file itself where the path is a link to it. What is there and is no file, as a device, is not replaced by one. */
    private static Path targetOf(Path path) throws IOException {
        Path target = Files.exists(path) ? path.toRealPath() : path.toAbsolutePath();
        if (Files.exists(target) && !Files.isRegularFile(target)) {
            throw new IOException("cannot write " + path + ": need a file, or nothing there, got "
                    + (Files.isDirectory(target) ? "a folder" : "what is no file"));
        }
        Path folder = target.getParent();
        if (!Files.isDirectory(folder)) {
            throw new IOException("cannot write " + path + ": there is no folder " + folder);
        }
        return target;
    }
}
