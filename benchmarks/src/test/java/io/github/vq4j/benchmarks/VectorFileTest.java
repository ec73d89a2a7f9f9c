package io.github.vq4j.benchmarks;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class VectorFileTest {
    private static final byte[] TWO_ROWS = ByteBuffer.allocate(24)
            .order(ByteOrder.LITTLE_ENDIAN)
            .putInt(2)
            .putFloat(1)
            .putFloat(2)
            .putInt(2)
            .putFloat(3)
            .putFloat(4)
            .array();

    @TempDir
    private Path folder;

    @Test
    void rowsAreReadFromAPlainFileAndFromAPackedOneInAFolder() throws IOException {
        Path plain = Files.write(folder.resolve("a.fvecs"), TWO_ROWS);
        Path packed = Files.createDirectory(folder.resolve("below")).resolve("b.fvecs.gz");
        try (GZIPOutputStream out = new GZIPOutputStream(Files.newOutputStream(packed))) {
            out.write(TWO_ROWS);
        }
        for (Path file : new Path[] {
            VectorFile.find(plain).orElseThrow(),
            VectorFile.find(folder.resolve("below")).orElseThrow()
        }) {
            try (Matrix matrix = VectorFile.read(file)) {
                assertEquals(2, matrix.rows());
                assertEquals(2, matrix.columns());
                assertArrayEquals(new float[] {1, 2}, matrix.row(0));
                assertArrayEquals(new float[] {3, 4}, matrix.row(1));
            }
        }
    }

    @Test
    void aFolderWithoutVectorsHasNone() throws IOException {
        Files.writeString(folder.resolve("other.txt"), "");
        assertEquals(Optional.empty(), VectorFile.find(folder));
    }

    @Test
    void anEmptyFileIsRefused() throws IOException {
        Path file = Files.write(folder.resolve("a.fvecs"), new byte[0]);
        assertThrows(IOException.class, () -> VectorFile.read(file));
    }
}
