package io.github.vq4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

class UnclosedResultsTest {
    private static final int HEAP_MEBIBYTES = 64;

    @Test
    @EnabledOnOs(OS.LINUX)
    void takeNoMoreMemoryThanTheHeapMayAndWhatAProcessTakes() throws Exception {
        checkMemoryOf("calm");
    }

    @Test
    @EnabledOnOs(OS.LINUX)
    void takeNoMoreInAThreadThatIsInterrupted() throws Exception {
        checkMemoryOf("interrupted");
    }

    private static void checkMemoryOf(String thread) throws Exception {
        List<String> command = List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx" + HEAP_MEBIBYTES + "m",
                "-cp",
                System.getProperty("java.class.path"),
                Child.class.getName(),
                thread);
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, process.waitFor(), printed);
        long mebibytes = Long.parseLong(printed.strip()) >> 10;
        assertTrue(mebibytes < 500, mebibytes + " MiB for a heap of " + HEAP_MEBIBYTES + " MiB");
    }

    /** Forgets 2 GiB of results; prints the most memory that the process ever had, in KiB. */
    static final class Child {
        @SuppressWarnings("resource")
        public static void main(String[] arguments) throws IOException {
            Tensor z = Tensor.of(new float[4096 * 64], 4096, 64);
            VectorQuant layer =
                    VectorQuant.builder(64, 4).dim(-1).backend(Backend.cpu()).build();
            boolean isInterrupted = arguments[0].equals("interrupted");
            if (isInterrupted) {
                Thread.currentThread().interrupt();
            }
            for (long bytes = 0; bytes < 2L << 30; bytes += 2 * 4096 * 64 * Float.BYTES) {
                layer.forward(z);
                layer.backward(null, 1);
            }
            if (Thread.interrupted() != isInterrupted) {
                throw new AssertionError("the interrupt is gone, or was none");
            }
            String most = Files.readAllLines(Path.of("/proc/self/status")).stream()
                    .filter(line -> line.startsWith("VmHWM:"))
                    .findFirst()
                    .orElseThrow();
            System.out.println(most.replaceAll("\\D", ""));
        }
    }
}
