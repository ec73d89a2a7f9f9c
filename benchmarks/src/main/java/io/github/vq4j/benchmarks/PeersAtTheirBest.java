package io.github.vq4j.benchmarks;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The environment in which peers are fastest. It is read when a process starts, so that a program that was started without
 * starts itself again.
 */
final class PeersAtTheirBest {
    /**
     * PASSIVE: OpenMP's idle threads sleep; where they spin on the cores that the others work on, libtorch takes 17 ms instead
     * of 0.4 for the codes of 64 rows on two cores. MALLOC: glibc keeps the memory of a call for the next, instead of new
     * pages from the kernel each time; in one arena, because those of threads, which Java's all are, end at 64 MiB.
     */
    private static final Map<String, String> ENVIRONMENT = Map.of(
            "OMP_WAIT_POLICY", "PASSIVE",
            "MALLOC_ARENA_MAX", "1",
            "MALLOC_MMAP_THRESHOLD_", "1073741824",
            "MALLOC_TRIM_THRESHOLD_", "1073741824");

    private PeersAtTheirBest() {}

    /**
     * Runs this program in that environment.
     *
     * @return its exit status; null where this process has the environment already
     */
    static @Nullable Integer restarted(Class<?> main, String[] arguments) throws IOException, InterruptedException {
        if (System.getenv().keySet().containsAll(ENVIRONMENT.keySet())) {
            return null;
        }
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
        String classPath = System.getProperty("java.class.path");
        // A jar's manifest has options of the virtual machine, which count with -jar only.
        command.addAll(
                classPath.endsWith(".jar") && !classPath.contains(java.io.File.pathSeparator)
                        ? List.of("-jar", classPath)
                        : List.of("-cp", classPath, main.getName()));
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command).inheritIO();
        ENVIRONMENT.forEach(builder.environment()::putIfAbsent);
        return builder.start().waitFor();
    }
}
