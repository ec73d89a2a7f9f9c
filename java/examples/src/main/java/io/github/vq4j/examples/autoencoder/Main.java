package io.github.vq4j.examples.autoencoder;

import io.github.vq4j.examples.Program;
import io.github.vq4j.examples.data.ImageSet;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The command: trains the autoencoder with each method and compares them. */
@Command(
        name = "autoencoder",
        sortOptions = false,
        usageHelpWidth = 100,
        usageHelpAutoWidth = true,
        description = {
            "Trains a convolutional VQ autoencoder once with every method and compares. Without --method five times,"
                    + " each time with one technique more: baseline, + k-means initialisation, + synchronised"
                    + " commitment, + affine codebook, + replacement of unused codes.",
            TrainingOptions.IMAGES
        })
public final class Main implements Callable<Integer> {
    @Mixin
    private TrainingOptions training;

    @Option(
            names = "--method",
            paramLabel = "NAME",
            split = ",",
            converter = MethodConverter.class,
            completionCandidates = MethodNames.class,
            description = "Trains these methods instead of the five; several with commas, or given several times. Of:"
                    + " ${COMPLETION-CANDIDATES}.")
    private List<Method> chosen = List.of();

    @Option(
            names = "--output",
            paramLabel = "DIR",
            defaultValue = "java/examples/target/demo",
            description = "Folder for report.json, curves.csv and pictures; ${DEFAULT-VALUE} by default.")
    private Path output;

    @Option(names = "--help", usageHelp = true, description = "Prints this.")
    private boolean help;

    @Spec
    private CommandSpec command;

    /**
     * Runs the command and exits: with 0, with 1 after a failure, or with 2 when the options are wrong.
     *
     * @param arguments options
     */
    public static void main(String[] arguments) {
        System.exit(commandLine().execute(arguments));
    }

    /** The command, for tests too. */
    static CommandLine commandLine() {
        return Program.of(new Main());
    }

    @Override
    public Integer call() throws IOException {
        PrintWriter out = command.commandLine().getOut();
        ImageSet images = training.prepare(command);
        Program.createOutputFolder(output);
        List<RunResult> runs = new ArrayList<>();
        for (Method method : methods()) {
            runs.add(new TrainingRun(method, images, training.iterations(), training.seed()).run());
        }
        out.println();
        out.print(Report.table(runs));
        out.println();
        Report.write(runs, output.resolve("report.json"));
        CurvesPicture.write(runs, output.resolve("curves.png"));
        CurvesFile.write(runs, output.resolve("curves.csv"));
        ReconstructionsPicture.write(images.heldOut(), runs, output.resolve("reconstructions.png"));
        out.println("report.json, curves.png, curves.csv and reconstructions.png are in " + output);
        return CommandLine.ExitCode.OK;
    }

    private Set<Method> methods() {
        return chosen.isEmpty() ? Method.compared() : EnumSet.copyOf(chosen);
    }

    /** The names that --method takes. */
    private static final class MethodNames implements Iterable<String> {
        @Override
        public Iterator<String> iterator() {
            return Arrays.stream(Method.values()).map(Method::key).iterator();
        }
    }

    /** Turns a name into a method. */
    private static final class MethodConverter implements CommandLine.ITypeConverter<Method> {
        @Override
        public Method convert(String name) {
            try {
                return Method.of(name);
            } catch (IllegalArgumentException unknown) {
                throw new CommandLine.TypeConversionException(unknown.getMessage());
            }
        }
    }
}
