package io.github.vq4j.examples.autoencoder;

import io.github.vq4j.examples.Charts;
import io.github.vq4j.examples.Legends;
import java.awt.BasicStroke;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.BitmapEncoder.BitmapFormat;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** Draws how far vectors and codes are apart over the training. */
final class DivergencePicture {
    private static final int WIDTH = 440;
    private static final int HEIGHT = 400;
    private static final double MARGIN = 1.02;

    private DivergencePicture() {}

    /** Writes the picture as PNG. */
    static void write(List<EmbeddingRun> runs, Path file) throws IOException {
        XYChart means = chart("Means of P and C", "distance", runs, EmbeddingHistory.Divergence::meanGap);
        means.getStyler().setLegendVisible(true);
        XYChart deviations =
                chart("Standard deviations of P and C", "distance", runs, EmbeddingHistory.Divergence::deviationGap);
        XYChart distances =
                chart("Vector and nearest code", "mean distance", runs, EmbeddingHistory.Divergence::meanDistance);
        BitmapEncoder.saveBitmap(List.of(means, deviations, distances), 1, 3, file.toString(), BitmapFormat.PNG);
    }

    private static XYChart chart(
            String title,
            String yAxis,
            List<EmbeddingRun> runs,
            ToDoubleFunction<EmbeddingHistory.Divergence> measure) {
        XYChart chart = Charts.empty(WIDTH, HEIGHT, title, "iteration", yAxis + " (log scale)");
        chart.getStyler().setLegendVisible(false);
        chart.getStyler().setXAxisMin(0.0);
        chart.getStyler().setXAxisMax(runs.get(0).divergences().size() * MARGIN);
        chart.getStyler().setXAxisDecimalPattern("0");
        // A linear axis of logarithms, as in the curves of the demo.
        chart.setCustomYAxisTickLabelsFormatter(
                logarithm -> String.format(Locale.ROOT, "%.2g", Math.pow(10, logarithm)));
        for (EmbeddingRun run : runs) {
            XYSeries series = chart.addSeries(
                    run.title(),
                    run.divergences().stream()
                            .mapToDouble(EmbeddingHistory.Divergence::iteration)
                            .toArray(),
                    run.divergences().stream()
                            .mapToDouble(each -> Charts.logarithm(measure.applyAsDouble(each)))
                            .toArray());
            series.setMarker(SeriesMarkers.NONE);
            series.setLineColor(run.colour());
            series.setLineStyle(new BasicStroke(2));
        }
        Legends.place(chart);
        return chart;
    }
}
