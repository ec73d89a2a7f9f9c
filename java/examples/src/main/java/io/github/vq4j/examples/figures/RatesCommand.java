package io.github.vq4j.examples.figures;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.vq4j.examples.Charts;
import io.github.vq4j.examples.Program;
import java.awt.BasicStroke;
import java.awt.Color;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.BitmapEncoder.BitmapFormat;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.markers.SeriesMarkers;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The command that draws what the bytes of a code buy, from results of the command line vq4j. */
@Command(
        name = "rates",
        sortOptions = false,
        usageHelpWidth = 100,
        usageHelpAutoWidth = true,
        description =
                "Draws recall and error of compressed word vectors over the bytes of a vector, groups beside stages,"
                        + " from a file of results.")
final class RatesCommand implements Callable<Integer> {
    private static final int WIDTH = 520;
    private static final int HEIGHT = 400;

    @Option(
            names = "--results",
            paramLabel = "JSON",
            defaultValue = "benchmarks/results/words-glove-50k-recall.json",
            description = "What was measured; ${DEFAULT-VALUE} by default.")
    private Path file;

    @Option(
            names = "--output",
            paramLabel = "DIR",
            defaultValue = "java/examples/target/figures",
            description = "Folder for rates.png; ${DEFAULT-VALUE} by default.")
    private Path output;

    @Option(names = "--help", usageHelp = true, description = "Prints this.")
    private boolean help;

    @Spec
    private CommandSpec command;

    /** What one codebook file reaches; of FAISS, where it was measured at the same bytes. */
    record Row(
            String options,
            int bytes,
            double meanSquaredError,
            double recallAt10,
            @Nullable Double faissMeanSquaredError,
            @Nullable Double faissRecallAt10) {}

    private record Results(List<Row> rows) {}

    @Override
    public Integer call() throws IOException {
        PrintWriter out = command.commandLine().getOut();
        List<Row> rows = rows();
        Program.createOutputFolder(output);
        XYChart recall = Charts.empty(WIDTH, HEIGHT, "Neighbours found", "bytes of a vector", "recall@10 (%)");
        recall.getStyler().setYAxisMin(0.0).setYAxisMax(100.0).setLegendPosition(LegendPosition.InsideSE);
        series(recall, "groups", "--groups", new Color(0x0072B2), rows, row -> 100 * row.recallAt10());
        series(recall, "stages", "--stages", new Color(0xD55E00), rows, row -> 100 * row.recallAt10());
        List<Row> peers =
                rows.stream().filter(row -> row.faissRecallAt10() != null).toList();
        if (!peers.isEmpty()) {
            XYSeries faiss = recall.addSeries(
                    "FAISS, groups", values(peers, Row::bytes), values(peers, row -> 100 * row.faissRecallAt10()));
            faiss.setXYSeriesRenderStyle(XYSeries.XYSeriesRenderStyle.Scatter);
            faiss.setMarker(SeriesMarkers.CROSS);
            faiss.setMarkerColor(Color.BLACK);
        }
        XYChart error = Charts.empty(WIDTH, HEIGHT, "Error", "bytes of a vector", "mean squared error (log scale)");
        error.getStyler().setLegendVisible(false);
        // A linear axis of logarithms, as in the demo's curves.
        error.setCustomYAxisTickLabelsFormatter(
                logarithm -> String.format(Locale.ROOT, "%.2g", Math.pow(10, logarithm)));
        series(error, "groups", "--groups", new Color(0x0072B2), rows, row -> Math.log10(row.meanSquaredError()));
        series(error, "stages", "--stages", new Color(0xD55E00), rows, row -> Math.log10(row.meanSquaredError()));
        BitmapEncoder.saveBitmap(
                List.of(recall, error), 1, 2, output.resolve("rates.png").toString(), BitmapFormat.PNG);
        out.println("rates.png is in " + output);
        return CommandLine.ExitCode.OK;
    }

    /** What was measured, with the rows of both kinds that the picture compares. */
    private List<Row> rows() throws IOException {
        Results results;
        try {
            results = new ObjectMapper()
                    .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
                    .readValue(file.toFile(), Results.class);
        } catch (JsonProcessingException wrong) {
            throw new IOException(file + ": need a JSON object of results, got " + wrong.getOriginalMessage(), wrong);
        }
        List<Row> rows = results == null || results.rows() == null ? List.of() : results.rows();
        for (Row row : rows) {
            if (row == null || row.options() == null || row.bytes() < 1 || !(row.meanSquaredError() > 0)) {
                throw new IOException(
                        file + ": need rows with options, bytes and a meanSquaredError above 0, got " + row);
            }
        }
        for (String option : List.of("--groups", "--stages")) {
            if (rows.stream().noneMatch(row -> row.options().startsWith(option))) {
                throw new IOException(
                        file + ": need rows whose options begin with " + option + ", got none among " + rows.size());
            }
        }
        return rows;
    }

    private static void series(
            XYChart chart, String name, String option, Color colour, List<Row> all, ToDoubleFunction<Row> measure) {
        List<Row> rows =
                all.stream().filter(row -> row.options().startsWith(option)).toList();
        XYSeries series = chart.addSeries(name, values(rows, Row::bytes), values(rows, measure));
        series.setMarker(SeriesMarkers.CIRCLE);
        series.setMarkerColor(colour);
        series.setLineColor(colour);
        series.setLineStyle(new BasicStroke(2));
    }

    private static double[] values(List<Row> rows, ToDoubleFunction<Row> measure) {
        return rows.stream().mapToDouble(measure).toArray();
    }
}
