package io.github.vq4j.examples.autoencoder;

import io.github.vq4j.examples.Charts;
import io.github.vq4j.examples.Legends;
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
import org.knowm.xchart.style.XYStyler;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** Draws the loss and the active codes of all runs side by side. */
final class CurvesPicture {
    private static final int WIDTH = 600;
    private static final int HEIGHT = 420;
    private static final int WINDOW = 10;
    private static final double MARGIN = 1.02;
    /** Told apart by people who do not see all colours too; a method has the same one in every picture. */
    private static final List<Color> COLOURS = List.of(
            new Color(0x7F7F7F), new Color(0x0072B2), new Color(0x009E73), new Color(0xE69F00), new Color(0xD55E00));

    private CurvesPicture() {}

    /** Writes the picture as PNG. */
    static void write(List<RunResult> runs, Path file) throws IOException {
        // A linear axis of logarithms: XChart's own logarithmic one labels powers of ten only.
        XYChart loss = chart(
                "Reconstruction",
                "mean absolute error (log scale)",
                runs,
                curves -> logarithms(Curves.smoothed(curves.taskLoss, WINDOW)));
        loss.setCustomYAxisTickLabelsFormatter(
                logarithm -> String.format(Locale.ROOT, "%.2g", Math.pow(10, logarithm)));
        XYChart active = chart(
                "Codebook", "codes used by a batch (%)", runs, curves -> Curves.smoothed(curves.activePercent, WINDOW));
        active.getStyler().setYAxisMin(0.0).setYAxisMax(100.0).setLegendVisible(false);
        BitmapEncoder.saveBitmap(List.of(loss, active), 1, 2, file.toString(), BitmapFormat.PNG);
    }

    private static XYChart chart(String title, String yAxis, List<RunResult> runs, Function<Curves, double[]> measure) {
        XYChart chart = Charts.empty(WIDTH, HEIGHT, title, "iteration (mean of the last " + WINDOW + ")", yAxis);
        XYStyler styler = chart.getStyler();
        styler.setXAxisMin(0.0);
        // Where the ends fit the steps of the data, XChart labels data points instead of round numbers.
        styler.setXAxisMax(runs.get(0).summary().iterations() * MARGIN);
        styler.setXAxisDecimalPattern("0");
        for (RunResult run : runs) {
            double[] curve = measure.apply(run.curves());
            double[] iterations =
                    IntStream.rangeClosed(1, curve.length).asDoubleStream().toArray();
            XYSeries series = chart.addSeries(run.method().title(), iterations, curve);
            series.setMarker(SeriesMarkers.NONE);
            series.setLineColor(colour(run.method()));
            series.setLineStyle(new BasicStroke(2));
        }
        Legends.place(chart);
        return chart;
    }

    /** For those without one of their own, hues by the golden ratio in three shades: neighbours differ. */
    private static Color colour(Method method) {
        int number = method.ordinal();
        return number < COLOURS.size()
                ? COLOURS.get(number)
                : Color.getHSBColor(0.618034f * number, 0.85f, 0.95f - 0.2f * (number % 3));
    }

    private static double[] logarithms(double[] values) {
        return Arrays.stream(values).map(Charts::logarithm).toArray();
    }
}
