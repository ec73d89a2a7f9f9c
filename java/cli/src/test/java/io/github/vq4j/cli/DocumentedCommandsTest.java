package io.github.vq4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import io.github.vq4j.CodebookHealth;
import io.github.vq4j.Tensor;
import io.github.vq4j.VectorQuant;
import io.github.vq4j.cli.vectors.VectorWriter;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/** The commands that the documentation shows, run in their order on a small file of vectors. */
class DocumentedCommandsTest {
    private static final Path ROOT = Path.of(System.getProperty("vq4j.docs.root"));
    private static final String PROGRAM = "java -jar vq4j.jar ";
    private static final int FEATURES = 100;
    private static final int ROWS = 600;

    @TempDir
    private Path folder;

    @TestFactory
    Stream<DynamicTest> everyPage() {
        return Stream.of("README.md", "docs/words.md")
                .map(page -> dynamicTest(page, () -> {
                    List<String> commands = commands(ROOT.resolve(page));
                    assertTrue(commands.size() >= 4, () -> page + " has " + commands);
                    writeInput();
                    for (String command : commands) {
                        run(page, command);
                    }
                }));
    }

    /** Pages that show the program are among those above. */
    @TestFactory
    Stream<DynamicTest> otherPages() throws IOException {
        try (Stream<Path> files = Files.list(ROOT.resolve("docs"))) {
            List<Path> pages = files.filter(file -> file.toString().endsWith(".md"))
                    .filter(file -> !file.endsWith("words.md"))
                    .toList();
            return pages.stream()
                    .map(page ->
                            dynamicTest(page.getFileName().toString(), () -> assertEquals(List.of(), commands(page))));
        }
    }

    private static List<String> commands(Path page) throws IOException {
        return Files.readAllLines(page).stream()
                .filter(line -> line.startsWith(PROGRAM))
                .map(line -> line.substring(PROGRAM.length()))
                .toList();
    }

    private void writeInput() throws IOException {
        Random random = new Random(1);
        float[] values = new float[ROWS * FEATURES];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        Tensor rows = Tensor.of(values, ROWS, FEATURES);
        try (VectorWriter writer = new VectorWriter(folder.resolve("words.fvecs"), ROWS, FEATURES)) {
            writer.write(values);
            writer.finish();
        }
        try (VectorQuant layer = VectorQuant.builder(FEATURES, 8).dim(-1).build();
                CodebookHealth health = CodebookHealth.of(layer, 3)) {
            for (int step = 0; step < 5; step++) {
                layer.forward(rows).close();
                health.observe();
            }
            health.writeCsv(folder.resolve("health.csv"));
        }
    }

    private void run(String page, String command) {
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        String[] arguments = Arrays.stream(command.split(" "))
                .map(word -> word.matches("\\w+\\.\\w+") ? folder.resolve(word).toString() : word)
                .toArray(String[]::new);
        int status = Main.commandLine()
                .setOut(new PrintWriter(out))
                .setErr(new PrintWriter(err))
                .execute(arguments);
        assertEquals(0, status, () -> page + ": vq4j " + command + ": " + err);
    }
}
