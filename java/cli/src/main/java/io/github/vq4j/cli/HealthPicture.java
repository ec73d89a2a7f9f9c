package io.github.vq4j.cli;

import java.awt.Color;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.BitmapEncoder.BitmapFormat;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** Draws the health of codebooks over training: how many codes are used, the error, and how far codes are from the data. */
final class HealthPicture {
    private static final int WIDTH = 600;
    private static final int HEIGHT = 380;
    private static final int MOST_NAMED = 10;

    private HealthPicture() {}

    /** Writes the picture as PNG, two by two. */
    static void write(HealthCurves curves, Path file) throws IOException {
        List<XYChart> charts = List.of(
                chart(curves, "Perplexity of a batch", "perplexity"),
                chart(curves, "Codes that a batch uses", "activeCodes"),
                chart(curves, "Quantization error", "quantizationError"),
                chart(curves, "Distance of the means of data and codes", "meanGap"));
        PngFile.write(
                file, stream -> BitmapEncoder.saveBitmap(new ArrayList<>(charts), 2, 2, stream, BitmapFormat.PNG));
    }

    /** One of them. */
    static XYChart chart(HealthCurves curves, String title, String name) throws IOException {
        XYChart chart = new XYChartBuilder()
                .width(WIDTH)
                .height(HEIGHT)
                .title(title)
                .xAxisTitle("observation")
                .build();
        // The same picture in every country.
        chart.getStyler().setLocale(Locale.ROOT);
        chart.getStyler().setChartBackgroundColor(Color.WHITE);
        // Beside the plot: curves of codebooks that are well used run along its upper edge.
        chart.getStyler().setLegendPosition(LegendPosition.OutsideE);
        int count = curves.codebooks().size();
        chart.getStyler().setLegendVisible(count > 1 && count <= MOST_NAMED);
        chart.getStyler().setYAxisMin(0.0);
        for (int codebook : curves.codebooks()) {
            double[] values = curves.curve(codebook, name);
            double[] observations =
                    IntStream.rangeClosed(1, values.length).asDoubleStream().toArray();
            chart.addSeries("codebook " + codebook, observations, values).setMarker(SeriesMarkers.NONE);
        }
        return chart;
    }
}
