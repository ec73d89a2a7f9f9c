package io.github.vq4j.examples.autoencoder;

import io.github.vq4j.examples.Program;
import io.github.vq4j.examples.data.ImageSet;
import java.awt.Color;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The command that shows how the encoder's vectors and the codes move while the autoencoder trains. */
@Command(
        name = "embedding",
        sortOptions = false,
        usageHelpWidth = 100,
        usageHelpAutoWidth = true,
        description = {
            "Trains the autoencoder of the demo without and with the affine codebook, all else equal, and draws over the"
                    + " training: the encoder's vectors P, the codebook C and the assigned codes Q in the plane in which P"
                    + " spreads most (embedding.png); how far P and C are apart (divergence.png, divergence.csv).",
            TrainingOptions.IMAGES
        })
public final class EmbeddingCommand implements Callable<Integer> {
    private static final int IMAGES = 64;
    /** Frames are taken after the first iteration and these shares of all. */
    private static final List<Double> SHARES = List.of(0.1, 0.25, 0.5, 1.0);

    @Mixin
    private TrainingOptions training;

    @Option(
            names = "--output",
            paramLabel = "DIR",
            defaultValue = "java/examples/target/figures",
            description = "Folder for the pictures and divergence.csv; ${DEFAULT-VALUE} by default.")
    private Path output;

    @Option(names = "--help", usageHelp = true, description = "Prints this.")
    private boolean help;

    @Spec
    private CommandSpec command;

    @Override
    public Integer call() throws IOException {
        PrintWriter out = command.commandLine().getOut();
        ImageSet images = training.prepare(command);
        Program.createOutputFolder(output);
        List<EmbeddingRun> runs = List.of(
                run(Method.SYNC, "no affine", new Color(0x7F7F7F), images),
                run(Method.AFFINE, "affine", new Color(0xD55E00), images));
        for (EmbeddingRun run : runs) {
            EmbeddingHistory.Divergence last =
                    run.divergences().get(run.divergences().size() - 1);
            out.printf(
                    Locale.ROOT,
                    "%-10s gap of means %.4f, of deviations %.4f, mean distance to the nearest code %.4f%n",
                    run.title(),
                    last.meanGap(),
                    last.deviationGap(),
                    last.meanDistance());
        }
        EmbeddingPicture.write(runs, output.resolve("embedding.png"));
        DivergencePicture.write(runs, output.resolve("divergence.png"));
        writeFigures(runs, output.resolve("divergence.csv"));
        out.println("embedding.png, divergence.png and divergence.csv are in " + output);
        return CommandLine.ExitCode.OK;
    }

    private EmbeddingRun run(Method method, String title, Color colour, ImageSet images) {
        try (EmbeddingHistory history = new EmbeddingHistory(images.heldOut(), IMAGES, frameIterations())) {
            new TrainingRun(method, images, training.iterations(), training.seed(), history).run();
            return new EmbeddingRun(method.key(), title, colour, history.frames(), history.divergences());
        }
    }

    private Set<Integer> frameIterations() {
        Set<Integer> iterations = new TreeSet<>(Set.of(1));
        SHARES.forEach(share -> iterations.add((int) Math.ceil(share * training.iterations())));
        return iterations;
    }

    private static void writeFigures(List<EmbeddingRun> runs, Path file) throws IOException {
        List<String> lines = new ArrayList<>(List.of("method,iteration,meanGap,deviationGap,meanDistance,perplexity"));
        for (EmbeddingRun run : runs) {
            for (EmbeddingHistory.Divergence each : run.divergences()) {
                lines.add(String.format(
                        Locale.ROOT,
                        "%s,%d,%.6g,%.6g,%.6g,%.6g",
                        run.name(),
                        each.iteration(),
                        each.meanGap(),
                        each.deviationGap(),
                        each.meanDistance(),
                        each.perplexity()));
            }
        }
        Files.write(file, lines);
    }
}
