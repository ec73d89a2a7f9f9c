package io.github.vq4j.cli.vectors;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.vq4j.SafetensorsWriter;
import io.github.vq4j.cli.SafetensorsHeader;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Map;
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
    @ValueSource(strings = {"a.npy", "a.fvecs", "a.safetensors", "a.csv"})
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
    @ValueSource(strings = {"a.npy", "a.fvecs", "a.safetensors", "a.csv"})
    void whatIsNotFinishedLeavesNothing(String name) throws IOException {
        try (VectorWriter writer = new VectorWriter(folder.resolve(name), 4, 3)) {
            writer.write(VALUES);
            assertFalse(Files.exists(folder.resolve(name)));
            try (var files = Files.list(folder)) {
                assertEquals(1, files.count());
            }
        }
        try (var files = Files.list(folder)) {
            assertEquals(0, files.count());
        }
    }

    @Test
    void npyOfDoublesIsRoundedToFloats() throws IOException {
        assertArrayEquals(new float[] {0.1f, -3}, readAll(doubles(0.1, -3), null, 5));
    }

    @Test
    void npyOfHalvesIsExact() throws IOException {
        float[] expected = {1, -2, 65504, 0x1p-14f, 0x1.ff8p-15f, -0x1p-24f, 0, 0.333251953125f};
        Path path = halves(0x3c00, 0xc000, 0x7bff, 0x0400, 0x03ff, 0x8001, 0, 0x3555);
        assertArrayEquals(expected, readAll(path, null, 3));
        assertFails("got -Infinity in row 1, feature 0", halves(0x3c00, 0xfc00), null);
        assertFails("got NaN in row 0, feature 0", halves(0x7e00, 0x3c00), null);
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
        assertFails("tensor cube to be a matrix of one of [F16, BF16, F32, F64], got F32 [2, 2, 3]", path, "cube");
    }

    @ParameterizedTest
    @ValueSource(strings = {"F16 003c00c055350080", "BF16 803f00c0ab3e0080", "F64 000000000000f03f00000000000000c0"})
    void safetensorsOfOtherNumbersAreReadAsFloats(String typeAndBytes) throws IOException {
        String type = typeAndBytes.split(" ")[0];
        byte[] bytes = HexFormat.of().parseHex(typeAndBytes.split(" ")[1]);
        float[] expected =
                switch (type) {
                    case "F16" -> new float[] {1, -2, 0.333251953125f, -0f};
                    case "BF16" -> new float[] {1, -2, 0.333984375f, -0f};
                    default -> new float[] {1, -2};
                };
        assertArrayEquals(expected, readAll(safetensors(type, bytes, expected.length), null, 3));
    }

    @Test
    void safetensorsOfWholeNumbersAreAnError() throws IOException {
        assertFails("one of [F16, BF16, F32, F64], got I8 [2, 1]", safetensors("I8", new byte[2], 2), null);
    }

    @Test
    void safetensorsOfNothingAreAnError() throws IOException {
        Path path = folder.resolve("none.safetensors");
        new SafetensorsWriter().write(path);
        assertFails(path + ": need a tensor of vectors, got none", path, null);
    }

    private Path safetensors(String type, byte[] bytes, int rows) throws IOException {
        ByteBuffer header = SafetensorsHeader.of(Map.of(), "vectors", type, bytes.length, rows, 1);
        ByteBuffer file = ByteBuffer.allocate(header.remaining() + bytes.length);
        return write("typed.safetensors", file.put(header).put(bytes).array());
    }

    @ParameterizedTest
    @ValueSource(strings = {"a.npy", "a.fvecs", "a.safetensors", "a.csv"})
    void aPipeOrDeviceIsAnError(String name) throws IOException {
        Path path = Files.createSymbolicLink(folder.resolve(name), Path.of("/dev/null"));
        assertFails("which is a pipe or device", path, null);
    }

    @Test
    void aTensorOfAnotherFormatIsAnError() throws IOException {
        assertFails("need a .safetensors file with --tensor one, got ", write("a.csv", "1,2\n"), "one");
    }

    @ParameterizedTest
    @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY})
    void whatIsNotFiniteIsAnErrorOfItsRowInTheFile(float bad) throws IOException {
        float[] values = VALUES.clone();
        values[10] = bad;
        String[] names = {"a.npy", "a.fvecs", "a.safetensors"};
        for (String name : names) {
            try (VectorWriter writer = new VectorWriter(folder.resolve(name), 4, 3)) {
                writer.write(values);
                writer.finish();
            }
        }
        String needed = "need finite numbers of float32, got " + bad + " in row 3, feature 1, both counted from 0";
        for (String name : names) {
            for (int rowsAtATime : new int[] {1, 3, 10}) {
                assertFails(needed, folder.resolve(name), null, rowsAtATime);
            }
        }
    }

    @Test
    void aDoubleBeyondFloatsIsAnError() throws IOException {
        assertFails("need finite numbers of float32, got -1.0E39 in row 1, feature 0", doubles(0.1, -1e39), null);
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
        assertFails(
                "need at most 268435455 features, got 2147483647",
                write("b.fvecs", new byte[] {-1, -1, -1, 127}),
                null);
        assertFails("at least one feature, got -1", write("c.fvecs", new byte[] {-1, -1, -1, -1}), null);
        assertFails(
                "whole rows of 8 bytes, got 9 bytes", write("d.fvecs", new byte[] {1, 0, 0, 0, 0, 0, 0, 0, 1}), null);
        assertFails(
                "need 1 features in every row, got 2 in row 1",
                write("e.fvecs", new byte[] {1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0}),
                null);
        assertFails("ends in one of " + VectorReader.FORMATS, write("i.parquet", "?"), null);
        assertTrue(assertThrows(IOException.class, () -> new VectorWriter(folder.resolve("a.txt"), 1, 1))
                .getMessage()
                .contains("ends in one of " + VectorWriter.FORMATS));
    }

    private Path doubles(double first, double second) throws IOException {
        byte[] data = ByteBuffer.allocate(16)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putDouble(first)
                .putDouble(second)
                .array();
        return npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 1), }", data);
    }

    private Path halves(int... halves) throws IOException {
        ByteBuffer data = ByteBuffer.allocate(2 * halves.length).order(ByteOrder.LITTLE_ENDIAN);
        for (int half : halves) {
            data.putShort((short) half);
        }
        return npy("{'descr': '<f2', 'fortran_order': False, 'shape': (" + halves.length + ", 1), }", data.array());
    }

    private Path npy(String header, byte... data) throws IOException {
        ByteBuffer bytes =
                ByteBuffer.allocate(10 + header.length() + data.length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.put(new byte[] {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0}).putShort((short) header.length());
        bytes.put(header.getBytes(StandardCharsets.US_ASCII)).put(data);
        return write("header.npy", bytes.array());
    }

    private Path write(String name, String text) throws IOException {
        return write(name, text.getBytes(StandardCharsets.UTF_8));
    }

    private Path write(String name, byte[] bytes) throws IOException {
        return Files.write(folder.resolve(name), bytes);
    }

    private static void assertFails(String message, Path path, String tensor) {
        assertFails(message, path, tensor, 10);
    }

    private static void assertFails(String message, Path path, String tensor, int rowsAtATime) {
        IOException failure = assertThrows(IOException.class, () -> readAll(path, tensor, rowsAtATime));
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
