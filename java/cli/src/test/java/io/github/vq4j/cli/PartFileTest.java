package io.github.vq4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A file is there as a whole or not at all, whatever ends its writing. */
class PartFileTest {
    @TempDir
    private Path folder;

    /** Writes a mebibyte and waits to be killed. */
    public static final class Waiting {
        /** The file to write. */
        public static void main(String[] arguments) throws Exception {
            try (PartFile file = new PartFile(Path.of(arguments[0]))) {
                file.write(ByteBuffer.allocate(1 << 20));
                System.out.println("written");
                Thread.sleep(60_000);
                file.finish();
            }
        }
    }

    @Test
    void itReplacesWhatWasThereWhenItIsFinished() throws IOException {
        Path path = Files.writeString(folder.resolve("x"), "before");
        try (PartFile file = new PartFile(path)) {
            file.write(text("after"));
            assertEquals("before", Files.readString(path));
            file.finish();
        }
        assertEquals("after", Files.readString(path));
        assertEquals(List.of("x"), names());
    }

    @Test
    void whatIsNotFinishedLeavesWhatWasThere() throws IOException {
        Path path = Files.writeString(folder.resolve("x"), "before");
        try (PartFile file = new PartFile(path)) {
            file.write(text("after"));
            assertEquals(2, names().size());
        }
        assertEquals("before", Files.readString(path));
        assertEquals(List.of("x"), names());
    }

    @Test
    void anotherFileThatEndsInPartIsNotTouched() throws IOException {
        Files.writeString(folder.resolve("x.part"), "somebody's");
        try (PartFile file = new PartFile(folder.resolve("x"))) {
            file.write(text("after"));
            file.finish();
        }
        assertEquals("somebody's", Files.readString(folder.resolve("x.part")));
    }

    @Test
    void aMoveThatFailsLeavesNothing() throws IOException {
        Path path = folder.resolve("x");
        try (PartFile file = new PartFile(path)) {
            file.write(text("after"));
            Files.createDirectories(path.resolve("in the way"));
            assertThrows(IOException.class, file::finish);
        }
        assertEquals(List.of("x"), names());
        assertTrue(Files.isDirectory(path.resolve("in the way")));
    }

    @Test
    void sigtermLeavesNothing() throws Exception {
        Process writing = waiting("exec \"$@\"").start();
        assertEquals("written", writing.inputReader().readLine());
        assertEquals(1, names().size());
        writing.destroy();
        assertEquals(128 + 15, writing.waitFor());
        assertEquals(List.of(), names());
    }

    @Test
    void aDiskThatTakesNoMoreIsNamedByTheFile() throws Exception {
        Process writing =
                waiting("ulimit -f 100; exec \"$@\"").redirectErrorStream(true).start();
        String said = new String(writing.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertTrue(said.contains("cannot write " + folder.resolve("x") + ": File too large"), said);
        assertEquals(1, writing.waitFor());
        assertEquals(List.of(), names());
    }

    private ProcessBuilder waiting(String shell) {
        return new ProcessBuilder(
                "sh",
                "-c",
                shell,
                "sh",
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:-UsePerfData",
                "-cp",
                System.getProperty("java.class.path"),
                Waiting.class.getName(),
                folder.resolve("x").toString());
    }

    private static ByteBuffer text(String text) {
        return ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
    }

    private List<String> names() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }
}
