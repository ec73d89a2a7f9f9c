package io.github.vq4j;

import io.github.vq4j.internal.Kernels;
import io.github.vq4j.internal.Rows;
import io.github.vq4j.internal.Scratch;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Watches the codebooks of a layer while it trains: how evenly their codes are used, how far codes and data lie apart,
 * how well the codes fit. {@link CodebookReport} defines the numbers. Cheap enough to stay on: what the forward has
 * computed is read, the rows are read once more for their moments, and 32 to 128 of them are compared with all codes
 * again.
 *
 * <pre>{@code
 * try (CodebookHealth health = CodebookHealth.of(layer, 100)) {
 *     for (Tensor z : batches) {
 *         Quantized quantized = layer.forward(z);
 *         health.observe();
 *         ...
 *         layer.backward(gradOutput, alpha);
 *     }
 *     health.writeCsv(Path.of("codebook.csv"));
 * }
 * }</pre>
 *
 * <p>When a codebook collapses, once a warning is logged that names the options that help. Not thread-safe.
 */
public final class CodebookHealth implements AutoCloseable {
    private static final Logger LOGGER = LoggerFactory.getLogger(CodebookHealth.class);

    /** Values of options that do nothing. */
    private static final Set<String> OFF = Set.of("false", "0", "0.0");

    private static final int SAMPLED_SHARE = 64;
    private static final int LEAST_SAMPLED_ROWS = 32;
    private static final int MOST_SAMPLED_ROWS = 128;
    private static final int KEPT_REPORTS = 100_000;

    private final Quantizer layer;
    private final Kernels kernels;
    private final int batches;
    private final List<UsageWindow> windows = new ArrayList<>();
    private final boolean[] warned;
    private final Deque<CodebookReport> history = new ArrayDeque<>();
    private final Scratch<FloatPointer> mean;
    private final Scratch<FloatPointer> variance;
    private final Scratch<LongPointer> order;
    private final Scratch<FloatPointer> sample;
    private final Scratch<Pointer> packed;
    private final Scratch<IntPointer> nearest;
    private final Scratch<FloatPointer> distances;
    private long observations;
    private long orderedRows;
    private boolean closed;

    private CodebookHealth(Quantizer layer, int batches) {
        this.layer = layer;
        this.batches = Arguments.atLeastOne("window", batches);
        kernels = layer.kernels;
        layer.codebooks.forEach(codebook -> windows.add(new UsageWindow(batches, codebook.codes())));
        warned = new boolean[windows.size()];
        mean = Scratch.floats(kernels);
        variance = Scratch.floats(kernels);
        order = Scratch.longs(kernels);
        sample = Scratch.floats(kernels);
        packed = Scratch.bytes(kernels);
        nearest = Scratch.ints(kernels);
        distances = Scratch.floats(kernels);
    }

    /**
     * Starts to watch a layer.
     *
     * @param window how many training batches the window has, at least 1; it keeps a histogram of K numbers of each
     */
    public static CodebookHealth of(Quantizer layer, int window) {
        return new CodebookHealth(layer, window);
    }

    /**
     * Looks at the last forward, whose backward must not have been called yet: the rows are still there then. The
     * window takes the batch in while the layer trains; call this once a forward.
     *
     * @return a report of every codebook that has quantized rows, in their order: none of those that quantizer dropout or a
     *     mask has left without
     * @throws IllegalStateException if there is no such forward, or the layer or this is closed
     */
    public List<CodebookReport> observe() {
        if (closed) {
            throw new IllegalStateException("this CodebookHealth of " + layer + " is closed");
        }
        Pass pass = layer.lastPass();
        List<Measures> measures = new ArrayList<>();
        List<Integer> numbers = new ArrayList<>();
        for (int i = 0; i < windows.size(); i++) {
            List<Assignment> assignments = layer.assignmentsOf(pass, i);
            if (!assignments.isEmpty()) {
                numbers.add(i);
                measures.add(measure(layer.codebooks.get(i), pass.codebook(i), assignments));
            }
        }
        observations++;
        List<CodebookReport> reports = new ArrayList<>();
        for (int i = 0; i < numbers.size(); i++) {
            reports.add(report(numbers.get(i), measures.get(i)));
        }
        for (CodebookReport report : reports) {
            history.addLast(report);
            if (history.size() > KEPT_REPORTS) {
                history.removeFirst();
            }
            if (report.collapsed() && !warned[report.codebook()]) {
                warned[report.codebook()] = true;
                warn(report);
            }
        }
        return reports;
    }

    /** The last 100,000 reports, the oldest first. */
    public List<CodebookReport> history() {
        return List.copyOf(history);
    }

    /**
     * Writes the {@link #history} as comma-separated values (RFC 4180): a line with the names of {@link CodebookReport},
     * then a line for each report. A number that is NaN is left empty. The file is written under a temporary name and
     * moved.
     */
    public void writeCsv(Path path) throws IOException {
        CodebookReportFile.writeCsv(history, path);
    }

    /** As {@link #writeCsv}, as a JSON array of objects with the names of {@link CodebookReport}; NaN is null. */
    public void writeJson(Path path) throws IOException {
        CodebookReportFile.writeJson(history, path);
    }

    /** Gives the memory back; a second call does nothing. The history is kept. */
    @Override
    public void close() {
        closed = true;
        mean.close();
        variance.close();
        order.close();
        sample.close();
        packed.close();
        nearest.close();
        distances.close();
    }

    /** What a batch shows of a codebook. */
    private record Measures(
            long[] counts, double meanGap, double deviationGap, double quantizationError, double secondBestGap) {}

    private Measures measure(Codebook codebook, Codebook.State state, List<Assignment> assignments) {
        Moments data = momentsOf(assignments);
        Moments codes = moments("codebook", state.effective(), Rows.matrix(codebook.codes(), codebook.features()));
        double error = 0;
        for (int i = 0; i < assignments.size(); i++) {
            double[] loss = new double[1];
            kernels.read(assignments.get(i).loss(), loss);
            error += loss[0] * share(assignments, i);
        }
        return new Measures(
                codebook.lastCounts(state),
                distance(data.means, codes.means),
                distance(data.deviations(), codes.deviations()),
                error,
                secondBestGap(codebook, state, assignments.get(0)));
    }

    private CodebookReport report(int number, Measures measures) {
        UsageWindow window = windows.get(number);
        if (layer.isTraining()) {
            window.add(measures.counts);
        }
        return new CodebookReport(
                observations,
                number,
                Quantizer.perplexity(measures.counts),
                window.perplexity(),
                Quantizer.active(measures.counts),
                window.unusedCodes(),
                measures.meanGap,
                measures.deviationGap,
                measures.quantizationError,
                measures.secondBestGap,
                window.collapsed());
    }

    // ---- moments ---------------------------------------------------------------------------------------------------

    private record Moments(double[] means, double[] variances) {
        double[] deviations() {
            double[] roots = new double[variances.length];
            for (int d = 0; d < roots.length; d++) {
                roots[d] = Math.sqrt(variances[d]);
            }
            return roots;
        }
    }

    /** The share that an assignment has of the rows of all. */
    private static double share(List<Assignment> assignments, int number) {
        long all = assignments.stream().mapToLong(each -> each.rows.count()).sum();
        return (double) assignments.get(number).rows.count() / all;
    }

    /** The moments of all rows that a codebook quantized. */
    private Moments momentsOf(List<Assignment> assignments) {
        List<Moments> parts = new ArrayList<>();
        for (Assignment assignment : assignments) {
            parts.add(moments("z", assignment.z, assignment.rows));
        }
        int features = parts.get(0).means.length;
        double[] means = new double[features];
        double[] variances = new double[features];
        for (int d = 0; d < features; d++) {
            for (int i = 0; i < parts.size(); i++) {
                means[d] += parts.get(i).means[d] * share(assignments, i);
            }
            for (int i = 0; i < parts.size(); i++) {
                double offset = parts.get(i).means[d] - means[d];
                variances[d] += (parts.get(i).variances[d] + offset * offset) * share(assignments, i);
            }
        }
        return new Moments(means, variances);
    }

    private Moments moments(String name, FloatPointer values, Rows rows) {
        int features = Math.toIntExact(rows.features());
        FloatPointer means = mean.atLeast(features);
        FloatPointer variances = variance.atLeast(features);
        kernels.norms.moments(name, values, rows, 1, features, means, variances);
        return new Moments(read(means, features), read(variances, features));
    }

    private double[] read(FloatPointer from, int count) {
        float[] values = new float[count];
        kernels.read(from, values);
        double[] wide = new double[count];
        for (int i = 0; i < count; i++) {
            wide[i] = values[i];
        }
        return wide;
    }

    private static double distance(double[] a, double[] b) {
        double sum = 0;
        for (int d = 0; d < a.length; d++) {
            sum += (a[d] - b[d]) * (a[d] - b[d]);
        }
        return Math.sqrt(sum);
    }

    // ---- the second-best code --------------------------------------------------------------------------------------

    private double secondBestGap(Codebook codebook, Codebook.State state, Assignment assignment) {
        int codes = codebook.codes();
        if (codes == 1) {
            return Double.NaN;
        }
        int features = codebook.features();
        int count = sampleOf(assignment.rows.count());
        Rows sampled = Rows.matrix(count, features);
        FloatPointer rows = sample.atLeast(sampled.elements());
        kernels.tensors.takeRows(
                assignment.z, assignment.rows, spreadRows(assignment.rows.count(), count), count, rows);
        Pointer panels = packed.atLeast(kernels.assignment.packedCodebookBytes(codes, features));
        kernels.assignment.packCodebook(state.effective(), codes, features, panels);
        IntPointer best = nearest.atLeast(2L * count);
        kernels.assignment.assignTopK(rows, sampled, panels, codes, 2, best);
        FloatPointer squared = distances.atLeast(2L * count);
        kernels.assignment.codeDistances(
                rows, sampled, state.effective(), best, 2, Distance.SQUARED_EUCLIDEAN.kind(), squared);
        // On the host: these are few, and their variance, which moments are taken with, overflows long before they do.
        double[] pairs = read(squared, 2 * count);
        double sum = 0;
        for (int n = 0; n < count; n++) {
            sum += pairs[2 * n + 1] - pairs[2 * n];
        }
        return sum / count / features;
    }

    /** How many rows to take, so few that the comparison with all codes costs little beside that of the forward. */
    private static int sampleOf(long rows) {
        long share = Math.min(Math.max(rows / SAMPLED_SHARE, LEAST_SAMPLED_ROWS), MOST_SAMPLED_ROWS);
        return (int) Math.min(rows, share);
    }

    /** The numbers of {@code count} rows, evenly spread. */
    private LongPointer spreadRows(long rows, int count) {
        LongPointer numbers = order.atLeast(MOST_SAMPLED_ROWS);
        if (orderedRows != rows) {
            long[] spread = new long[count];
            for (int i = 0; i < count; i++) {
                spread[i] = i * rows / count;
            }
            kernels.write(spread, numbers);
            orderedRows = rows;
        }
        return numbers;
    }

    // ---- the warning -----------------------------------------------------------------------------------------------

    private void warn(CodebookReport report) {
        Codebook codebook = layer.codebooks.get(report.codebook());
        int used = codebook.codes() - report.deadCodes();
        Stream<String> helping = codebook.learnsByGradient()
                ? Stream.of("kmeansInit", "replaceFreq", "affineLr", "syncNu")
                : Stream.of("kmeansInit", "replaceFreq", "emaExpiry");
        String help = helping.filter(option -> OFF.contains(layer.options().get(option)))
                .collect(Collectors.joining(", "));
        LOGGER.warn(
                "codebook {} of this {} has collapsed: in the last {} training batches a perplexity of {} of {} codes,"
                        + " {} of them used; options of the layer that help and are off: {}",
                report.codebook(),
                layer,
                batches,
                String.format(Locale.ROOT, "%.1f", report.windowPerplexity()),
                codebook.codes(),
                used,
                help.isEmpty() ? "none" : help);
    }
}
