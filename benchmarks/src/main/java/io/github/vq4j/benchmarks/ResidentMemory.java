package io.github.vq4j.benchmarks;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Resident memory of this process, as Linux counts it. */
final class ResidentMemory {
    private static final Path STATUS = Path.of("/proc/self/status");
    private static final Path CLEAR = Path.of("/proc/self/clear_refs");

    /** Written to {@link #CLEAR}, sets the peak to what is resident now. */
    private static final String RESET_PEAK = "5";

    private ResidentMemory() {}

    /**
     * Bytes by which a task raises the resident memory at its highest, over what is resident before. What the C allocator
     * keeps is given back first; memory that the task's library holds on to since earlier calls does not count.
     */
    static @Nullable Long growth(Runnable task) {
        MachineLimits.releaseFreeMemory();
        try {
            Files.writeString(CLEAR, RESET_PEAK);
            long before = kilobytes("VmRSS");
            task.run();
            return Math.max(0, kilobytes("VmHWM") - before) << 10;
        } catch (IOException notOffered) {
            return null;
        }
    }

    private static long kilobytes(String name) throws IOException {
        try (Stream<String> lines = Files.lines(STATUS)) {
            return lines.filter(line -> line.startsWith(name + ":"))
                    .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
                    .findFirst()
                    .orElseThrow(() -> new IOException(STATUS + " has no " + name));
        }
    }
}
