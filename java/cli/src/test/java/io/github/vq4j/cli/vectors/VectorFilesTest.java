package io.github.vq4j.cli.vectors;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.vq4j.SafetensorsWriter;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Every format gives back what is in the file, in pieces of any size, and says what is wrong with a broken one. */
class VectorFilesTest {
    private static final float[] VALUES = {1, -2.5f, 3e-7f, 4, 0.1f, Float.MAX_VALUE, 7, 8, 9, -10, 11, 12};

    @TempDir
    private Path folder;

    @ParameterizedTest
    @ValueSource(strings = {"a.npy", "a.fvecs", "a.csv"})
    void whatIsWrittenIsReadAgain(String name) throws IOException {
        Path path = folder.resolve(name);
        try (VectorWriter writer = new VectorWriter(path, 4, 3)) {
            writer.write(Arrays.copyOf(VALUES, 3));
            writer.write(Arrays.copyOfRange(VALUES, 3, 12));
            writer.finish();
        }
        for (int rows : new int[] {1, 3, 4, 100}) {
            assertArrayEquals(VALUES, readAll(path, null, rows));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"a.npy", "a.fvecs", "a.csv"})
    void whatIsNotFinishedLeavesNothing(String name) throws IOException {
        try (VectorWriter writer = new VectorWriter(folder.resolve(name), 4, 3)) {
            writer.write(VALUES);
            assertTrue(Files.exists(folder.resolve(name + ".part")));
            assertFalse(Files.exists(folder.resolve(name)));
        }
        try (var files = Files.list(folder)) {
            assertEquals(0, files.count());
        }
    }

    @Test
    void npyOfDoublesIsRoundedToFloats() throws IOException {
        String header = "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 1), }     \n";
        ByteBuffer bytes = ByteBuffer.allocate(10 + header.length() + 16).order(ByteOrder.LITTLE_ENDIAN);
        bytes.put(new byte[] {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0}).putShort((short) header.length());
        bytes.put(header.getBytes(StandardCharsets.US_ASCII)).putDouble(0.1).putDouble(-3);
        assertArrayEquals(new float[] {0.1f, -3}, readAll(write("a.npy", bytes.array()), null, 5));
    }

    @Test
    void aTensorOfSafetensorsIsNamedWhereThereAreSeveral() throws IOException {
        Path path = folder.resolve("a.safetensors");
        new SafetensorsWriter()
                .floats("one", new float[] {5}, 1, 1)
                .floats("two", VALUES, 4, 3)
                .floats("cube", VALUES, 2, 2, 3)
                .write(path);
        assertArrayEquals(VALUES, readAll(path, "two", 2));
        assertFails("need --tensor with one of [cube, one, two]", path, null);
        assertFails("tensor cube to be a matrix of F32, got F32 [2, 2, 3]", path, "cube");
    }

    @Test
    void textMayHaveNamesOfColumnsAndLabels() throws IOException {
        float[] expected = {1, 2, 3, 4};
        assertArrayEquals(expected, readAll(write("a.csv", "x,y\n1,2\n3, 4\n"), null, 1));
        assertArrayEquals(expected, readAll(write("b.txt", "the 1 2\nof 3 4\n\n"), null, 3));
        assertArrayEquals(expected, readAll(write("c.tsv", "word\tx\ty\nthe\t1\t2\nof\t3\t4"), null, 3));
    }

    @Test
    void brokenFilesSayWhatIsWrong() throws IOException {
        assertFails("need NumPy's format", write("a.npy", "not a NumPy file"), null);
        assertFails("ends after 4 bytes", write("b.npy", new byte[] {(byte) 0x93, 'N', 'U', 'M'}), null);
        assertFails(
                "in C order, got {'descr': '<i8'",
                npy("{'descr': '<i8', 'fortran_order': False, 'shape': (2, 1), }"),
                null);
        assertFails(
                "need 5 rows of 8 bytes, got 0",
                npy("{'descr': '<f4', 'fortran_order': False, 'shape': (5, 2), }"),
                null);
        assertFails("need at least one row", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 2), }"), null);
        assertFails("at least one feature, got -1", write("c.fvecs", new byte[] {-1, -1, -1, -1}), null);
        assertFails(
                "whole rows of 8 bytes, got 9 bytes", write("d.fvecs", new byte[] {1, 0, 0, 0, 0, 0, 0, 0, 1}), null);
        assertFails(
                "need 1 features in every row, got 2 in row 1",
                write("e.fvecs", new byte[] {1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0}),
                null);
        assertFails(
                "need 2 numbers in every line, got 1 characters that are 1 numbers in line 2",
                write("f.csv", "1,2\n3\n"),
                null);
        assertFails("no numbers in line 3", write("g.csv", "1,2\n3,4\n5,six\n"), null);
        assertFails("at least one line of numbers", write("h.csv", "x,y\n"), null);
        assertFails("ends in one of " + VectorReader.FORMATS, write("i.parquet", "?"), null);
        assertTrue(assertThrows(IOException.class, () -> new VectorWriter(folder.resolve("a.txt"), 1, 1))
                .getMessage()
                .contains("ends in one of " + VectorWriter.FORMATS));
    }

    private Path npy(String header) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(10 + header.length()).order(ByteOrder.LITTLE_ENDIAN);
        bytes.put(new byte[] {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0}).putShort((short) header.length());
        return write(
                "header.npy",
                bytes.put(header.getBytes(StandardCharsets.US_ASCII)).array());
    }

    private Path write(String name, String text) throws IOException {
        return write(name, text.getBytes(StandardCharsets.UTF_8));
    }

    private Path write(String name, byte[] bytes) throws IOException {
        return Files.write(folder.resolve(name), bytes);
    }

    private static void assertFails(String message, Path path, String tensor) {
        IOException failure = assertThrows(IOException.class, () -> readAll(path, tensor, 10));
        assertTrue(failure.getMessage().contains(message), failure.getMessage());
        assertTrue(failure.getMessage().contains(path.toString()), failure.getMessage());
    }

    private static float[] readAll(Path path, String tensor, int rowsAtATime) throws IOException {
        try (VectorReader reader = VectorReader.open(path, tensor)) {
            float[] all = new float[Math.toIntExact(reader.rows() * reader.features())];
            float[] piece = new float[rowsAtATime * reader.features()];
            int at = 0;
            for (int rows = reader.read(piece); rows > 0; rows = reader.read(piece)) {
                System.arraycopy(piece, 0, all, at, rows * reader.features());
                at += rows * reader.features();
            }
            assertEquals(all.length, at);
            return all;
        }
    }
}
