package io.github.vq4j.examples.figures;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.vq4j.examples.Pictures;
import io.github.vq4j.examples.data.DrawnImages;
import io.github.vq4j.examples.data.IdxBytes;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
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
    void drawsTheCodebooks() throws IOException {
        run("codebooks", "--steps=4", "--output=" + folder);
        Pictures.check(folder.resolve("codebooks.png"));
        List<String> lines = Files.readAllLines(folder.resolve("codebooks.csv"));
        assertEquals(1 + 4, lines.size());
        assertTrue(lines.get(0).startsWith("step,random codes active percent,random codes error,"), lines.get(0));
        for (String line : lines.subList(1, lines.size())) {
            String[] figures = line.split(",");
            assertEquals(1 + 2 * 7, figures.length);
            for (int i = 1; i < figures.length; i += 2) {
                double active = Double.parseDouble(figures[i]);
                assertTrue(active > 0 && active <= 100, line);
                assertTrue(Double.parseDouble(figures[i + 1]) > 0, line);
            }
        }
        assertEquals(CommandLine.ExitCode.USAGE, execute("codebooks", "--steps=0"));
        assertEquals(CommandLine.ExitCode.USAGE, execute("codebooks", "--steps=" + Integer.MAX_VALUE));
    }

    @Test
    void drawsTheRatesOfTheResults() throws IOException {
        Path results = folder.resolve("results.json");
        Files.writeString(results, """
                { "date": "today", "rows": [
                  { "options": "--groups 5", "bytes": 5, "meanSquaredError": 0.2, "recallAt10": 0.2,
                    "faissMeanSquaredError": 0.2, "faissRecallAt10": 0.2 },
                  { "options": "--groups 9", "bytes": 9, "meanSquaredError": 0.1, "recallAt10": 0.4 },
                  { "options": "--stages 4", "bytes": 4, "meanSquaredError": 0.2, "recallAt10": 0.2 }
                ] }""");
        run("rates", "--results=" + results, "--output=" + folder);
        Pictures.check(folder.resolve("rates.png"));
        assertEquals(
                CommandLine.ExitCode.SOFTWARE,
                execute("rates", "--results=" + folder.resolve("none.json"), "--output=" + folder));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "x | need a JSON object of results, got Unrecognized token 'x'",
                "[] | need a JSON object of results, got Cannot deserialize",
                "{} | need rows whose options begin with --groups, got none among 0",
                "{ 'rows': null } | need rows whose options begin with --groups, got none among 0",
                "{ 'rows': [ null ] } | need rows with options, bytes and a meanSquaredError above 0, got null",
                "{ 'rows': [ { 'options': '--groups 5', 'bytes': 5 } ] } | meanSquaredError=0.0",
                "{ 'rows': [ { 'options': '--groups 5', 'bytes': 5, 'meanSquaredError': 1 } ] } | begin with --stages",
            })
    void resultsThatAreNoneAreRefusedInOneLine(String example) throws IOException {
        String[] parts = example.split(" \\| ");
        Path results = Files.writeString(folder.resolve("results.json"), parts[0].replace('\'', '"'));
        assertEquals(CommandLine.ExitCode.SOFTWARE, execute("rates", "--results=" + results, "--output=" + folder));
        assertTrue(err.toString().startsWith("error: " + results + ": need "), err.toString());
        assertTrue(err.toString().contains(parts[1]), err.toString());
        assertEquals(1, err.toString().lines().count(), err.toString());
    }

    @Test
    void drawsTheEmbeddingWithoutAndWithAffine() throws IOException {
        byte[] pixels = new DrawnImages().draw(300, 1).pixels();
        Files.write(folder.resolve("train-images-idx3-ubyte"), IdxBytes.images(1225, 12, 16, pixels));
        Files.write(folder.resolve("t10k-images-idx3-ubyte"), IdxBytes.images(1225, 12, 16, pixels));
        run("embedding", "--data=" + folder, "--iterations=5", "--output=" + folder);
        Pictures.check(folder.resolve("embedding.png"));
        Pictures.check(folder.resolve("divergence.png"));
        List<String> lines = Files.readAllLines(folder.resolve("divergence.csv"));
        assertEquals("method,iteration,meanGap,deviationGap,meanDistance,perplexity", lines.get(0));
        assertEquals(1 + 2 * 5, lines.size());
        for (String line : lines.subList(1, lines.size())) {
            for (String figure : List.of(line.split(",")).subList(1, 6)) {
                assertTrue(Double.parseDouble(figure) > 0, line);
            }
        }
        // All else is equal, and the affine starts as the identity: the first batch is quantized alike.
        assertEquals(lines.get(1).replace("sync", "affine"), lines.get(6));
        assertNotEquals(lines.get(5).replace("sync", "affine"), lines.get(10));
    }

    @Test
    void helpListsTheFiguresAndTheirOptions() {
        run("--help");
        assertTrue(out.toString().contains("trajectories") && out.toString().contains("embedding"), out.toString());
        run("trajectories", "--help");
        assertTrue(out.toString().contains("--output"), out.toString());
        run("embedding", "--help");
        assertTrue(out.toString().contains("--iterations"), out.toString());
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
