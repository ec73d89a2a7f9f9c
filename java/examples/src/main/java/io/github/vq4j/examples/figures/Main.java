package io.github.vq4j.examples.figures;

import io.github.vq4j.examples.Program;
import io.github.vq4j.examples.autoencoder.EmbeddingCommand;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The program that draws figures of the paper and of the documentation. */
@Command(
        name = "figures",
        sortOptions = false,
        usageHelpWidth = 100,
        usageHelpAutoWidth = true,
        subcommands = {TrajectoriesCommand.class, CodebooksCommand.class, RatesCommand.class, EmbeddingCommand.class},
        description =
                "Draws figures of the paper and of the documentation: the one that is named, with its own options, or all"
                        + " of them.",
        footer = "NAME --help lists the options of a figure.")
public final class Main implements Callable<Integer> {
    @Option(names = "--help", usageHelp = true, description = "Prints this.")
    private boolean help;

    @Spec
    private CommandSpec command;

    /**
     * Runs the command and exits: with 0, with 1 after a failure, or with 2 when the options are wrong.
     *
     * @param arguments a figure's name and its options, or nothing
     */
    public static void main(String[] arguments) {
        System.exit(commandLine().execute(arguments));
    }

    /** The command, for tests too. */
    static CommandLine commandLine() {
        return Program.of(new Main());
    }

    @Override
    public Integer call() {
        for (CommandLine figure : command.subcommands().values()) {
            int exitCode = figure.execute();
            if (exitCode != CommandLine.ExitCode.OK) {
                return exitCode;
            }
        }
        return CommandLine.ExitCode.OK;
    }
}
