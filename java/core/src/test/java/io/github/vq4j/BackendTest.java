package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/** The choice of the backend. Choices are made once in a process: these tests start processes of their own. */
class BackendTest {
    /** What a process prints; it runs a layer to show that the backend works. */
    public static final class Child {
        private Child() {}

        public static void main(String[] arguments) {
            System.out.println("why " + Backend.whyNoCuda().orElse(""));
            try {
                Backend.cuda(0);
                System.out.println("cuda works");
            } catch (IllegalStateException none) {
                System.out.println("cuda refused " + none.getMessage());
            }
            try {
                Backend best = Backend.best();
                try (VectorQuant layer = VectorQuant.builder(4, 4).build()) {
                    layer.encode(Tensor.of(new float[8], 2, 4)).close();
                }
                System.out.println("best " + best.name() + " threads " + Backend.cpuThreads());
            } catch (RuntimeException refused) {
                System.out.println("best refused " + refused.getMessage());
            }
        }
    }

    @Test
    void theCpuIsThere() {
        Backend cpu = Backend.cpu();
        assertEquals("cpu", cpu.name());
        assertEquals(Device.HOST, cpu.device());
        assertTrue(cpu.description().endsWith(Backend.cpuThreads() + " threads"), cpu.description());
        assertEquals(cpu, Backend.cpu());
    }

    @Test
    void threadsCanBeSet() {
        int before = Backend.cpuThreads();
        Backend.setCpuThreads(3);
        assertEquals(3, Backend.cpuThreads());
        Backend.setCpuThreads(before);
        String message = assertThrows(IllegalArgumentException.class, () -> Backend.setCpuThreads(0))
                .getMessage();
        assertTrue(message.contains("threads"), message);
        assertEquals(before, Backend.cpuThreads());
    }

    /** Without the host run of the CUDA sources on its path a process finds the machine as it is. */
    @Test
    void whereThereIsNoCudaAReasonIsGivenAndTheCpuWorks() throws Exception {
        List<String> lines = child();
        String why = line(lines, "why ");
        if (why.isEmpty()) {
            assertTrue(lines.contains("cuda works"), lines.toString());
            assertTrue(line(lines, "best ").startsWith("cuda:0"), lines.toString());
        } else {
            assertTrue(why.contains("CUDA") && why.contains(" "), why);
            assertTrue(line(lines, "cuda refused ").contains(why), lines.toString());
            assertTrue(line(lines, "best ").startsWith("cpu"), lines.toString());
        }
    }

    @Test
    void thePropertyForcesTheCpu() throws Exception {
        assertTrue(
                line(child("-Dvq4j.backend=cpu", "-Dvq4j.threads=3"), "best ").startsWith("cpu threads 3"));
    }

    @Test
    void askingForCudaWhereThereIsNoneSaysWhy() throws Exception {
        List<String> lines = child("-Dvq4j.backend=cuda");
        String why = line(lines, "why ");
        if (why.isEmpty()) {
            assertTrue(line(lines, "best ").startsWith("cuda:0"), lines.toString());
        } else {
            assertTrue(line(lines, "best refused ").contains(why), lines.toString());
        }
    }

    /** As in a container whose share of the processors is smaller than their number. */
    @Test
    void thereAreNoMoreThreadsThanProcessorsOfTheJvm() throws Exception {
        assertEquals("cpu threads 1", line(child("-Dvq4j.backend=cpu", "-XX:ActiveProcessorCount=1"), "best "));
    }

    @Test
    void badPropertiesAreRefused() throws Exception {
        assertTrue(line(child("-Dvq4j.backend=gpu"), "best refused ").contains("got \"gpu\""));
        assertTrue(line(child("-Dvq4j.backend=cpu", "-Dvq4j.threads=many"), "best refused ")
                .contains("got \"many\""));
        assertTrue(line(child("-Dvq4j.backend=cpu", "-Dvq4j.threads=0"), "best refused ")
                .contains("vq4j.threads"));
    }

    @Test
    void oneLineTellsTheChoiceAndItsReason() throws Exception {
        List<String> lines = child("-Dvq4j.backend=cpu", "-Dorg.slf4j.simpleLogger.log.io.github.vq4j=info");
        List<String> logged =
                lines.stream().filter(line -> line.contains("vq4j runs on")).toList();
        assertEquals(1, logged.size(), lines.toString());
        assertTrue(logged.get(0).contains("cpu") && logged.get(0).contains("vq4j.backend = cpu"), logged.get(0));
    }

    /** So that the tests of both backends cannot pass by testing one. */
    @Test
    @EnabledIfSystemProperty(named = "vq4j.test.hostRun", matches = ".+")
    void theHostRunOfTheCudaSourcesIsTested() {
        assertEquals(
                2,
                Backends.all().size(),
                () -> "no CUDA: " + Backend.whyNoCuda().orElse(""));
        Backend cuda = Backend.cuda(0);
        assertEquals("cuda:0", cuda.name());
        assertEquals(Device.CUDA, cuda.device());
        assertFalse(cuda.description().isEmpty());
        assertNotEquals(Backend.cpu(), cuda);
        assertThrows(IllegalArgumentException.class, () -> Backend.cuda(-1));
        assertThrows(IllegalArgumentException.class, () -> Backend.cuda(1000));
    }

    @Test
    @EnabledIfSystemProperty(named = "vq4j.test.hostRun", matches = ".+")
    void aStreamThatIsAnotherOneInEachThreadIsRefused() {
        Backend cuda = Backend.cuda(0);
        String message = assertThrows(IllegalArgumentException.class, () -> cuda.onStream(2))
                .getMessage();
        assertTrue(message.contains("cudaStreamPerThread") && message.contains("cudaStreamCreate"), message);
        assertEquals(cuda, cuda.onStream(0));
    }

    @Test
    void withoutALibraryTheReasonNamesOnlyWhatExists() {
        assertEquals(
                "the native library of vq4j for linux-x86_64 is not on the class path;"
                        + " add vq4j-core with classifier linux-x86_64, or vq4j-platform",
                Backend.withoutLibrary("linux-x86_64"));
        assertEquals(
                "the native library of vq4j for linux-arm64 is not on the class path;"
                        + " add vq4j-core with classifier linux-arm64, which has to be built from source",
                Backend.withoutLibrary("linux-arm64"));
        assertEquals(
                "there are native libraries of vq4j for linux-x86_64 and linux-arm64 only, and this is macosx-arm64",
                Backend.withoutLibrary("macosx-arm64"));
    }

    /** JDK 24 and newer, with --illegal-native-access=deny. */
    @Test
    void aJvmThatDeniesNativeAccessIsToldFromALibraryThatDoesNotLoad() {
        IllegalCallerException denied =
                new IllegalCallerException("Illegal native access from module io.github.vq4j.core");
        ExceptionInInitializerError byJavacpp = new ExceptionInInitializerError(denied);
        assertSame(denied, Backend.failureOf(() -> {
            throw denied;
        }));
        assertSame(byJavacpp, Backend.failureOf(() -> {
            throw byJavacpp;
        }));
        assertNull(Backend.failureOf(() -> {}));
        for (Throwable failure : List.of(denied, byJavacpp)) {
            assertEquals(
                    "the JVM denies native access (Illegal native access from module io.github.vq4j.core); start it with"
                            + " --enable-native-access=ALL-UNNAMED, or, where vq4j is on the module path, with"
                            + " --enable-native-access=org.bytedeco.javacpp,io.github.vq4j.core",
                    Backend.whyNotLoaded(failure));
        }
    }

    @Test
    void withoutCudaKernelsTheReasonNamesOnlyWhatExists() {
        assertEquals(
                "the CUDA kernels are not on the class path or do not load (no jnivq4j_cuda);"
                        + " add vq4j-core with classifier linux-x86_64-gpu",
                Backend.withoutCudaKernels("linux-x86_64", "no jnivq4j_cuda"));
        assertEquals(
                "there are CUDA kernels for linux-x86_64 only, and this is linux-arm64",
                Backend.withoutCudaKernels("linux-arm64", "no jnivq4j_cuda"));
    }

    private static List<String> child(String... options) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of(options));
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), Child.class.getName()));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, process.waitFor(), printed);
        return printed.lines().toList();
    }

    private static String line(List<String> lines, String start) {
        return lines.stream()
                .filter(line -> line.startsWith(start))
                .map(line -> line.substring(start.length()))
                .findFirst()
                .orElseThrow(() -> new AssertionError("no line \"" + start + "\" in " + lines));
    }
}
