package io.github.vq4j.jars;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The metadata that GraalVM's native-image finds in the API jar: it must name what JavaCPP's bindings look up. */
class ReachabilityTest {
    private static final String FILE = "META-INF/native-image/io.github.vq4j/vq4j-core/reachability-metadata.json";

    private final PublishedModule core = PublishedModule.ALL.stream()
            .filter(module -> module.artifactId().equals("vq4j-core"))
            .findFirst()
            .orElseThrow();
    private final JsonNode metadata;

    ReachabilityTest() throws IOException {
        metadata = new ObjectMapper()
                .readTree(JarsTest.entries(core.jars().get("")).get(FILE));
    }

    /** JavaCPP writes the list when it builds the bindings. */
    @Test
    void itNamesTheClassesThatTheBindingsLookUpAndNoOthers() throws IOException {
        Set<String> needed = new TreeSet<>();
        try (Stream<Path> files = Files.walk(core.folder().resolve("target/reachability"))) {
            for (Path file : (Iterable<Path>) files.filter(
                    each -> each.toString().matches(".*/jnivq4j(_cuda)?/(jni|reflect)-config\\.json"))::iterator) {
                new ObjectMapper()
                        .readTree(file.toFile())
                        .forEach(entry -> needed.add(entry.get("name").asText()));
            }
        }
        assertFalse(needed.isEmpty());
        Set<String> named = new TreeSet<>();
        metadata.get("reflection").forEach(entry -> {
            String type = entry.get("type").asText();
            assertTrue(entry.get("jniAccessible").asBoolean(), type);
            assertDoesNotThrow(() -> Class.forName(type, false, getClass().getClassLoader()), type);
            named.add(type);
        });
        assertEquals(needed, named);
    }

    @Test
    void itNamesEveryLibraryOfTheJars() {
        List<String> libraries = core.programJars().values().stream()
                .flatMap(jar -> JarsTest.entries(jar).keySet().stream())
                .filter(name -> name.endsWith(".so"))
                .toList();
        assertFalse(libraries.isEmpty());
        for (String library : libraries) {
            assertTrue(
                    metadata.get("resources").findValuesAsText("glob").stream()
                            .anyMatch(glob -> FileSystems.getDefault()
                                    .getPathMatcher("glob:" + glob)
                                    .matches(Path.of(library))),
                    library);
        }
    }
}
