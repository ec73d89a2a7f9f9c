package io.github.vq4j;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.ThreadLocalRandom;

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
        Path target = path.toAbsolutePath();
        Path temporary = target.resolveSibling("." + target.getFileName() + "."
                + Long.toHexString(ThreadLocalRandom.current().nextLong()) + ".tmp");
        try {
            try (FileChannel channel =
                    FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
                content.writeTo(channel);
                channel.force(true);
            }
            Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException | RuntimeException | Error failure) {
            Files.deleteIfExists(temporary);
            throw failure;
        }
        // The new name too has to reach the disk.
        try (FileChannel folder = FileChannel.open(target.getParent(), StandardOpenOption.READ)) {
            folder.force(true);
        }
    }
}
