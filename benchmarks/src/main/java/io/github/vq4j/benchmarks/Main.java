package io.github.vq4j.benchmarks;

import io.github.vq4j.cli.FailureMessage;
import java.io.IOException;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** Comparison with peers, the README's figures, and JMH. */
@Command(
        name = "benchmarks.jar",
        mixinStandardHelpOptions = true,
        subcommands = {Compare.class, Readme.class},
        synopsisSubcommandLabel = "(compare | readme | JMH's arguments)",
        footer = {
            "",
            "Any other arguments go to JMH. It knows every operation that Java calls:",
            "  java -jar benchmarks.jar -l                          lists the benchmarks",
            "  java -jar benchmarks.jar AssignmentBenchmark         runs a class of them",
            "  java -jar benchmarks.jar GradientsBenchmark.scatter  runs one",
            "  java -jar benchmarks.jar scatter -p rows=65536 -p features=32 -f 1 -wi 2 -i 5",
            "                                                       with parameters, forks and iterations",
            "  java -jar benchmarks.jar -h                          tells JMH's options"
        })
public final class Main implements Runnable {
    private Main() {}

    /**
     * Runs the command.
     *
     * @param arguments a subcommand and its options, {@code --help}, or JMH's
     * @throws Exception what JMH throws
     */
    public static void main(String[] arguments) throws Exception {
        CommandLine commands = commandLine();
        boolean ours = arguments.length == 0
                || List.of("--help", "--version", "-V").contains(arguments[0])
                || commands.getSubcommands().containsKey(arguments[0]);
        if (arguments.length > 0 && arguments[0].equals("compare")) {
            Integer status = PeersAtTheirBest.restarted(Main.class, arguments);
            if (status != null) {
                System.exit(status);
            }
        }
        if (ours) {
            System.exit(commands.execute(arguments));
        }
        org.openjdk.jmh.Main.main(arguments);
    }

    /** What is wrong with files or options is one line, not a stack trace. */
    static CommandLine commandLine() {
        return new CommandLine(new Main())
                .setCaseInsensitiveEnumValuesAllowed(true)
                .setExecutionExceptionHandler((failure, command, parsed) -> {
                    if (!(failure instanceof IOException || failure instanceof IllegalArgumentException)) {
                        throw failure;
                    }
                    command.getErr().println(FailureMessage.of(failure));
                    return command.getCommandSpec().exitCodeOnExecutionException();
                });
    }

    /** Without a command. */
    @Override
    public void run() {
        CommandLine.usage(this, System.out);
    }
}
