package io.github.vq4j.examples.autoencoder;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
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
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

/** The command as a user gives it. */
class MainTest {
    private static final List<String> FIELDS = List.of(
            "name",
            "seed",
            "iterations",
            "taskLoss",
            "commitmentLoss",
            "activePercent",
            "perplexity",
            "testLoss",
            "seconds");

    @TempDir
    private Path folder;

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    @Test
    void trainsAndReports() throws IOException {
        Path output = folder.resolve("new/results");
        run(
                "--drawn",
                "--iterations=24",
                "--seed=3",
                "--threads=2",
                "--method=replacement",
                "--method=baseline",
                "--output=" + output);
        assertEquals("", err.toString());

        JsonNode report =
                new ObjectMapper().readTree(output.resolve("report.json").toFile());
        assertEquals(2, report.size());
        assertEquals("baseline", report.get(0).get("name").asText());
        assertEquals("replacement", report.get(1).get("name").asText());
        for (JsonNode summary : report) {
            List<String> fields = new ArrayList<>();
            summary.fieldNames().forEachRemaining(fields::add);
            assertEquals(FIELDS, fields);
            assertEquals(3, summary.get("seed").asInt());
            assertEquals(24, summary.get("iterations").asInt());
            checkBetween(summary, "taskLoss", 0.01, 2);
            checkBetween(summary, "commitmentLoss", 0, 100);
            checkBetween(summary, "activePercent", 100.0 / 256, 100);
            checkBetween(summary, "perplexity", 1, 256);
            checkBetween(summary, "testLoss", 0.01, 2);
            checkBetween(summary, "seconds", 0, 600);
        }
        Pictures.check(output.resolve("curves.png"));
        List<String> curves = Files.readAllLines(output.resolve("curves.csv"));
        assertEquals(
                "iteration,baseline.taskLoss,baseline.activePercent,replacement.taskLoss,replacement.activePercent",
                curves.get(0));
        assertEquals(
                List.of("10", "20", "24"),
                curves.subList(1, curves.size()).stream()
                        .map(line -> line.split(",")[0])
                        .toList());
        Pictures.check(output.resolve("reconstructions.png"));
        for (String word : List.of("task loss", "+ replacement (20)", output.toString())) {
            assertTrue(out.toString().contains(word), out.toString());
        }
    }

    /** With losses that are numbers, and codes that are used. */
    @Test
    void everyMethodTrains() throws IOException {
        writeImages();
        String all = Method.keys().replace(" ", "");
        run("--data=" + folder, "--iterations=3", "--method=" + all, "--output=" + folder);
        JsonNode report =
                new ObjectMapper().readTree(folder.resolve("report.json").toFile());
        assertEquals(Method.values().length, report.size());
        for (JsonNode summary : report) {
            checkBetween(summary, "taskLoss", 0.01, 2);
            checkBetween(summary, "commitmentLoss", -100, 100);
            checkBetween(summary, "activePercent", 100.0 / 256, 100);
            checkBetween(summary, "perplexity", 1, 256);
            checkBetween(summary, "testLoss", 0.01, 2);
        }
    }

    @Test
    void theMethodsComparedByDefaultAreTheFive() {
        assertEquals(
                List.of("baseline", "kmeans", "sync", "affine", "replacement"),
                Method.compared().stream().map(Method::key).toList());
    }

    /** Twice the same seed, here on images of another size from files. */
    @Test
    void theSeedDecidesAboutAllFigures() throws IOException {
        writeImages();
        List<JsonNode> reports = new ArrayList<>();
        for (String seed : List.of("5", "5", "6")) {
            Path output = folder.resolve("output");
            run("--data=" + folder, "--iterations=4", "--seed=" + seed, "--method=replacement", "--output=" + output);
            reports.add(new ObjectMapper()
                    .readTree(output.resolve("report.json").toFile())
                    .get(0));
        }
        for (String field : List.of("taskLoss", "commitmentLoss", "activePercent", "perplexity", "testLoss")) {
            assertEquals(reports.get(0).get(field), reports.get(1).get(field), field);
        }
        assertTrue(!reports.get(0).get("taskLoss").equals(reports.get(2).get("taskLoss")), "another seed");
    }

    @Test
    void helpListsTheOptions() {
        run("--help");
        String help = out.toString().replaceAll("\\s+", " ");
        for (String option : List.of(
                "--iterations",
                "--seed",
                "--method",
                "--threads",
                "--data",
                "--drawn",
                "--output",
                "--help",
                "VQ4J_DATA")) {
            assertTrue(help.contains(option), option + " in " + help);
        }
        assertTrue(help.contains(Method.keys()), Method.keys() + " in " + help);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "--iterations 0 | need --iterations between 1 and 1000000, got 0",
                "--iterations 2147483647 | got 2147483647",
                "--iterations some | --iterations",
                "--method baseline,best | need one of baseline, kmeans, sync, affine, replacement, alternated,",
                "--method best | got best",
                "--threads 0 | need --threads between 1 and 1024, got 0",
                "--threads 2000 | got 2000",
                "--drawn --data here | need either --data or --drawn",
                "--nonsense | --nonsense",
            })
    void wrongOptionsAreRefused(String example) {
        String[] parts = example.split(" \\| ");
        assertEquals(CommandLine.ExitCode.USAGE, execute(parts[0].split(" ")));
        assertTrue(err.toString().contains(parts[1]), err.toString());
        assertTrue(err.toString().contains("--help"), err.toString());
    }

    @Test
    void dataThatCannotBeUsedIsRefusedInOneLine() throws IOException {
        checkFails("need train-images-idx3-ubyte", "--data", folder.toString());
        Files.write(folder.resolve("train-images-idx3-ubyte"), new byte[3]);
        Files.write(folder.resolve("t10k-images-idx3-ubyte"), IdxBytes.images(300, 3, 2, new byte[1800]));
        checkFails("need a header of 16 bytes, got 3", "--data", folder.toString());
        Files.write(folder.resolve("train-images-idx3-ubyte"), IdxBytes.images(300, 3, 2, new byte[1800]));
        checkFails("need images whose sides 4 divides, got 3 x 2", "--data", folder.toString());
        Files.write(folder.resolve("train-images-idx3-ubyte"), IdxBytes.images(2, 4, 4, new byte[32]));
        Files.write(folder.resolve("t10k-images-idx3-ubyte"), IdxBytes.images(2, 4, 4, new byte[32]));
        checkFails("need at least 256 images to train on", "--data", folder.toString());
        Path file = Files.createFile(folder.resolve("file"));
        checkFails("--output", "--drawn", "--output", file.toString());
    }

    /** Before minutes of training, whose results it could not take. */
    @Test
    void aFolderThatFilesCannotBeMadeInIsRefusedAtOnce() throws IOException {
        // Files are made there by nobody, not by root either.
        checkFails(
                "need a folder for results, --output, that files can be made in, got /proc",
                "--drawn",
                "--iterations=1",
                "--method=fsq",
                "--output=/proc");
        assertFalse(out.toString().contains("task loss"), out.toString());
        Path output = Files.createDirectory(folder.resolve("output"));
        run("--drawn", "--iterations=1", "--method=fsq", "--output=" + output);
        assertEquals(4, output.toFile().list().length);
    }

    /** Drawn images cut into smaller ones. */
    private void writeImages() throws IOException {
        byte[] pixels = new DrawnImages().draw(300, 1).pixels();
        Files.write(folder.resolve("train-images-idx3-ubyte"), IdxBytes.images(1225, 12, 16, pixels));
        Files.write(folder.resolve("t10k-images-idx3-ubyte"), IdxBytes.images(1225, 12, 16, pixels));
    }

    private void checkFails(String word, String... arguments) {
        err.getBuffer().setLength(0);
        assertEquals(CommandLine.ExitCode.SOFTWARE, execute(arguments));
        assertTrue(err.toString().contains(word), err.toString());
        assertEquals(1, err.toString().lines().count(), err.toString());
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

    private static void checkBetween(JsonNode summary, String field, double low, double high) {
        double value = summary.get(field).asDouble(Double.NaN);
        assertTrue(value >= low && value <= high, field + " = " + value);
    }
}
