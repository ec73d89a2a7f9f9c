package io.github.vq4j.benchmarks;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Writes the figures of a report into the README. */
@Command(
        name = "readme",
        mixinStandardHelpOptions = true,
        description = "Writes the figures of a JSON file of compare into the README, between its markers.")
final class Readme implements Callable<Integer> {
    /** The report that the README shows, from the root of the project. */
    static final String SHOWN = "benchmarks/results/cpu-epyc-zen4.json";

    @Option(
            names = "--json",
            paramLabel = "FILE",
            defaultValue = SHOWN,
            description = "The figures (default: ${DEFAULT-VALUE}).")
    private Path json;

    @Option(
            names = "--readme",
            paramLabel = "FILE",
            defaultValue = "README.md",
            description = "The README (default: ${DEFAULT-VALUE}).")
    private Path readme;

    @Override
    public Integer call() throws IOException {
        String text = Files.readString(readme);
        Files.writeString(readme, new ReadmeTable(Report.read(json), json.toString()).into(text));
        System.out.println("written: " + readme);
        return CommandLine.ExitCode.OK;
    }
}
