package io.github.vq4j.benchmarks;

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
        CommandLine commands = new CommandLine(new Main()).setCaseInsensitiveEnumValuesAllowed(true);
        boolean ours = arguments.length == 0
                || arguments[0].equals("--help")
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

    /** Without a command. */
    @Override
    public void run() {
        CommandLine.usage(this, System.out);
    }
}
