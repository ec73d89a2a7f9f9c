package io.github.vq4j.examples.figures;

import io.github.vq4j.Gradients;
import io.github.vq4j.Optimizer;
import io.github.vq4j.Quantized;
import io.github.vq4j.Tensor;
import io.github.vq4j.VectorQuant;
import io.github.vq4j.examples.Program;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.UnaryOperator;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The command that trains codebooks on rows that move away from them. */
@Command(
        name = "codebooks",
        sortOptions = false,
        usageHelpWidth = 100,
        usageHelpAutoWidth = true,
        description =
                "Trains codebooks of 256 codes by different options on rows that move away from where they began, as"
                        + " those of an encoder do, and draws the codes in use and the error.")
final class CodebooksCommand implements Callable<Integer> {
    private static final int CODES = 256;
    private static final double LEARNING_RATE = 1e-2;
    private static final int LINES = 60;
    /** Curves of all of them are kept. */
    private static final int MOST_STEPS = 1_000_000;

    private static final Map<String, UnaryOperator<VectorQuant.Builder>> OPTIONS = new LinkedHashMap<>();

    static {
        OPTIONS.put("random codes", layer -> layer);
        OPTIONS.put("k-means init", layer -> layer.kmeansInit(true));
        OPTIONS.put("k-means, affine", layer -> layer.kmeansInit(true).affineLr(2));
        OPTIONS.put(
                "k-means, statistics affine", layer -> layer.kmeansInit(true).statisticsAffine(true));
        OPTIONS.put("k-means, EMA", layer -> layer.kmeansInit(true).ema(0.99));
        OPTIONS.put("linear codebook", layer -> layer.linearCodebook(true));
        OPTIONS.put("k-means, replacement", layer -> layer.kmeansInit(true).replaceFreq(20));
    }

    @Option(
            names = "--steps",
            paramLabel = "N",
            defaultValue = "1200",
            description =
                    "Batches that every codebook trains; the rows move for the first half. ${DEFAULT-VALUE} by default.")
    private int steps;

    @Option(names = "--seed", paramLabel = "N", defaultValue = "1", description = "${DEFAULT-VALUE} by default.")
    private long seed;

    @Option(
            names = "--output",
            paramLabel = "DIR",
            defaultValue = "java/examples/target/figures",
            description = "Folder for codebooks.png and codebooks.csv; ${DEFAULT-VALUE} by default.")
    private Path output;

    @Option(names = "--help", usageHelp = true, description = "Prints this.")
    private boolean help;

    @Spec
    private CommandSpec command;

    /**
     * What was measured in every step of a training.
     *
     * @param name of the options
     * @param activePercent share of the codes that the batch uses
     * @param error what quantization leaves of the batch's variance, 1 being all
     */
    record Training(String name, double[] activePercent, double[] error) {}

    @Override
    public Integer call() throws IOException {
        if (steps < 1 || steps > MOST_STEPS) {
            throw new ParameterException(
                    command.commandLine(), "need --steps between 1 and " + MOST_STEPS + ", got " + steps);
        }
        PrintWriter out = command.commandLine().getOut();
        Program.createOutputFolder(output);
        List<Training> trainings = new ArrayList<>();
        OPTIONS.forEach((name, options) -> {
            Training training = train(name, options);
            trainings.add(training);
            out.printf(
                    Locale.ROOT,
                    "%-27s %5.1f %% of the codes, error %.4f%n",
                    name,
                    training.activePercent[steps - 1],
                    training.error[steps - 1]);
        });
        write(trainings, output.resolve("codebooks.csv"));
        CodebooksPicture.write(trainings, output.resolve("codebooks.png"));
        out.println("codebooks.csv and codebooks.png are in " + output);
        return CommandLine.ExitCode.OK;
    }

    private Training train(String name, UnaryOperator<VectorQuant.Builder> options) {
        Training training = new Training(name, new double[steps], new double[steps]);
        MovingRows rows = new MovingRows(seed, Math.max(1, steps / 2));
        try (VectorQuant layer = options.apply(VectorQuant.builder(MovingRows.FEATURES, CODES))
                        .seed(seed)
                        .build();
                Optimizer optimizer = Optimizer.adam(LEARNING_RATE)) {
            for (int step = 0; step < steps; step++) {
                float[] batch = rows.batch(step);
                try (Quantized q = layer.forward(Tensor.of(batch, MovingRows.ROWS, MovingRows.FEATURES));
                        Gradients gradients = layer.backward(null, 1)) {
                    training.activePercent[step] = 100.0 * q.activeCodes() / CODES;
                    // Both terms of the loss have the value of the mean squared error.
                    training.error[step] = q.loss() / MovingRows.variance(batch);
                    assert gradients.input().size() == batch.length;
                }
                optimizer.step(layer);
            }
        }
        return training;
    }

    /** A line for every sixtieth of the steps, with the means since the line before. */
    private static void write(List<Training> trainings, Path file) throws IOException {
        StringBuilder header = new StringBuilder("step");
        trainings.forEach(training -> header.append(',')
                .append(training.name.replace(",", ""))
                .append(" active percent,")
                .append(training.name.replace(",", ""))
                .append(" error"));
        List<String> lines = new ArrayList<>(List.of(header.toString()));
        int steps = trainings.get(0).error.length;
        int window = Math.max(1, steps / LINES);
        for (int to = window; to <= steps; to += window) {
            StringBuilder line = new StringBuilder().append(to);
            for (Training training : trainings) {
                line.append(String.format(
                        Locale.ROOT,
                        ",%.2f,%.4f",
                        mean(training.activePercent, to - window, to),
                        mean(training.error, to - window, to)));
            }
            lines.add(line.toString());
        }
        Files.write(file, lines);
    }

    private static double mean(double[] values, int from, int to) {
        return Arrays.stream(values, from, to).average().orElseThrow();
    }
}
