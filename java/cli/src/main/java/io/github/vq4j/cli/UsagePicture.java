package io.github.vq4j.cli;

import java.awt.Color;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.IntStream;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.BitmapEncoder.BitmapFormat;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** Draws how often the codes are used, the busiest first: a flat curve is a codebook well used. */
final class UsagePicture {
    private static final int WIDTH = 800;
    private static final int HEIGHT = 500;
    private static final int MOST_NAMED = 10;

    private UsagePicture() {}

    /** Writes the picture as PNG. */
    static void write(Measurement measured, Path file) throws IOException {
        XYChart chart = new XYChartBuilder()
                .width(WIDTH)
                .height(HEIGHT)
                .title("Use of the codes")
                .xAxisTitle("codes, the busiest first")
                .yAxisTitle("share of the rows (%)")
                .build();
        // The same picture in every country.
        chart.getStyler().setLocale(Locale.ROOT);
        chart.getStyler().setChartBackgroundColor(Color.WHITE);
        // Beside the plot: curves of codebooks that are well used run along its upper edge.
        chart.getStyler().setLegendPosition(LegendPosition.OutsideE);
        chart.getStyler().setLegendVisible(measured.codebooks() <= MOST_NAMED);
        chart.getStyler().setYAxisMin(0.0);
        for (int i = 0; i < measured.codebooks(); i++) {
            double[] usage =
                    Arrays.stream(measured.usageOf(i)).asDoubleStream().sorted().toArray();
            double total = Arrays.stream(usage).sum();
            int codes = usage.length;
            double[] shares = IntStream.range(0, codes)
                    .mapToDouble(k -> 100 * usage[codes - 1 - k] / total)
                    .toArray();
            double[] places = IntStream.rangeClosed(1, codes).asDoubleStream().toArray();
            chart.addSeries("codebook " + i, places, shares).setMarker(SeriesMarkers.NONE);
        }
        PngFile.write(file, stream -> BitmapEncoder.saveBitmap(chart, stream, BitmapFormat.PNG));
    }
}
