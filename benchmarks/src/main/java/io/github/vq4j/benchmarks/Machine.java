package io.github.vq4j.benchmarks;

import io.github.vq4j.Backend;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/**
 * The machine that figures come from.
 *
 * @param processor as the system calls it
 * @param cores that this process may use
 * @param instructionSet the one that vq4j's kernels use
 * @param memoryBytes of the whole machine; 0 if unknown
 * @param system name and release of the operating system
 * @param jdk vendor and version
 */
record Machine(String processor, int cores, String instructionSet, long memoryBytes, String system, String jdk) {
    /** This one. */
    static Machine here() {
        return new Machine(
                valueOf("/proc/cpuinfo", "model name", "unknown processor"),
                Runtime.getRuntime().availableProcessors(),
                Backend.cpu().description().replaceAll(",.*", ""),
                Long.parseLong(valueOf("/proc/meminfo", "MemTotal", "0").replaceAll("\\D", "")) << 10,
                System.getProperty("os.name") + " " + System.getProperty("os.version"),
                System.getProperty("java.vm.vendor") + " " + System.getProperty("java.runtime.version"));
    }

    private static String valueOf(String file, String name, String otherwise) {
        try (Stream<String> lines = Files.lines(Path.of(file))) {
            return lines.filter(line -> line.startsWith(name))
                    .map(line -> line.substring(line.indexOf(':') + 1).strip())
                    .findFirst()
                    .orElse(otherwise);
        } catch (IOException unreadable) {
            return otherwise;
        }
    }
}
