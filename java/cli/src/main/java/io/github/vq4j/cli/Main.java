package io.github.vq4j.cli;

import picocli.CommandLine;
import picocli.CommandLine.Command;

/** {@code vq4j}: compresses files of vectors by vector quantization. */
@Command(
        name = "vq4j",
        description = "Compresses files of vectors by vector quantization.",
        mixinStandardHelpOptions = true,
        version = "vq4j 0.1.0-SNAPSHOT",
        synopsisSubcommandLabel = "COMMAND",
        subcommands = {
            FitCommand.class,
            EncodeCommand.class,
            DecodeCommand.class,
            InspectCommand.class,
            PlotCommand.class,
            BenchCommand.class,
            CommandLine.HelpCommand.class
        },
        footer = {
            "",
            "A whole example:",
            "  vq4j fit vectors.fvecs --groups 25 -o codebook.safetensors",
            "  vq4j encode codebook.safetensors vectors.fvecs -o codes.vq4j",
            "  vq4j inspect codebook.safetensors --data vectors.fvecs --neighbors 10",
            "  vq4j decode codebook.safetensors codes.vq4j -o restored.npy"
        })
public final class Main {
    private Main() {}

    /**
     * Runs the command.
     *
     * @param arguments as {@code --help} describes
     */
    public static void main(String[] arguments) {
        System.exit(commandLine().execute(arguments));
    }

    /** What is wrong with files, options or too little memory is one line, not a stack trace. */
    static CommandLine commandLine() {
        CommandLine commandLine = new CommandLine(new Main());
        CommandLine.IExecutionStrategy run = new CommandLine.RunLast();
        commandLine.setExecutionStrategy(parsed -> {
            try {
                return run.execute(parsed);
            } catch (OutOfMemoryError failure) {
                CommandLine command = parsed.commandSpec().commandLine();
                command.getErr()
                        .println(command.getColorScheme()
                                .errorText("vq4j: not enough memory: " + failure.getMessage()
                                        + "; java -Xmx gives more, a smaller --sample of fit takes less"));
                return command.getCommandSpec().exitCodeOnExecutionException();
            }
        });
        commandLine.setExecutionExceptionHandler((failure, command, parsed) -> {
            boolean expected = failure instanceof java.io.IOException || failure instanceof IllegalArgumentException;
            if (!expected) {
                throw failure;
            }
            command.getErr().println(command.getColorScheme().errorText("vq4j: " + FailureMessage.of(failure)));
            return command.getCommandSpec().exitCodeOnExecutionException();
        });
        return commandLine;
    }
}
