package io.github.vq4j.jars;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.BiConsumer;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** The shared libraries inside the finished jars: what they show, what they need of a machine. */
class SharedLibrariesTest {
    /** Of these versions and older: Debian 12, Ubuntu 22.04, RHEL 9, Amazon Linux 2023. */
    private static final String NEWEST_GLIBC_NEEDED = "2.34";

    /** JNI libraries take libstdc++ from the machine, as JavaCPP's own library does, of GCC 5 and later. */
    private static final Map<String, String> NEWEST_NEEDED =
            Map.of("GLIBC", NEWEST_GLIBC_NEEDED, "GLIBCXX", "3.4.19", "CXXABI", "1.3.9", "GCC", "4.2.0");

    private static final Pattern OF_THE_SYSTEM =
            Pattern.compile("libc\\.so\\.6|libm\\.so\\.6|libgcc_s\\.so\\.1|ld-linux-.*\\.so\\.\\d");

    private static final Map<String, SharedLibrary> ALL = all();

    @Test
    void theCpuLibraryAndItsBindingsAreThere() {
        for (String name : List.of("libvq4j.so", "libjnivq4j.so", "libjnivq4j_cuda.so")) {
            assertTrue(ALL.keySet().stream().anyMatch(file -> file.endsWith("/" + name)), name + " in " + ALL.keySet());
        }
    }

    @Test
    void kernelLibrariesExportTheCApiOnly() {
        check(name -> !isBinding(name), (name, library) -> {
            assertFalse(library.exported().isEmpty(), name + " exports nothing");
            library.exported().forEach(symbol -> assertTrue(symbol.startsWith("vq4j_"), name + " exports " + symbol));
        });
    }

    @Test
    void bindingsExportJavasEntryPointsOnly() {
        check(SharedLibrariesTest::isBinding, (name, library) -> {
            assertFalse(library.exported().isEmpty(), name + " exports nothing");
            library.exported()
                    .forEach(symbol -> assertTrue(symbol.matches("(JNI|Java)_.*"), name + " exports " + symbol));
        });
    }

    @Test
    void librariesAreSearchedBesideThemselvesOnly() {
        check(
                name -> true,
                (name, library) -> assertTrue(
                        List.of("", "$ORIGIN", "$ORIGIN/").contains(library.runpath()),
                        name + " has RUNPATH " + library.runpath()));
    }

    /** The class loader that loaded one may be collected, as that of a web application; its threads run on. */
    @Test
    void kernelLibrariesStayInTheProcess() {
        check(name -> !isBinding(name), (name, library) -> assertTrue(library.stays(), name + " can be unloaded"));
    }

    @Test
    void onlyTheCLibraryIsNeededOfTheMachine() {
        check(name -> true, (name, library) -> library.needed()
                .forEach(needed -> assertTrue(
                        OF_THE_SYSTEM.matcher(needed).matches()
                                || isBinding(name)
                                        && (needed.equals("libstdc++.so.6")
                                                || needed.equals(
                                                        simpleName(name).replace("libjni", "lib"))),
                        name + " needs " + needed)));
    }

    /** Libraries from the toolchain of a newer system need that system: only builds on Debian 12 or older are published. */
    @Test
    void noNewerCLibraryIsNeededThanTheOldestServed() throws IOException {
        String here = new String(
                        new ProcessBuilder("getconf", "GNU_LIBC_VERSION")
                                .start()
                                .getInputStream()
                                .readAllBytes(),
                        StandardCharsets.UTF_8)
                .strip()
                .replace("glibc ", "");
        assumeTrue(
                here.matches("[\\d.]+") && NEWEST_FIRST.compare(here, "2.36") <= 0,
                "built on glibc " + here + ", not on Debian 12's 2.36: not for publication");
        check(name -> true, (name, library) -> library.versions().forEach(needed -> {
            String[] parts = needed.split("_", 2);
            String newest = NEWEST_NEEDED.get(parts[0]);
            assertTrue(
                    newest != null && NEWEST_FIRST.compare(parts[1], newest) <= 0,
                    name + " needs " + needed + ", more than " + parts[0] + "_" + newest);
        }));
    }

    @Test
    void librariesAreOfTheMachineThatTheirFolderNames() {
        check(
                name -> true,
                (name, library) ->
                        assertEquals(name.contains("/linux-arm64/") ? "aarch64" : "x86_64", library.machine(), name));
    }

    private static final Comparator<String> NEWEST_FIRST = (a, b) -> Arrays.compare(numbers(a), numbers(b));

    private static int[] numbers(String version) {
        return Arrays.stream(version.split("\\.")).mapToInt(Integer::parseInt).toArray();
    }

    private static boolean isBinding(String name) {
        return simpleName(name).startsWith("libjni");
    }

    private static String simpleName(String name) {
        return name.substring(name.lastIndexOf('/') + 1);
    }

    private static void check(Predicate<String> which, BiConsumer<String, SharedLibrary> holds) {
        assertAll(ALL.entrySet().stream()
                .filter(entry -> which.test(entry.getKey()))
                .map(entry -> (Executable) () -> holds.accept(entry.getKey(), entry.getValue())));
    }

    /** By jar and path in it. */
    private static Map<String, SharedLibrary> all() {
        Map<String, SharedLibrary> found = new TreeMap<>();
        for (PublishedModule module : PublishedModule.ALL) {
            module.programJars().values().forEach(jar -> JarsTest.entries(jar).forEach((name, content) -> {
                if (name.endsWith(".so")) {
                    found.put(jar.getFileName() + "!/" + name, SharedLibrary.read(content));
                }
            }));
        }
        return found;
    }
}
