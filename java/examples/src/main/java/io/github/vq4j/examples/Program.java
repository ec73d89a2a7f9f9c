package io.github.vq4j.examples;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
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
                    if (!(failure instanceof IOException || failure instanceof InvalidPathException)) {
                        throw failure;
                    }
                    line.getErr().println("error: " + message(failure));
                    return CommandLine.ExitCode.SOFTWARE;
                });
    }

    /** In words: the messages of some failures of files are a path and nothing else. */
    private static String message(Exception failure) {
        if (failure instanceof NoSuchFileException missing) {
            return "there is no file " + missing.getFile();
        }
        if (failure instanceof InvalidPathException notAPath) {
            return notAPath.getMessage() + "; need letters of the locale, LC_ALL or LANG, in the name of a file";
        }
        return failure instanceof AccessDeniedException denied && denied.getReason() == null
                ? "no permission for " + denied.getFile()
                : failure.getMessage();
    }

    /** Makes the folder of an option --output, and sees that files can be made in it: results take minutes. */
    public static void createOutputFolder(Path output) throws IOException {
        try {
            Files.createDirectories(output);
        } catch (IOException failure) {
            throw new IOException("need a folder for results, --output, that can be made, got " + output, failure);
        }
        try {
            Files.delete(Files.createTempFile(output, "results", null));
        } catch (IOException failure) {
            throw new IOException(
                    "need a folder for results, --output, that files can be made in, got " + output, failure);
        }
    }
}
