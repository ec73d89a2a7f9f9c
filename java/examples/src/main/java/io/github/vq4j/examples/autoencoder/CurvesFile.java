package io.github.vq4j.examples.autoencoder;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** The curves of all runs as CSV: one line for every ten iterations, with their means. */
final class CurvesFile {
    private static final int WINDOW = 10;

    private CurvesFile() {}

    /** Columns: the last iteration of the line, then the task loss and the percentage of active codes of every method. */
    static void write(List<RunResult> runs, Path file) throws IOException {
        List<String> lines = new ArrayList<>();
        StringBuilder header = new StringBuilder("iteration");
        for (RunResult run : runs) {
            String name = run.method().key();
            header.append(',').append(name).append(".taskLoss,").append(name).append(".activePercent");
        }
        lines.add(header.toString());
        int iterations = runs.get(0).summary().iterations();
        for (int from = 0; from < iterations; from += WINDOW) {
            int to = Math.min(from + WINDOW, iterations);
            StringBuilder line = new StringBuilder().append(to);
            for (RunResult run : runs) {
                line.append(String.format(
                        Locale.ROOT,
                        ",%.4f,%.2f",
                        mean(run.curves().taskLoss, from, to),
                        mean(run.curves().activePercent, from, to)));
            }
            lines.add(line.toString());
        }
        Files.write(file, lines);
    }

    private static double mean(double[] curve, int from, int to) {
        return Arrays.stream(curve, from, to).average().orElseThrow();
    }
}
