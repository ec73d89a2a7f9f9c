package io.github.vq4j.benchmarks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RealDataTest {
    @TempDir
    private Path folder;

    @Test
    void aFolderMayHaveVectorsAndSeveralSetsOfImages() throws IOException {
        Path vectors = Files.createFile(folder.resolve("words.npy"));
        for (String set : List.of("letters", "digits")) {
            Files.createFile(Files.createDirectory(folder.resolve(set)).resolve("train-images-idx3-ubyte.gz"));
        }
        assertEquals(
                new RealData(vectors, List.of(folder.resolve("digits"), folder.resolve("letters"))),
                RealData.find(folder));
    }

    @Test
    void imagesAloneAreEnough() throws IOException {
        Files.createFile(folder.resolve("train-images-idx3-ubyte"));
        RealData data = RealData.find(folder);
        assertNull(data.readVectors());
        assertEquals(List.of(folder), data.imageFolders());
    }

    @Test
    void withoutAPlaceThereIsNone() throws IOException {
        assertEquals(new RealData(null, List.of()), RealData.find(null));
    }

    @Test
    void aFolderWithNeitherIsRefused() {
        IOException refused = assertThrows(IOException.class, () -> RealData.find(folder));
        assertEquals(
                "need a file of vectors, .fvecs or .npy, or images, train-images-idx3-ubyte, in " + folder,
                refused.getMessage());
    }
}
