package io.github.vq4j.benchmarks;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Writes the figures of reports into the README. */
@Command(
        name = "readme",
        mixinStandardHelpOptions = true,
        description = "Writes the figures of JSON files of compare into the README, between its markers.")
final class Readme implements Callable<Integer> {
    /** The reports that the README shows, from the root of the project. */
    static final List<String> SHOWN =
            List.of("benchmarks/results/cpu-epyc-zen3.json", "benchmarks/results/cpu-epyc-zen4.json");

    @Option(
            names = "--json",
            paramLabel = "FILE",
            description = "The figures of a machine; more than once for more of them, folded after the first"
                    + " (default: ${DEFAULT-VALUE}).")
    private List<String> json = SHOWN;

    @Option(
            names = "--readme",
            paramLabel = "FILE",
            defaultValue = "README.md",
            description = "The README (default: ${DEFAULT-VALUE}).")
    private Path readme;

    @Override
    public Integer call() throws IOException {
        String text = Files.readString(readme);
        Files.writeString(readme, ReadmeTable.into(text, tables(json, Path.of(""))));
        System.out.println("written: " + readme);
        return CommandLine.ExitCode.OK;
    }

    /** The tables of reports whose files are named from a folder. */
    static List<ReadmeTable> tables(List<String> sources, Path folder) throws IOException {
        List<ReadmeTable> tables = new ArrayList<>();
        for (String source : sources) {
            tables.add(new ReadmeTable(Report.read(folder.resolve(source)), source));
        }
        return tables;
    }
}
