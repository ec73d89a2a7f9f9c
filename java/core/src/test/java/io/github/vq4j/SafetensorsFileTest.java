package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

class SafetensorsFileTest {
    /** What reading may take of the heap beside what the file takes on the disk. */
    private static final long SMALL = 1 << 20;

    @TempDir
    Path folder;

    @Test
    void whatIsWrittenIsReadBack() throws IOException {
        float[] floats = {-0f, 1.5f, Float.NaN, Float.MIN_VALUE, Float.NEGATIVE_INFINITY, 3};
        Path path = folder.resolve("all.safetensors");
        new SafetensorsWriter()
                .metadata("a \"key\"", "back\\slash, tab\t, bell\u0007, \u00e4\u4e2d\ud83d\ude00")
                .floats("f", floats, 2, 3)
                .doubles("d", new double[] {Math.PI, -0.0}, 2)
                .ints("i", new int[] {Integer.MIN_VALUE, 7, -1}, 3, 1)
                .longs("scalar", new long[] {Long.MIN_VALUE})
                .floats("empty", new float[0], 0, 5)
                .write(path);
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            assertEquals(Set.of("f", "d", "i", "scalar", "empty"), file.names());
            assertEquals(
                    Map.of("a \"key\"", "back\\slash, tab\t, bell\u0007, \u00e4\u4e2d\ud83d\ude00"), file.metadata());
            assertArrayEquals(bits(floats), bits(file.floats("f")));
            assertArrayEquals(new long[] {2, 3}, file.shape("f"));
            assertArrayEquals(new double[] {Math.PI, -0.0}, file.doubles("d"));
            assertArrayEquals(new int[] {Integer.MIN_VALUE, 7, -1}, file.ints("i"));
            assertArrayEquals(new long[] {Long.MIN_VALUE}, file.longs("scalar"));
            assertArrayEquals(new long[0], file.shape("scalar"));
            assertEquals(0, file.floats("empty").length);
            assertEquals("I64", file.type("scalar"));
        }
    }

    @Test
    void tensorsLongerThanAChunkAreWhole() throws IOException {
        float[] values = new float[100_003];
        for (int i = 0; i < values.length; i++) {
            values[i] = i;
        }
        Path path = folder.resolve("long.safetensors");
        new SafetensorsWriter()
                .floats("x", values, values.length)
                .longs("y", new long[70_001], 70_001)
                .write(path);
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            assertArrayEquals(values, file.floats("x"));
            assertArrayEquals(new long[70_001], file.longs("y"));
        }
    }

    @Test
    void theBytesDoNotDependOnTheOrderOfAdding() throws IOException {
        Path one = folder.resolve("one");
        Path other = folder.resolve("other");
        new SafetensorsWriter()
                .metadata("a", "1")
                .metadata("b", "2")
                .floats("x", new float[] {1}, 1)
                .longs("y", new long[] {2}, 1)
                .write(one);
        new SafetensorsWriter()
                .metadata("b", "2")
                .longs("y", new long[] {2}, 1)
                .metadata("a", "1")
                .floats("x", new float[] {1}, 1)
                .write(other);
        assertArrayEquals(Files.readAllBytes(one), Files.readAllBytes(other));
        assertEquals(
                0,
                ByteBuffer.wrap(Files.readAllBytes(one))
                                .order(ByteOrder.LITTLE_ENDIAN)
                                .getLong()
                        % 8);
    }

    @Test
    void typesThatJavaLacksAreReadAsBytes() throws IOException {
        byte[] data = {1, 2, 3, 4, 5, 6, 7};
        Path path = write(
                "{\"h\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]},"
                        + "\"b\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[4,6]},"
                        + "\"u\":{\"dtype\":\"U8\",\"shape\":[1,1],\"data_offsets\":[6,7]}}   ",
                data);
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            assertArrayEquals(new byte[] {1, 2, 3, 4}, file.bytes("h"));
            assertArrayEquals(new byte[] {5, 6}, file.bytes("b"));
            assertArrayEquals(new byte[] {7}, file.bytes("u"));
            assertTrue(assertThrows(IOException.class, () -> file.floats("h"))
                    .getMessage()
                    .contains("F32, got F16[2]"));
        }
    }

    @Test
    void allTypesOfTheFormatHaveTheirSize() throws IOException {
        Map<String, Integer> bytesOfEight = Map.of(
                "F4", 4, "F6_E2M3", 6, "F6_E3M2", 6, "F8_E8M0", 8, "F8_E4M3FNUZ", 8, "F8_E5M2FNUZ", 8, "C64", 64);
        for (String type : bytesOfEight.keySet()) {
            byte[] data = new byte[bytesOfEight.get(type)];
            Path path = write(tensors(tensor("x", type, "[2,4]", "[0," + data.length + "]")), data);
            try (SafetensorsFile file = SafetensorsFile.open(path)) {
                assertArrayEquals(data, file.bytes("x"), type);
            }
        }
    }

    @Test
    void tensorsNeedNotBeAlignedToTheirElements() throws IOException {
        Path path = write(
                tensors(tensor("x", "U8", "[1]", "[0,1]"), tensor("y", "F32", "[1]", "[1,5]")),
                new byte[] {9, 0, 0, (byte) 0x80, 0x3f});
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            assertArrayEquals(new float[] {1}, file.floats("y"));
        }
    }

    @Test
    void aTensorThatIsNotThereIsNamed() throws IOException {
        Path path = write("{\"x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", new byte[1]);
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            String message =
                    assertThrows(IOException.class, () -> file.floats("y")).getMessage();
            assertTrue(message.contains("need a tensor y, got [x]"), message);
            assertTrue(message.startsWith(path.toString()), message);
        }
    }

    // ---- writing -----------------------------------------------------------------------------------------------

    @Test
    void aWriteThatFailsLeavesTheOldFileAndNoOther() throws IOException {
        Path path = folder.resolve("kept");
        Files.writeString(path, "old");
        SafetensorsWriter writer = new SafetensorsWriter().floats("x", new float[3], 3);
        Path asFolder = Files.createDirectories(folder.resolve("folder").resolve("full"));
        assertThrows(IOException.class, () -> writer.write(asFolder.getParent()));
        assertThrows(
                IOException.class, () -> writer.write(folder.resolve("missing").resolve("x")));
        assertEquals("old", Files.readString(path));
        try (Stream<Path> files = Files.list(folder)) {
            assertEquals(2, files.count());
        }
        writer.write(path);
        try (Stream<Path> files = Files.list(folder)) {
            assertEquals(2, files.count());
        }
    }

    @Test
    void aFolderWithoutPermissionIsNamedAsTheReason() {
        // Of the kernel, where nobody may make a file.
        Path inSysfs = Path.of("/sys");
        assumeTrue(Files.isDirectory(inSysfs.resolve("kernel")));
        String message = assertThrows(
                        IOException.class, () -> new SafetensorsWriter().write(inSysfs.resolve("x.safetensors")))
                .getMessage();
        assertTrue(
                message.equals("cannot write /sys/x.safetensors: no permission to write into the folder /sys")
                        || message.endsWith("Read-only file system"),
                message);
    }

    @Test
    void aTensorThatCannotBeWrittenIsRefusedWhenItIsAdded() {
        SafetensorsWriter writer = new SafetensorsWriter().floats("x", new float[6], 2, 3);
        assertThrows(IllegalArgumentException.class, () -> writer.floats("x", new float[1], 1));
        assertThrows(IllegalArgumentException.class, () -> writer.floats("__metadata__", new float[1], 1));
        assertThrows(IllegalArgumentException.class, () -> writer.floats("y", new float[5], 2, 3));
        assertThrows(IllegalArgumentException.class, () -> writer.floats("y", new float[6], -2, -3));
        assertThrows(IllegalArgumentException.class, () -> writer.metadata("key", "\ud800"));
    }

    // ---- hostile files -----------------------------------------------------------------------------------------

    private static final Map<String, String> BAD_HEADERS = new LinkedHashMap<>();

    static {
        BAD_HEADERS.put("", "'{'");
        BAD_HEADERS.put("[]", "'{'");
        BAD_HEADERS.put("{", "'\"'");
        BAD_HEADERS.put("{} {}", "the end");
        BAD_HEADERS.put("{\"x\":1}", "'{'");
        BAD_HEADERS.put("{\"x\":{}}", "need dtype, shape and two data_offsets of tensor x, got []");
        BAD_HEADERS.put(tensor("x", "F32", "[2]", "[0,8],\"more\":[1]"), "got \"more\"");
        BAD_HEADERS.put(tensor("x", "F32", "[2]", "[0,8],\"shape\":[2]"), "\"x.shape\" twice");
        BAD_HEADERS.put(tensor("x", "F99", "[2]", "[0,8]"), "got \"F99\"");
        BAD_HEADERS.put(tensor("x", "F4", "[3]", "[0,2]"), "need whole bytes for tensor x F4[3], got 12 bits");
        BAD_HEADERS.put(tensor("x", "F32", "[2]", "[0]"), "two data_offsets");
        BAD_HEADERS.put(tensor("x", "F32", "[2]", "[0,8,8]"), "at most 2 numbers");
        BAD_HEADERS.put(tensor("x", "F32", "[-2]", "[0,8]"), "a whole number");
        BAD_HEADERS.put(tensor("x", "F32", "[2.0]", "[0,8]"), "']'");
        BAD_HEADERS.put(tensor("x", "F32", "[02]", "[0,8]"), "a whole number");
        BAD_HEADERS.put(tensor("x", "F32", "[2e0]", "[0,8]"), "']'");
        BAD_HEADERS.put(tensor("x", "F32", "[9223372036854775808]", "[0,8]"), "below 2^63");
        BAD_HEADERS.put(tensor("x", "F32", "[4294967296,4294967296,4294967296]", "[0,8]"), "overflow 63 bits");
        BAD_HEADERS.put(tensor("x", "F32", "[4611686018427387904]", "[0,8]"), "overflow 63 bits");
        BAD_HEADERS.put(tensor("x", "F32", "[1099511627776]", "[0,8]"), "need 4398046511104 bytes");
        BAD_HEADERS.put(tensor("x", "F32", "[1099511627776]", "[0,4398046511104]"), "within 8 bytes of data");
        BAD_HEADERS.put(tensor("x", "F32", "[2]", "[8,16]"), "within 8 bytes of data");
        BAD_HEADERS.put(tensor("x", "F32", "[2]", "[8,0]"), "within 8 bytes of data");
        BAD_HEADERS.put(tensor("x", "F32", "[3]", "[0,8]"), "need 12 bytes for tensor x F32[3]");
        BAD_HEADERS.put(tensor("x", "F32", "[1]", "[0,4]"), "need 4 bytes of data for the tensors, got 8");
        BAD_HEADERS.put(tensor("x", "F32", "[1]", "[4,8]"), "to begin at byte 0");
        BAD_HEADERS.put("{}", "need 0 bytes of data for the tensors, got 8");
        BAD_HEADERS.put(
                tensors(tensor("x", "F32", "[2]", "[0,8]"), tensor("y", "F32", "[1]", "[4,8]")),
                "need tensor y to begin at byte 8");
        BAD_HEADERS.put(tensors(tensor("x", "F32", "[1]", "[0,4]"), tensor("x", "F32", "[1]", "[4,8]")), "\"x\" twice");
        BAD_HEADERS.put("{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", "\"a\" twice");
        BAD_HEADERS.put("{\"__metadata__\":{\"a\":1}}", "'\"'");
        BAD_HEADERS.put("{\"__metadata__\":{},\"__metadata__\":{}}", "\"__metadata__\" twice");
        BAD_HEADERS.put("{\"__metadata__\":{\"a\":\"\\ud800\"}}", "surrogate");
        BAD_HEADERS.put("{\"__metadata__\":{\"a\":\"\\x\"}}", "an escape sequence");
        BAD_HEADERS.put("{\"__metadata__\":{\"a\":\"\\u12\"}}", "four hexadecimal digits");
        BAD_HEADERS.put("{\"__metadata__\":{\"a\":\"new\nline\"}}", "control characters");
        BAD_HEADERS.put("{\"x\":".repeat(10_000), "got \"x\"");
        BAD_HEADERS.put("{\"x\":{\"shape\":" + "[".repeat(10_000), "a whole number");
    }

    @TestFactory
    Stream<DynamicTest> badHeadersAreRefusedByName() {
        return BAD_HEADERS.entrySet().stream()
                .map(bad -> dynamicTest(
                        "\""
                                + bad.getKey()
                                        .substring(0, Math.min(100, bad.getKey().length())) + "\"",
                        () -> {
                            Path path = write(bad.getKey(), new byte[8]);
                            long allocated = AllocatedMemory.of(() -> {
                                String message = assertThrows(IOException.class, () -> SafetensorsFile.open(path))
                                        .getMessage();
                                assertTrue(message.contains(bad.getValue()), message);
                                assertTrue(message.startsWith(path.toString()), message);
                            });
                            assertTrue(allocated < SMALL, allocated + " bytes");
                        }));
    }

    @Test
    void bytesThatAreNotUtf8AreRefused() throws IOException {
        byte[] header = "{\"__metadata__\":{\"a\":\"?\"}}".getBytes(StandardCharsets.UTF_8);
        header[header.length - 4] = (byte) 0xc3;
        Path path = write(header.length, header, new byte[0]);
        assertTrue(assertThrows(IOException.class, () -> SafetensorsFile.open(path))
                .getMessage()
                .contains("UTF-8"));
    }

    @Test
    void archivesOfTorchAreNamed() throws IOException {
        Path path = write(0x0000_0808_0403_4b50L, "{}".getBytes(StandardCharsets.UTF_8), new byte[0]);
        String message = assertThrows(IOException.class, () -> SafetensorsFile.open(path))
                .getMessage();
        assertTrue(message.contains(path.toString()) && message.contains("torch.save"), message);
    }

    @Test
    void headerLengthsBeyondTheFileAllocateNothing() throws Throwable {
        for (long length : new long[] {3, 9, 1L << 20, 99_999_999, 100_000_001, 1L << 40, Long.MAX_VALUE, -1}) {
            Path path = write(length, "{}".getBytes(StandardCharsets.UTF_8), new byte[0]);
            long allocated = AllocatedMemory.of(() -> {
                String message = assertThrows(IOException.class, () -> SafetensorsFile.open(path))
                        .getMessage();
                assertTrue(message.contains("need a header of at most 2 bytes in a file of 10, got "), message);
            });
            assertTrue(allocated < SMALL, allocated + " bytes");
        }
        for (int size = 0; size < 8; size++) {
            Path path = folder.resolve("short");
            Files.write(path, new byte[size]);
            assertThrows(IOException.class, () -> SafetensorsFile.open(path));
        }
    }

    @Test
    void tooManyTensorsAreRefused() throws IOException {
        StringBuilder header = new StringBuilder("{");
        for (int i = 0; i <= SafetensorsFile.MAX_TENSORS; i++) {
            header.append(i == 0 ? "" : ",").append("\"").append(i).append("\":");
            header.append("{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}");
        }
        Path path = write(header.append("}").toString(), new byte[0]);
        assertTrue(assertThrows(IOException.class, () -> SafetensorsFile.open(path))
                .getMessage()
                .contains("at most 100000 tensors"));
    }

    @Test
    void aFileThatIsCutOffWhileItIsOpenIsAnError() throws IOException {
        Path path = folder.resolve("cut");
        new SafetensorsWriter().floats("x", new float[50_000], 50_000).write(path);
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            byte[] bytes = Files.readAllBytes(path);
            Files.write(path, Arrays.copyOf(bytes, bytes.length - 1));
            assertTrue(assertThrows(IOException.class, () -> file.floats("x"))
                    .getMessage()
                    .contains("got an end"));
        }
    }

    /** Whatever the bytes: an IOException or the tensors, and no more memory than the file is long, times a little. */
    @Test
    void noFileDoesHarm() throws Throwable {
        Path whole = folder.resolve("whole");
        new SafetensorsWriter()
                .metadata("key", "value")
                .floats("a", new float[12], 3, 4)
                .longs("b", new long[2], 2)
                .ints("c", new int[5], 5)
                .write(whole);
        byte[] bytes = Files.readAllBytes(whole);
        Path path = folder.resolve("fuzzed");
        Random random = new Random(5);
        int refused = 0;
        for (int round = 0; round < 1000; round++) {
            byte[] fuzzed = round < bytes.length ? Arrays.copyOf(bytes, round) : bytes.clone();
            for (int i = random.nextInt(4); round >= bytes.length && i >= 0; i--) {
                int at = random.nextInt(random.nextBoolean() ? 8 : bytes.length);
                fuzzed[at] = random.nextBoolean() ? (byte) random.nextInt() : bytes[random.nextInt(bytes.length)];
            }
            Files.write(path, fuzzed);
            boolean[] fine = {false};
            long allocated = AllocatedMemory.of(() -> fine[0] = readsAll(path));
            assertTrue(allocated < SMALL, allocated + " bytes");
            refused += fine[0] ? 0 : 1;
        }
        assertTrue(refused > 300 && refused < 1000, refused + " of 1000");
    }

    private static boolean readsAll(Path path) {
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            for (String name : file.names()) {
                file.bytes(name);
                switch (file.type(name)) {
                    case "F32" -> file.floats(name);
                    case "I32" -> file.ints(name);
                    case "I64" -> file.longs(name);
                    default -> assertFalse(file.type(name).isEmpty());
                }
            }
            return true;
        } catch (IOException refused) {
            return false;
        }
    }

    @Test
    void anInterruptedThreadIsToldThatItIs() throws IOException {
        SafetensorsWriter writer = new SafetensorsWriter().floats("one", new float[] {5}, 1);
        Path path = folder.resolve("one.safetensors");
        writer.write(path);
        byte[] before = Files.readAllBytes(path);
        assertTold("cannot write " + path + ": the thread has been interrupted", () -> writer.write(path));
        assertArrayEquals(before, Files.readAllBytes(path));
        String closes = path + ": the thread has been interrupted, which closes the file";
        assertTold(closes, () -> SafetensorsFile.open(path).close());
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            assertTold(closes, () -> file.floats("one"));
            assertEquals(
                    path + ": the file is closed",
                    assertThrows(IOException.class, () -> file.floats("one")).getMessage());
        }
    }

    private static void assertTold(String message, Executable call) {
        Thread.currentThread().interrupt();
        try {
            assertEquals(message, assertThrows(IOException.class, call).getMessage());
        } finally {
            assertTrue(Thread.interrupted(), "it stays interrupted");
        }
    }

    // ---- files -------------------------------------------------------------------------------------------------

    private static String tensor(String name, String type, String shape, String offsets) {
        return "{\"" + name + "\":{\"dtype\":\"" + type + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets
                + "}}";
    }

    private static String tensors(String... each) {
        List<String> parts = new ArrayList<>();
        for (String one : each) {
            parts.add(one.substring(1, one.length() - 1));
        }
        return "{" + String.join(",", parts) + "}";
    }

    private Path write(String header, byte[] data) throws IOException {
        byte[] text = header.getBytes(StandardCharsets.UTF_8);
        return write(text.length, text, data);
    }

    private Path write(long length, byte[] header, byte[] data) throws IOException {
        ByteBuffer all = ByteBuffer.allocate(8 + header.length + data.length).order(ByteOrder.LITTLE_ENDIAN);
        all.putLong(length).put(header).put(data);
        Path path = Files.createTempFile(folder, "bad", ".safetensors");
        Files.write(path, all.array());
        return path;
    }

    private static int[] bits(float[] values) {
        int[] bits = new int[values.length];
        Arrays.setAll(bits, i -> Float.floatToRawIntBits(values[i]));
        return bits;
    }
}
