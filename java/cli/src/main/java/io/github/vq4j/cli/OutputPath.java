package io.github.vq4j.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** Where a command is to write. It is looked at before the work, which may take hours. */
final class OutputPath {
    private OutputPath() {}

    /**
     * The file to write: of a link, what it leads to.
     *
     * @param inputs what is read and so must not be replaced; null is none
     * @throws IOException if there can be no such file, or it is no regular file, or one of the inputs
     */
    static Path of(Path output, @Nullable Path... inputs) throws IOException {
        Path path = output.toAbsolutePath();
        boolean exists = Files.exists(path);
        if (!exists && Files.isSymbolicLink(path)) {
            throw new IOException("need a link that leads to a file for the output " + output + ", got one to "
                    + Files.readSymbolicLink(path) + ", which is missing");
        }
        if (exists && !Files.isRegularFile(path)) {
            throw new IOException("need a regular file or a new name for the output, got " + output + ", which is "
                    + (Files.isDirectory(path) ? "a folder" : "a device or pipe"));
        }
        Path file = exists ? path.toRealPath() : path;
        Path folder = file.getParent();
        if (!Files.isDirectory(folder) || !Files.isWritable(folder)) {
            throw new IOException("need a folder " + folder + " that exists and can be written to for the output "
                    + output + ", got " + (Files.exists(folder) ? "one that cannot" : "none"));
        }
        for (Path input : inputs) {
            if (exists && input != null && Files.exists(input) && Files.isSameFile(input, file)) {
                throw new IOException("need an output other than the input " + input + ", got " + output
                        + ", which is the same file");
            }
        }
        return file;
    }
}
