package io.github.vq4j.benchmarks;

import picocli.CommandLine;

/**
 * {@code java -jar benchmarks.jar compare} runs vq4j and its peers in one process and prints ratios; any other arguments
 * go to JMH's own command line.
 */
public final class Main {
    private Main() {}

    /**
     * Runs the command.
     *
     * @param arguments {@code compare} and its options, or JMH's
     * @throws Exception what JMH throws
     */
    public static void main(String[] arguments) throws Exception {
        if (arguments.length > 0 && arguments[0].equals("compare")) {
            String[] options = java.util.Arrays.copyOfRange(arguments, 1, arguments.length);
            System.exit(new CommandLine(new Compare()).execute(options));
        }
        org.openjdk.jmh.Main.main(arguments);
    }
}
