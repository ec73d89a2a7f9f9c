package io.github.vq4j.jars;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.vq4j.Backend;
import io.github.vq4j.Tensor;
import io.github.vq4j.VectorQuant;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** How the native libraries come out of their jars, in processes of their own. */
class ExtractionTest {
    private static final String CACHE_PROPERTY = "org.bytedeco.javacpp.cachedir";

    /** A folder that cannot be made, not even by root. */
    private static final String NOWHERE = "/dev/null/nowhere";

    @TempDir
    Path folder;

    /** Prints the codes of a few rows, or why there are none. */
    public static final class Child {
        private Child() {}

        public static void main(String[] arguments) {
            try (VectorQuant layer = VectorQuant.builder(4, 4).seed(1).build();
                    Tensor codes = layer.encode(Tensor.of(new float[] {1, 2, 3, 4, -4, -3, -2, -1}, 2, 4))) {
                System.out.println("codes " + codes.toIntArray().length);
            } catch (IllegalStateException refused) {
                System.out.println("refused " + refused.getMessage());
            }
            System.out.println("CUDA " + Backend.whyNoCuda().orElse("works"));
        }
    }

    @Test
    void tenProcessesThatStartAtOnceWithAnEmptyCacheAllWork() throws Exception {
        Path cache = folder.resolve("cache");
        List<Process> processes = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
            processes.add(start(
                    List.of("-D" + CACHE_PROPERTY + "=" + cache, "-XX:TieredStopAtLevel=1", "-Xmx64m"), classPath()));
        }
        for (Process process : processes) {
            String printed = printed(process);
            assertTrue(printed.contains("codes 2"), printed);
            assertEquals(
                    1,
                    printed.lines()
                            .filter(line -> line.contains("vq4j runs on"))
                            .count(),
                    printed);
        }
        try (Stream<Path> files = Files.walk(cache)) {
            List<String> libraries = files.map(file -> file.getFileName().toString())
                    .filter(name -> name.endsWith(".so"))
                    .sorted()
                    .toList();
            assertTrue(
                    libraries.containsAll(List.of("libjnijavacpp.so", "libjnivq4j.so", "libvq4j.so")),
                    libraries.toString());
        }
    }

    @Test
    void whereTheHomeCannotBeWrittenTheFolderForTemporaryFilesServes() throws Exception {
        String printed = printed(start(List.of("-Duser.home=" + NOWHERE, "-Djava.io.tmpdir=" + folder), classPath()));
        assertTrue(printed.contains("codes 2"), printed);
        try (Stream<Path> files = Files.list(folder)) {
            assertEquals(1, files.count());
        }
    }

    @Test
    void whereNoFolderCanBeWrittenTheErrorNamesTheProperty() throws Exception {
        String printed = printed(start(List.of("-Duser.home=" + NOWHERE, "-Djava.io.tmpdir=" + NOWHERE), classPath()));
        String refused = line(printed, "refused ");
        assertTrue(refused.contains("does not load") && refused.contains(CACHE_PROPERTY), printed);
        assertTrue(line(printed, "CUDA ").contains(CACHE_PROPERTY), printed);
    }

    @Test
    void withoutTheJarOfThePlatformTheErrorNamesIt() throws Exception {
        String withoutLibraries = Stream.of(classPath().split(":"))
                .filter(entry -> !entry.matches(".*vq4j-core-.*-linux-x86_64\\.jar"))
                .reduce((all, entry) -> all + ":" + entry)
                .orElseThrow();
        String refused = line(printed(start(List.of(), withoutLibraries)), "refused ");
        assertTrue(refused.contains("not on the class path; add vq4j-core with classifier linux-x86_64"), refused);
    }

    private static String classPath() {
        return System.getProperty("java.class.path");
    }

    private static Process start(List<String> options, String classPath) throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(options);
        command.addAll(List.of("-cp", classPath, Child.class.getName()));
        return new ProcessBuilder(command).redirectErrorStream(true).start();
    }

    private static String printed(Process process) throws Exception {
        String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, process.waitFor(), printed);
        return printed;
    }

    private static String line(String printed, String start) {
        return printed.lines()
                .filter(line -> line.startsWith(start))
                .findFirst()
                .orElseThrow(() -> new AssertionError("no line \"" + start + "\" in " + printed));
    }
}
