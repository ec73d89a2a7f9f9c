package io.github.vq4j.jars;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.module.ModuleDescriptor;
import java.lang.module.ModuleFinder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.jar.Attributes;
import java.util.jar.JarFile;
import java.util.zip.ZipEntry;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** What every published jar is and has. */
class JarsTest {
    @Test
    void theModulesAreFound() {
        List<String> names =
                PublishedModule.ALL.stream().map(PublishedModule::artifactId).toList();
        assertTrue(
                names.containsAll(List.of("vq4j-core", "vq4j-bom", "vq4j-platform", "vq4j-torch")), names.toString());
        assertFalse(names.contains("vq4j-examples"), names.toString());
    }

    @TestFactory
    List<DynamicTest> everyModuleHasItsJars() {
        return PublishedModule.ALL.stream()
                .filter(module -> !module.jars().isEmpty())
                .map(module -> DynamicTest.dynamicTest(module.artifactId(), () -> {
                    assertTrue(module.jars().containsKey(""), "no main jar: " + module.jars());
                    assertTrue(module.jars().containsKey("sources"), "no sources jar: " + module.jars());
                    assertTrue(
                            !Boolean.getBoolean("vq4j.javadoc") || module.jars().containsKey("javadoc"),
                            "no Javadoc jar: " + module.jars());
                }))
                .toList();
    }

    /** Javadoc's own files have their licences beside them. */
    @TestFactory
    List<DynamicTest> everyJarHasLicenceAndNotice() {
        return PublishedModule.ALL.stream()
                .flatMap(module -> module.jars().entrySet().stream())
                .filter(jar -> !jar.getKey().equals("javadoc"))
                .map(jar -> DynamicTest.dynamicTest(jar.getValue().getFileName().toString(), () -> {
                    Map<String, byte[]> entries = entries(jar.getValue());
                    for (String name : List.of("LICENSE", "NOTICE")) {
                        byte[] expected = Files.readAllBytes(PublishedModule.ROOT.resolve(name));
                        byte[] found = entries.get("META-INF/" + name);
                        assertEquals(
                                new String(expected, StandardCharsets.UTF_8),
                                found == null ? "none" : new String(found, StandardCharsets.UTF_8),
                                name);
                    }
                }))
                .toList();
    }

    /** Of two jars with one name, the module path takes one; a name made of the file's would change with it. */
    @Test
    void everyJarHasAModuleNameOfItsOwn() {
        Map<String, Path> byName = new HashMap<>();
        assertAll(PublishedModule.ALL.stream()
                .flatMap(module -> module.programJars().values().stream())
                .map(jar -> () -> {
                    ModuleDescriptor module =
                            ModuleFinder.of(jar).findAll().iterator().next().descriptor();
                    assertTrue(
                            !module.isAutomatic() || manifest(jar).getValue("Automatic-Module-Name") != null,
                            jar + " has neither a module descriptor nor an Automatic-Module-Name");
                    assertTrue(module.name().startsWith("io.github.vq4j."), module.name());
                    assertNull(byName.put(module.name(), jar), module.name() + " is also " + jar);
                }));
    }

    @Test
    void theBomNamesEveryModule() {
        List<String> managed = PublishedModule.managedBy(PublishedModule.ROOT.resolve("java/bom/pom.xml"));
        assertEquals(
                PublishedModule.ALL.stream()
                        .filter(module -> !module.jars().isEmpty())
                        .map(PublishedModule::artifactId)
                        .sorted()
                        .toList(),
                managed.stream().sorted().distinct().toList());
    }

    /** The folder of the build, and the home of the user who built. */
    @Test
    void noJarHasAPathOfTheBuildMachineInIt() {
        List<String> paths = List.of(PublishedModule.ROOT.toString(), System.getProperty("user.home") + "/");
        assertAll(PublishedModule.ALL.stream()
                .flatMap(module -> module.jars().values().stream())
                .map(jar -> () -> entries(jar).forEach((name, content) -> {
                    String text = new String(content, StandardCharsets.ISO_8859_1);
                    paths.forEach(path -> assertFalse(text.contains(path), jar + "!" + name + " has " + path));
                })));
    }

    /** Messages go to SLF4J; the command line alone prints. */
    @Test
    void noLibraryPrintsOrBringsALoggerOfItsOwn() {
        List<String> others =
                List.of("java/io/PrintStream", "java/util/logging", "org/apache/log4j", "printStackTrace");
        assertAll(PublishedModule.ALL.stream()
                .filter(module -> !module.artifactId().equals("vq4j-cli"))
                .flatMap(module -> module.programJars().values().stream())
                .map(jar -> () -> entries(jar).forEach((name, content) -> {
                    String text = name.endsWith(".class") ? new String(content, StandardCharsets.ISO_8859_1) : "";
                    others.forEach(other -> assertFalse(text.contains(other), jar + "!" + name + " uses " + other));
                })));
    }

    /** A jar's files by their names. */
    static Map<String, byte[]> entries(Path file) {
        Map<String, byte[]> found = new TreeMap<>();
        try (JarFile jar = new JarFile(file.toFile())) {
            for (ZipEntry entry : (Iterable<ZipEntry>) jar.stream().<ZipEntry>map(each -> each)::iterator) {
                found.put(entry.getName(), jar.getInputStream(entry).readAllBytes());
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return found;
    }

    private static Attributes manifest(Path file) throws IOException {
        try (JarFile jar = new JarFile(file.toFile())) {
            return jar.getManifest().getMainAttributes();
        }
    }
}
