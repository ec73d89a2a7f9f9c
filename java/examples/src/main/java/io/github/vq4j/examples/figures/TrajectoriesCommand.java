package io.github.vq4j.examples.figures;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import io.github.vq4j.examples.Program;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The command that draws the trajectories. */
@Command(
        name = "trajectories",
        sortOptions = false,
        usageHelpWidth = 100,
        usageHelpAutoWidth = true,
        description = "Draws the way of one vector and its code to the optimum of a task: joint, alternated and"
                + " synchronised optimisation, and both of these together.")
final class TrajectoriesCommand implements Callable<Integer> {
    @Option(
            names = "--output",
            paramLabel = "DIR",
            defaultValue = "java/examples/target/figures",
            description = "Folder for trajectories.png and trajectories.json; ${DEFAULT-VALUE} by default.")
    private Path output;

    @Option(names = "--help", usageHelp = true, description = "Prints this.")
    private boolean help;

    @Spec
    private CommandSpec command;

    /**
     * A trajectory in figures, an object of trajectories.json.
     *
     * @param name of the scheme
     * @param steps until the code was within 0.05 of the optimum
     * @param deviation of the vector from the straight line, at most
     */
    record Summary(String name, int steps, double deviation) {
        static Summary of(Trajectory trajectory) {
            return new Summary(trajectory.scheme().title(), trajectory.steps(), trajectory.deviation());
        }
    }

    @Override
    public Integer call() throws IOException {
        PrintWriter out = command.commandLine().getOut();
        Program.createOutputFolder(output);
        List<Trajectory> trajectories =
                Arrays.stream(Scheme.values()).map(Trajectory::of).toList();
        List<Summary> summaries = trajectories.stream().map(Summary::of).toList();
        for (Summary summary : summaries) {
            out.printf(
                    Locale.ROOT,
                    "%-13s %4d steps, at most %.3f from the straight line%n",
                    summary.name(),
                    summary.steps(),
                    summary.deviation());
        }
        new ObjectMapper()
                .enable(SerializationFeature.INDENT_OUTPUT)
                .writeValue(output.resolve("trajectories.json").toFile(), summaries);
        TrajectoriesPicture.write(trajectories, output.resolve("trajectories.png"));
        out.println("trajectories.json and trajectories.png are in " + output);
        return CommandLine.ExitCode.OK;
    }
}
