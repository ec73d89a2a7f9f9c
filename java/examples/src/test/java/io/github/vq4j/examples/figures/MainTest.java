package io.github.vq4j.examples.figures;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.vq4j.examples.Pictures;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** The commands as a user gives them. */
class MainTest {
    @TempDir
    private Path folder;

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    @Test
    void drawsTheTrajectories() throws IOException {
        run("trajectories", "--output=" + folder);
        Pictures.check(folder.resolve("trajectories.png"));
        JsonNode summaries =
                new ObjectMapper().readTree(folder.resolve("trajectories.json").toFile());
        assertEquals(4, summaries.size());
        for (JsonNode summary : summaries) {
            String name = summary.get("name").asText();
            assertTrue(out.toString().contains(name), out.toString());
            assertTrue(summary.get("steps").asInt() > 10, summary.toString());
            assertTrue(summary.get("deviation").asDouble() > 0, summary.toString());
        }
    }

    @Test
    void helpListsTheFiguresAndTheirOptions() {
        run("--help");
        assertTrue(out.toString().contains("trajectories"), out.toString());
        run("trajectories", "--help");
        assertTrue(out.toString().contains("--output"), out.toString());
    }

    @Test
    void wrongOptionsAreRefused() throws IOException {
        assertEquals(CommandLine.ExitCode.USAGE, execute("nonsense"));
        assertTrue(err.toString().contains("nonsense"), err.toString());
        Path file = Files.createFile(folder.resolve("file"));
        assertEquals(CommandLine.ExitCode.SOFTWARE, execute("trajectories", "--output=" + file));
        assertTrue(err.toString().contains("--output"), err.toString());
    }

    private void run(String... arguments) {
        assertEquals(CommandLine.ExitCode.OK, execute(arguments), () -> err.toString());
    }

    private int execute(String... arguments) {
        return Main.commandLine()
                .setOut(new PrintWriter(out, true))
                .setErr(new PrintWriter(err, true))
                .execute(arguments);
    }
}
