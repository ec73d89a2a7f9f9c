package io.github.vq4j.examples.autoencoder;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/** The figures of all runs, as a table and as JSON. */
final class Report {
    private static final String ROW = "%-22s %9s %11s %8s %10s %9s %8s%n";

    private Report() {}

    /** A table for a terminal. */
    static String table(List<RunResult> runs) {
        StringBuilder table = new StringBuilder();
        table.append(row("", "task loss", "commitment", "active", "perplexity", "test loss", "seconds"));
        for (RunResult run : runs) {
            RunSummary figures = run.summary();
            table.append(row(
                    run.method().title(),
                    number("%.4f", figures.taskLoss()),
                    number("%.4f", figures.commitmentLoss()),
                    number("%.1f %%", figures.activePercent()),
                    number("%.1f", figures.perplexity()),
                    number("%.4f", figures.testLoss()),
                    number("%.1f", figures.seconds())));
        }
        return table.toString();
    }

    /** Writes the list of summaries. */
    static void write(List<RunResult> runs, Path file) throws IOException {
        new ObjectMapper()
                .enable(SerializationFeature.INDENT_OUTPUT)
                .writeValue(file.toFile(), runs.stream().map(RunResult::summary).toList());
    }

    private static String row(Object... cells) {
        return String.format(Locale.ROOT, ROW, cells);
    }

    private static String number(String format, double value) {
        return String.format(Locale.ROOT, format, value);
    }
}
