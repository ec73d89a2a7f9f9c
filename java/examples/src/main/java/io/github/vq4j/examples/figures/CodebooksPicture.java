package io.github.vq4j.examples.figures;

import io.github.vq4j.examples.Charts;
import java.awt.BasicStroke;
import java.awt.Color;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.BitmapEncoder.BitmapFormat;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** Draws the codes in use and the error of trainings side by side. */
final class CodebooksPicture {
    private static final int WIDTH = 560;
    private static final int HEIGHT = 420;
    private static final double MARGIN = 1.02;
    private static final List<Color> COLOURS = List.of(
            new Color(0x7F7F7F),
            new Color(0x0072B2),
            new Color(0xE69F00),
            new Color(0x56B4E9),
            new Color(0x009E73),
            new Color(0xCC79A7),
            new Color(0xD55E00));

    private CodebooksPicture() {}

    /** Writes the picture as PNG. */
    static void write(List<CodebooksCommand.Training> trainings, Path file) throws IOException {
        XYChart active =
                chart("Codes in use", "codes used by a batch (%)", trainings, CodebooksCommand.Training::activePercent);
        active.getStyler().setYAxisMin(0.0).setYAxisMax(100.0).setLegendVisible(false);
        XYChart error =
                chart("Error", "mean squared error / variance (log scale)", trainings, training -> Arrays.stream(
                                training.error())
                        .map(Math::log10)
                        .toArray());
        error.setCustomYAxisTickLabelsFormatter(
                logarithm -> String.format(Locale.ROOT, "%.2g", Math.pow(10, logarithm)));
        error.getStyler().setLegendPosition(LegendPosition.OutsideE);
        BitmapEncoder.saveBitmap(List.of(active, error), 1, 2, file.toString(), BitmapFormat.PNG);
    }

    private static XYChart chart(
            String title,
            String yAxis,
            List<CodebooksCommand.Training> trainings,
            Function<CodebooksCommand.Training, double[]> measure) {
        XYChart chart = Charts.empty(WIDTH, HEIGHT, title, "step", yAxis);
        chart.getStyler().setXAxisMin(0.0).setXAxisDecimalPattern("0");
        for (int i = 0; i < trainings.size(); i++) {
            double[] curve = measure.apply(trainings.get(i));
            double[] steps =
                    IntStream.rangeClosed(1, curve.length).asDoubleStream().toArray();
            // Where the ends fit the steps of the data, XChart labels data points instead of round numbers.
            chart.getStyler().setXAxisMax(curve.length * MARGIN);
            XYSeries series = chart.addSeries(trainings.get(i).name(), steps, curve);
            series.setMarker(SeriesMarkers.NONE);
            series.setLineColor(COLOURS.get(i));
            series.setLineStyle(new BasicStroke(2));
        }
        return chart;
    }
}
