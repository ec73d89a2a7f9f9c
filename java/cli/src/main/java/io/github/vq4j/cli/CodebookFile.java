package io.github.vq4j.cli;

import io.github.vq4j.SafetensorsFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.OptionalInt;

/** What commands take as CODEBOOK: a checkpoint, which {@code fit} writes too. */
final class CodebookFile {
    private static final String FORMAT = "vq4j.checkpoint";

    private CodebookFile() {}

    /**
     * The options of its layer by their names in the builder, behind "layer.".
     *
     * @throws IOException if it is something else; the message says what
     */
    static Map<String, String> options(Path path) throws IOException {
        if (Files.isDirectory(path)) {
            throw other(path, "a folder");
        }
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            String format = file.metadata().get("format");
            if (!FORMAT.equals(format)) {
                String tensors = format == null ? "tensors alone" : "tensors of format " + format;
                throw other(path, CodesFile.FORMAT.equals(format) ? "codes that encode wrote" : tensors);
            }
            return file.metadata();
        }
    }

    /**
     * As {@link #options}, of a layer that takes rows x features, as files of vectors have them.
     *
     * @throws IOException also if the features are to be on another axis
     */
    static Map<String, String> optionsForRows(Path path) throws IOException {
        Map<String, String> options = options(path);
        String dim = options.getOrDefault("layer.dim", "1");
        if (!dim.equals("1") && !dim.equals("-1")) {
            throw new IOException(
                    path + ": need a layer built with dim 1 or -1, as vectors of a file have the features on"
                            + " the last of two axes, got dim = " + dim);
        }
        return options;
    }

    /** How many codes a row has by the options of its layer; empty where they have no axis of their own. */
    static OptionalInt codesOfRow(Map<String, String> options) {
        // Not the number of codebooks, which groups and stages may share.
        String count = options.getOrDefault("layer.groups", options.get("layer.stages"));
        return count == null ? OptionalInt.empty() : OptionalInt.of(Integer.parseInt(count));
    }

    private static IOException other(Path path, String got) {
        return new IOException(path + ": need codebooks that fit wrote, or a checkpoint of a layer, got " + got);
    }
}
