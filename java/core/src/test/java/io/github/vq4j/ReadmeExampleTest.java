package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The README's example is a program that compiles, runs and prints what the README says it prints. */
class ReadmeExampleTest {
    private static final Path README = Path.of("..", "..", "README.md");

    @Test
    void compilesAndPrintsLossPerplexityAndActiveCodes(@TempDir Path folder) throws Exception {
        Matcher block = Pattern.compile("```java\\n(.*?)```", Pattern.DOTALL).matcher(Files.readString(README));
        assertTrue(block.find(), "a java block in the README");
        Path source = folder.resolve("Example.java");
        Files.writeString(source, block.group(1));
        ByteArrayOutputStream messages = new ByteArrayOutputStream();
        int status = ToolProvider.getSystemJavaCompiler()
                .run(null, messages, messages, "-cp", System.getProperty("java.class.path"), source.toString());
        assertEquals(0, status, messages.toString(StandardCharsets.UTF_8));

        String printed = runMain(folder);

        assertTrue(
                printed.matches("(?s)(step\\s+\\d+  loss \\d\\.\\d{4}  perplexity \\d+\\.\\d  active \\d+\\R)+.*"),
                printed);
    }

    private static String runMain(Path classes) throws Exception {
        PrintStream console = System.out;
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        try (URLClassLoader loader =
                new URLClassLoader(new URL[] {classes.toUri().toURL()})) {
            System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
            loader.loadClass("Example").getMethod("main", String[].class).invoke(null, (Object) new String[0]);
        } finally {
            System.setOut(console);
        }
        return printed.toString(StandardCharsets.UTF_8);
    }
}
