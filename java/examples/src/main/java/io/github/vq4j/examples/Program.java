package io.github.vq4j.examples;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import picocli.CommandLine;

/** How the examples are run from a command line. */
public final class Program {
    private Program() {}

    /**
     * The command line of a command, which exits with 0, with 1 after a failure, or with 2 when the options are wrong. Wrong
     * options and files that are missing, wrong or not writable are a line on the error output, not a stack trace.
     */
    public static CommandLine of(Object command) {
        return new CommandLine(command)
                .setParameterExceptionHandler((wrong, arguments) -> {
                    PrintWriter err = wrong.getCommandLine().getErr();
                    err.println("error: " + wrong.getMessage());
                    err.println("--help lists the options");
                    return CommandLine.ExitCode.USAGE;
                })
                .setExecutionExceptionHandler((failure, line, parsed) -> {
                    if (!(failure instanceof IOException)) {
                        throw failure;
                    }
                    line.getErr().println("error: " + failure.getMessage());
                    return CommandLine.ExitCode.SOFTWARE;
                });
    }

    /** Makes the folder of an option --output. */
    public static void createOutputFolder(Path output) throws IOException {
        try {
            Files.createDirectories(output);
        } catch (IOException failure) {
            throw new IOException("need a folder for results, --output, that can be made, got " + output, failure);
        }
    }
}
