package io.github.vq4j.benchmarks;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Real data that is measured on, beside normal numbers.
 *
 * @param vectors a file of vectors; null if there is none
 * @param imageFolders folders of images under MNIST's names
 */
record RealData(@Nullable Path vectors, List<Path> imageFolders) {
    /**
     * What is in a place.
     *
     * @param place a file of vectors, or a folder; null for none
     * @throws IOException if there is neither vectors nor images in it
     */
    static RealData find(@Nullable Path place) throws IOException {
        if (place == null) {
            return new RealData(null, List.of());
        }
        Path vectors = VectorFile.find(place).orElse(null);
        List<Path> imageFolders = Files.isDirectory(place) ? imageFolders(place) : List.of();
        if (vectors == null && imageFolders.isEmpty()) {
            throw new IOException(
                    "need a file of vectors, .fvecs or .npy, or images, train-images-idx3-ubyte, in " + place);
        }
        return new RealData(vectors, imageFolders);
    }

    private static List<Path> imageFolders(Path place) throws IOException {
        try (Stream<Path> files = Files.walk(place, VectorFile.MOST_FOLDERS_DOWN)) {
            return files.filter(file -> file.getFileName().toString().matches("train-images-idx3-ubyte(\\.gz)?"))
                    .map(file -> file.toAbsolutePath().getParent())
                    .distinct()
                    .sorted()
                    .toList();
        }
    }

    /** The vectors; null if there are none. */
    @Nullable
    Matrix readVectors() throws IOException {
        return vectors == null ? null : VectorFile.read(vectors);
    }

    /** The name of the vectors' file. */
    String vectorsName() {
        return vectors.getFileName().toString();
    }
}
