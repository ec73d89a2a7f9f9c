package io.github.vq4j.benchmarks;

import io.github.vq4j.cli.vectors.VectorReader;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Optional;
import java.util.stream.Stream;
import java.util.zip.GZIPInputStream;

/** Real vectors from a file of one of the formats of {@link VectorReader}, also gzipped. */
final class VectorFile {
    /** How far below a folder that is named data is looked for. */
    static final int MOST_FOLDERS_DOWN = 3;

    private static final String GZIPPED = ".gz";

    private VectorFile() {}

    /** The file itself, or the first .fvecs, .npy, .fvecs.gz or .npy.gz in a folder. */
    static Optional<Path> find(Path place) throws IOException {
        if (Files.isRegularFile(place)) {
            return Optional.of(place);
        }
        try (Stream<Path> files = Files.walk(place, MOST_FOLDERS_DOWN)) {
            return files.filter(file -> file.getFileName().toString().matches(".*\\.(fvecs|npy)(\\.gz)?"))
                    .sorted()
                    .findFirst();
        }
    }

    /**
     * Reads all rows.
     *
     * @throws IOException if the file is not of its format, or has no rows
     */
    static Matrix read(Path file) throws IOException {
        String name = file.getFileName().toString();
        if (!name.endsWith(GZIPPED)) {
            return readPlain(file);
        }
        String plainName = name.substring(0, name.length() - GZIPPED.length());
        Path folder = Files.createTempDirectory("vq4j-vectors");
        Path plain = folder.resolve(plainName);
        try (InputStream in = new GZIPInputStream(Files.newInputStream(file))) {
            Files.copy(in, plain, StandardCopyOption.REPLACE_EXISTING);
            return readPlain(plain);
        } finally {
            Files.deleteIfExists(plain);
            Files.delete(folder);
        }
    }

    private static Matrix readPlain(Path file) throws IOException {
        try (VectorReader reader = VectorReader.open(file, null)) {
            if (reader.rows() < 1) {
                throw new IOException("need at least one vector, got none in " + file);
            }
            float[] values = new float[Math.toIntExact(Math.multiplyExact(reader.rows(), reader.features()))];
            int read = reader.read(values);
            if (read < reader.rows()) {
                throw new IOException("need " + reader.rows() + " vectors, got " + read + " in " + file);
            }
            return Matrix.of(values, reader.features());
        }
    }
}
