package io.github.vq4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** An output is a new name or a regular file, in a folder that is there, and none of the inputs. */
class OutputPathTest {
    @TempDir
    private Path temporary;

    private Path folder;

    @BeforeEach
    void setUp() throws IOException {
        folder = temporary.toRealPath();
    }

    @Test
    void aNewName() throws IOException {
        Path output = folder.resolve("new");
        assertEquals(output, OutputPath.of(output, folder.resolve("missing"), null));
    }

    @Test
    void aFileThatIsThere() throws IOException {
        Path output = Files.createFile(folder.resolve("old"));
        assertEquals(output, OutputPath.of(output, Files.createFile(folder.resolve("input"))));
    }

    @Test
    void whatALinkLeadsTo() throws IOException {
        Path file = Files.createFile(folder.resolve("file"));
        assertEquals(file, OutputPath.of(Files.createSymbolicLink(folder.resolve("link"), Path.of("file"))));
    }

    @Test
    void notALinkThatLeadsNowhere() throws IOException {
        Path link = Files.createSymbolicLink(folder.resolve("link"), Path.of("missing"));
        assertRefused("need a link that leads to a file for the output " + link + ", got one to missing", link);
    }

    @Test
    void notAFolder() throws IOException {
        assertRefused("got " + folder + ", which is a folder", folder);
        assertRefused("got /, which is a folder", Path.of("/"));
        assertRefused(", which is a folder", Path.of(""));
    }

    @Test
    void notAPipe() throws Exception {
        Path pipe = folder.resolve("pipe");
        assertEquals(0, new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor());
        assertRefused("got " + pipe + ", which is a device or pipe", pipe);
        assertTrue(Files.readAttributes(pipe, "isOther").containsValue(true));
    }

    @Test
    void notInAFolderThatIsMissing() {
        assertRefused("need a folder " + folder.resolve("nodir") + " that exists", folder.resolve("nodir/x"));
    }

    @Test
    void notInAFile() throws IOException {
        Path file = Files.createFile(folder.resolve("file"));
        assertRefused("need a folder " + file + " that exists", file.resolve("x"));
    }

    @Test
    void notAnInputByAnyOfItsNames() throws IOException {
        Path input = Files.createFile(folder.resolve("input"));
        Path other = folder.resolve("other");
        Path link = Files.createSymbolicLink(folder.resolve("link"), input);
        Path hard = Files.createLink(folder.resolve("hard"), input);
        assertRefused("need an output other than the input " + input, input, other, input);
        assertRefused("need an output other than the input " + input + ", got " + link, link, input);
        assertRefused("need an output other than the input " + link, input, link);
        assertRefused("need an output other than the input " + input, hard, input);
    }

    private static void assertRefused(String message, Path output, Path... inputs) {
        IOException failure = assertThrows(IOException.class, () -> OutputPath.of(output, inputs));
        assertTrue(failure.getMessage().contains(message), failure.getMessage());
    }
}
