package io.github.vq4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.vq4j.cli.vectors.VectorReader;
import io.github.vq4j.cli.vectors.VectorWriter;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** Runs commands as a user types them, whose words with a dot are files of a folder. */
abstract class CommandTest {
    static final int FEATURES = 12;
    static final int ROWS = 1003;

    @TempDir
    Path folder;

    String out = "";
    String error = "";

    /** Rows of four clusters. */
    static float[] clusters(long seed) {
        Random random = new Random(seed);
        float[] centres = new float[4 * FEATURES];
        for (int i = 0; i < centres.length; i++) {
            centres[i] = (float) random.nextGaussian();
        }
        float[] values = new float[ROWS * FEATURES];
        for (int i = 0; i < values.length; i++) {
            int cluster = i / FEATURES % 4;
            values[i] = centres[cluster * FEATURES + i % FEATURES] + 0.01f * (float) random.nextGaussian();
        }
        return values;
    }

    void write(String name, float[] values) throws IOException {
        try (VectorWriter writer = new VectorWriter(folder.resolve(name), values.length / FEATURES, FEATURES)) {
            writer.write(values);
            writer.finish();
        }
    }

    float[] read(String name) throws IOException {
        try (VectorReader reader = VectorReader.open(folder.resolve(name), null)) {
            float[] values = new float[Math.toIntExact(reader.rows() * reader.features())];
            assertEquals(reader.rows(), reader.read(values));
            return values;
        }
    }

    JsonNode json(String command) throws IOException {
        run(command + " --json");
        return new ObjectMapper().readTree(out);
    }

    void run(String command) {
        assertEquals(0, execute(command), error);
    }

    void fails(String message, String command) {
        assertTrue(execute(command) != 0, command);
        assertTrue(error.contains(message), error);
        assertFalse(error.contains("\tat "), error);
    }

    /** As {@link #fails}, and every file in the folder stays as it was. */
    void refuses(String message, String command) throws IOException {
        Map<String, String> before = contents();
        fails(message, command);
        assertEquals(before, contents());
    }

    private Map<String, String> contents() throws IOException {
        Map<String, String> contents = new TreeMap<>();
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : (Iterable<Path>) files::iterator) {
                String content = Files.isSymbolicLink(file)
                        ? Files.readSymbolicLink(file).toString()
                        : Files.isRegularFile(file)
                                ? HexFormat.of().formatHex(Files.readAllBytes(file))
                                : Files.readAttributes(file, "isDirectory").toString();
                contents.put(file.toString(), content);
            }
        }
        return contents;
    }

    private int execute(String command) {
        StringWriter printed = new StringWriter();
        StringWriter complained = new StringWriter();
        CommandLine commandLine =
                Main.commandLine().setOut(new PrintWriter(printed)).setErr(new PrintWriter(complained));
        String[] arguments = Arrays.stream(command.split(" "))
                .map(word -> word.matches("[\\w/]+\\.?\\w*") && isFile(word)
                        ? folder.resolve(word).toString()
                        : word)
                .toArray(String[]::new);
        int status = commandLine.execute(arguments);
        out = printed.toString();
        error = complained.toString();
        return status;
    }

    private static boolean isFile(String word) {
        return word.contains(".") || word.equals("codes");
    }
}
