package io.github.vq4j.examples.autoencoder;

import io.github.vq4j.Backend;
import io.github.vq4j.examples.data.DrawnImages;
import io.github.vq4j.examples.data.ImageSearch;
import io.github.vq4j.examples.data.ImageSet;
import io.github.vq4j.examples.data.Images;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

/** The options of commands that train the autoencoder: on what, how long, and with how many threads. */
final class TrainingOptions {
    /** Where images come from, for the description of a command. */
    static final String IMAGES =
            "Images: IDX files of --data or of the environment variable VQ4J_DATA; else MNIST from the"
                    + " user's cache, its public mirrors or the npm registry; else drawn ones.";

    private static final int MOST_THREADS = 1024;
    /** Curves of all of them are kept. */
    private static final int MOST_ITERATIONS = 1_000_000;

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

    int iterations() {
        return iterations;
    }

    long seed() {
        return seed;
    }

    /** Refuses options that make no sense, sets the threads, and finds the images. */
    ImageSet prepare(CommandSpec command) throws IOException {
        CommandLine line = command.commandLine();
        need(
                line,
                iterations >= 1 && iterations <= MOST_ITERATIONS,
                "need --iterations between 1 and " + MOST_ITERATIONS + ", got " + iterations);
        need(
                line,
                threads == null || threads >= 1 && threads <= MOST_THREADS,
                "need --threads between 1 and " + MOST_THREADS + ", got " + threads);
        need(line, data == null || !drawn, "need either --data or --drawn, got both");
        if (threads != null) {
            torch.set_num_threads(threads);
            Backend.setCpuThreads(threads);
        }
        PrintWriter out = line.getOut();
        ImageSet images = drawn
                ? DrawnImages.set()
                : ImageSearch.onThisMachine(System.getenv(), out::println).find(data);
        checkTrainable(images);
        out.println(images);
        return images;
    }

    private static void need(CommandLine line, boolean condition, String message) {
        if (!condition) {
            throw new ParameterException(line, message);
        }
    }

    /** Refuses images that are too few for a batch, or of a size that the autoencoder cannot take. */
    static void checkTrainable(ImageSet images) throws IOException {
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
}
