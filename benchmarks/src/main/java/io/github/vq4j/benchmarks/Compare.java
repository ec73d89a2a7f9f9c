package io.github.vq4j.benchmarks;

import io.github.vq4j.benchmarks.Grid.Part;
import io.github.vq4j.examples.autoencoder.EncodedImages;
import io.github.vq4j.examples.data.ImageFolder;
import io.github.vq4j.examples.data.Images;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import me.tongfei.progressbar.DelegatingProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Measures vq4j and its peers on the same data, prints the table, and writes it as JSON. */
@Command(
        name = "compare",
        mixinStandardHelpOptions = true,
        description = {
            "Measures vq4j and its peers on the same data, in alternating rounds at equal threads, and what the machine can do"
                    + " at most. Prints medians, ratios and the share of the machine's limit.",
            "The short grid takes minutes, the full one hours.",
            ""
        })
final class Compare implements Callable<Integer> {
    private static final int TERMINAL_MILLISECONDS = 250;
    private static final int LOG_MILLISECONDS = 10_000;
    private static final int LOG_WIDTH = 120;
    private static final int REAL_DATA_MOVES = 10;
    private static final int[] PATCH_SIDES = {7, 4};
    private static final int MOST_PATCHES = 1 << 16;
    private static final long AUTOENCODER_SEED = 2;

    @Option(
            names = "--full",
            arity = "0..1",
            fallbackValue = "ASSIGNMENT,PRUNING,TRAINING,MEMORY,CODES,LATENCY,KMEANS",
            split = ",",
            paramLabel = "NAMES",
            description = "The full grid, or the full sizes of some of its parts: --full=kmeans.")
    private Set<Part> full = EnumSet.noneOf(Part.class);

    @Option(
            names = "--json",
            paramLabel = "FILE",
            description = "Write the figures to this file, too; after every row.")
    private @Nullable Path json;

    @Option(names = "--threads", paramLabel = "N", description = "Threads of every contender (default: all cores).")
    private int threads = Runtime.getRuntime().availableProcessors();

    @Option(
            names = "--rounds",
            paramLabel = "N",
            defaultValue = "5",
            description = "Alternating rounds, of which the median counts (default: ${DEFAULT-VALUE}).")
    private int rounds;

    @Option(
            names = "--sample",
            paramLabel = "SECONDS",
            defaultValue = "0.03",
            description = "What the calls of a sample fill at least (default: ${DEFAULT-VALUE}).")
    private double sampleSeconds;

    @Option(
            names = "--limit",
            paramLabel = "SECONDS",
            defaultValue = "10",
            description = "Leave a contender out where one call would take longer (default: ${DEFAULT-VALUE}).")
    private double limitSeconds;

    @Option(
            names = "--peers",
            split = ",",
            paramLabel = "NAMES",
            description = "Peers to measure: ${COMPLETION-CANDIDATES} (default: all that are there).")
    private Set<Peers.Peer> asked = EnumSet.allOf(Peers.Peer.class);

    @Option(
            names = "--only",
            split = ",",
            paramLabel = "NAMES",
            description = "Rows to measure: ${COMPLETION-CANDIDATES} (default: all).")
    private Set<Part> parts = EnumSet.allOf(Part.class);

    @Option(
            names = "--data",
            paramLabel = "FILE",
            description =
                    "Real data for trained codebooks: a file of vectors of a format that the command line vq4j reads, also"
                            + " gzipped, or a folder with such .fvecs or .npy, with images (IDX files of MNIST's names), or"
                            + " both (default: the environment variable VQ4J_DATA).")
    private @Nullable Path data;

    @Option(
            names = "--commit",
            description = "Commit to note in the file (default: that of the working folder, or unknown).")
    private @Nullable String commit;

    /** A part of the work that the progress bar counts. */
    private record Step(String name, Callable<List<Report.Row>> work) {}

    @Override
    public Integer call() throws Exception {
        Report report = run(grid());
        System.out.println();
        System.out.print(new ConsoleTable(report));
        if (json != null) {
            System.out.println("written: " + json.toAbsolutePath());
        }
        return CommandLine.ExitCode.OK;
    }

    /** The grid that was asked for. */
    Grid grid() {
        return Grid.of(full);
    }

    /** Measures a grid. */
    Report run(Grid grid) throws Exception {
        checkOptions();
        Comparison comparison = new Comparison(threads, rounds, sampleSeconds, limitSeconds);
        RealData real = RealData.find(place());
        try (Peers peers = new Peers(asked, threads, parts.contains(Part.KMEANS));
                @Nullable Matrix vectors = real.readVectors()) {
            loadCode(peers);
            List<Report.Row> rows = new ArrayList<>();
            List<Step> steps = steps(grid, comparison, peers, real, vectors);
            try (ProgressBar bar = progress(steps.size())) {
                for (Step step : steps) {
                    bar.setExtraMessage(step.name());
                    rows.addAll(step.work().call());
                    if (json != null) {
                        report(grid, comparison, peers, rows).write(json);
                    }
                    bar.step();
                }
            }
            return report(grid, comparison, peers, rows);
        }
    }

    /** Before the work, which may take hours. */
    private void checkOptions() throws IOException {
        if (threads < 1 || rounds < 1) {
            throw new IllegalArgumentException(
                    "need --threads and --rounds of at least 1, got " + threads + " and " + rounds);
        }
        if (!(sampleSeconds >= 0 && limitSeconds > 0)) {
            throw new IllegalArgumentException(
                    "need --sample of at least 0 and --limit above 0, got " + sampleSeconds + " and " + limitSeconds);
        }
        if (json != null && !Files.isDirectory(json.toAbsolutePath().getParent())) {
            throw new IOException("need a folder that exists for --json, got " + json);
        }
    }

    private Report report(Grid grid, Comparison comparison, Peers peers, List<Report.Row> rows) {
        return new Report(
                LocalDate.now().toString(),
                commit != null ? commit : commitOfWorkingFolder(),
                Machine.here(),
                threads,
                rounds,
                grid.name(),
                peers.descriptions(),
                comparison.flopsPeak() > 0 ? comparison.flopsPeak() : null,
                comparison.copyRate() > 0 ? comparison.copyRate() : null,
                List.copyOf(rows));
    }

    private List<Step> steps(Grid grid, Comparison comparison, Peers peers, RealData real, @Nullable Matrix vectors) {
        List<Step> steps = new ArrayList<>();
        if (parts.contains(Part.ASSIGNMENT)) {
            grid.assignments().forEach(size -> steps.add(assignment(comparison, peers, Operation.ASSIGNMENT, size)));
        }
        if (parts.contains(Part.ASSIGNMENT) && vectors != null) {
            steps.add(new Step("assignment, real data", () -> {
                try (Matrix codebook = KMeansFit.codebook(vectors, grid.realCodes(), REAL_DATA_MOVES)) {
                    String name = real.vectorsName() + ", trained codebook";
                    return List.of(
                            AssignmentRows.measure(comparison, peers, Operation.ASSIGNMENT, vectors, codebook, name));
                }
            }));
        }
        if (parts.contains(Part.PRUNING)) {
            steps.addAll(pruning(grid, comparison, real, vectors));
        }
        if (parts.contains(Part.TRAINING)) {
            grid.trainingSteps()
                    .forEach(size -> steps.add(new Step("training step " + size, () -> {
                        try (Matrix rows = Matrix.normal(1, size.rows(), size.features());
                                Matrix codebook = Matrix.normal(2, size.codes(), size.features())) {
                            return List.of(TrainingRows.measure(comparison, peers, rows, codebook, "normal"));
                        }
                    })));
        }
        if (parts.contains(Part.MEMORY)) {
            grid.memory()
                    .forEach(size -> steps.add(new Step("memory " + size, () -> {
                        try (MemoryRows rows =
                                new MemoryRows(comparison, peers, size.rows(), size.codes(), size.features())) {
                            return List.of(
                                    rows.scatter(), rows.moments(), rows.lookup(), rows.loss(), rows.optimizer());
                        }
                    })));
        }
        if (parts.contains(Part.CODES)) {
            grid.productCodes()
                    .forEach(size -> steps.add(new Step("encode, decode " + size, () -> {
                        try (Matrix rows = Matrix.normal(1, size.rows(), size.features());
                                Matrix codebooks = Matrix.normal(
                                        2, size.codes() * Grid.PRODUCT_GROUPS, size.features() / Grid.PRODUCT_GROUPS)) {
                            return ProductCodesRows.measure(comparison, peers, rows, codebooks, Grid.PRODUCT_GROUPS);
                        }
                    })));
        }
        if (parts.contains(Part.LATENCY)) {
            grid.latency().forEach(size -> steps.add(assignment(comparison, peers, Operation.LATENCY, size)));
        }
        if (parts.contains(Part.KMEANS)) {
            grid.kmeans()
                    .forEach(size -> steps.add(new Step("k-means " + size, () -> {
                        try (Matrix rows = Matrix.normal(1, size.rows(), size.features())) {
                            return List.of(KMeansRows.measure(
                                    comparison, peers, rows, (int) size.codes(), grid.kmeansMoves(), "normal"));
                        }
                    })));
        }
        if (parts.contains(Part.KMEANS) && vectors != null && grid.realFits()) {
            steps.add(new Step(
                    "k-means, real data",
                    () -> List.of(KMeansRows.measure(
                            comparison,
                            peers,
                            vectors,
                            grid.realCodes() / 4,
                            grid.kmeansMoves(),
                            real.vectorsName()))));
        }
        return steps;
    }

    private static Step assignment(Comparison comparison, Peers peers, Operation operation, Grid.Size size) {
        return new Step(operation.label() + " " + size, () -> {
            try (Matrix rows = Matrix.normal(1, size.rows(), size.features());
                    Matrix codebook = Matrix.normal(2, size.codes(), size.features())) {
                return List.of(AssignmentRows.measure(comparison, peers, operation, rows, codebook, "normal"));
            }
        });
    }

    private List<Step> pruning(Grid grid, Comparison comparison, RealData real, @Nullable Matrix vectors) {
        List<Step> steps = new ArrayList<>();
        grid.pruning()
                .forEach(size -> steps.add(new Step("pruning " + size, () -> {
                    try (Matrix rows = Matrix.normal(1, size.rows(), size.features());
                            Matrix codebook = Matrix.normal(2, size.codes(), size.features())) {
                        return List.of(PruningRows.measure(comparison, rows, codebook, "normal"));
                    }
                })));
        if (vectors != null) {
            steps.add(new Step(
                    "pruning, vectors",
                    () -> PruningRows.measureTrained(
                            comparison, vectors, grid.pruningCodes(), REAL_DATA_MOVES, real.vectorsName())));
        }
        for (Path folder : real.imageFolders()) {
            String name = folder.getFileName().toString();
            for (int side : PATCH_SIDES) {
                String patches = name + ", patches of " + side + " x " + side;
                steps.add(new Step("pruning, " + patches, () -> {
                    Images images = ImageFolder.read(folder).training();
                    try (Matrix rows = ImagePatches.distinct(images, side, MOST_PATCHES)) {
                        return PruningRows.measureTrained(
                                comparison, rows, grid.pruningCodes(), REAL_DATA_MOVES, patches);
                    }
                }));
            }
            String encoded = name + ", encoded by an autoencoder";
            steps.add(new Step("pruning, " + encoded, () -> {
                EncodedImages images = EncodedImages.afterTraining(
                        ImageFolder.read(folder), grid.autoencoderIterations(), AUTOENCODER_SEED);
                try (Matrix rows = Matrix.of(images.vectors(), images.features())) {
                    return PruningRows.measureTrained(comparison, rows, grid.pruningCodes(), REAL_DATA_MOVES, encoded);
                }
            }));
        }
        return steps;
    }

    private @Nullable Path place() {
        String variable = System.getenv("VQ4J_DATA");
        return data != null || variable == null ? data : Path.of(variable);
    }

    /** One small call of everything, so that code which is loaded at its first use does not count as memory of a row. */
    private void loadCode(Peers peers) {
        Comparison once = new Comparison(threads, 1, 0, Double.POSITIVE_INFINITY);
        try (Matrix rows = Matrix.normal(1, 64, 8);
                Matrix codebook = Matrix.normal(2, 16, 8)) {
            AssignmentRows.measure(once, peers, Operation.ASSIGNMENT, rows, codebook, "normal");
            TrainingRows.measure(once, peers, rows, codebook, "normal");
        }
    }

    private static String commitOfWorkingFolder() {
        String unknown = "unknown";
        try {
            Process git = new ProcessBuilder("git", "describe", "--always", "--dirty", "--exclude", "*")
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
            String answer = new String(git.getInputStream().readAllBytes()).strip();
            return git.waitFor() == 0 && !answer.isEmpty() ? answer : unknown;
        } catch (IOException noGit) {
            return unknown;
        } catch (InterruptedException stop) {
            Thread.currentThread().interrupt();
            return unknown;
        }
    }

    private static ProgressBar progress(int steps) {
        ProgressBarBuilder builder = new ProgressBarBuilder()
                .setTaskName("compare")
                .setInitialMax(steps)
                .setStyle(ProgressBarStyle.ASCII);
        return System.console() != null
                ? builder.setUpdateIntervalMillis(TERMINAL_MILLISECONDS).build()
                : builder.setUpdateIntervalMillis(LOG_MILLISECONDS)
                        .setConsumer(new DelegatingProgressBarConsumer(System.err::println, LOG_WIDTH))
                        .build();
    }
}
