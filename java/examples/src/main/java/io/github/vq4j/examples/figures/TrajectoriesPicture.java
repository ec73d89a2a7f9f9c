package io.github.vq4j.examples.figures;

import io.github.vq4j.examples.Charts;
import java.awt.BasicStroke;
import java.awt.Color;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.BitmapEncoder.BitmapFormat;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** Draws the ways of vector and code in the plane, and how the code comes near the optimum. */
final class TrajectoriesPicture {
    private static final int SIDE = 440;
    /** Farther than any of the ways, so that the legend has room beside them. */
    private static final double HIGHEST = 1.8;

    private static final double MARGIN = 1.02;

    private TrajectoriesPicture() {}

    /** Writes the picture as PNG. */
    static void write(List<Trajectory> trajectories, Path file) throws IOException {
        XYChart vectors = plane("Vector z", trajectories, Trajectory::vector);
        vectors.getStyler().setLegendPosition(LegendPosition.InsideSE);
        XYChart codes = plane("Code", trajectories, Trajectory::code);
        codes.getStyler().setLegendVisible(false);
        BitmapEncoder.saveBitmap(
                List.of(vectors, codes, distances(trajectories)), 1, 3, file.toString(), BitmapFormat.PNG);
    }

    private static XYChart plane(
            String title, List<Trajectory> trajectories, Function<Trajectory, List<Trajectory.Point>> path) {
        XYChart chart = Charts.empty(SIDE, SIDE, title, "first feature", "second feature");
        chart.getStyler()
                .setXAxisMin(-1.0)
                .setXAxisMax(HIGHEST)
                .setYAxisMin(-1.0)
                .setYAxisMax(HIGHEST);
        line(chart, "straight line", Charts.GUIDE, new double[] {-0.9, 0}, new double[] {-0.9, 0})
                .setLineStyle(
                        new BasicStroke(1.5f, BasicStroke.CAP_BUTT, BasicStroke.JOIN_ROUND, 1, new float[] {6, 5}, 0));
        for (Trajectory trajectory : trajectories) {
            List<Trajectory.Point> points = path.apply(trajectory);
            line(
                    chart,
                    String.format(
                            Locale.ROOT, "%s: %d steps", trajectory.scheme().title(), trajectory.steps()),
                    trajectory.scheme().colour(),
                    values(points, Trajectory.Point::x),
                    values(points, Trajectory.Point::y));
        }
        XYSeries optimum = chart.addSeries("optimum", new double[] {0}, new double[] {0});
        optimum.setXYSeriesRenderStyle(XYSeries.XYSeriesRenderStyle.Scatter);
        optimum.setMarker(SeriesMarkers.CROSS);
        optimum.setMarkerColor(Color.BLACK);
        return chart;
    }

    private static XYChart distances(List<Trajectory> trajectories) {
        XYChart chart = Charts.empty(SIDE, SIDE, "Distance of the code from the optimum", "step", "|zq| (log scale)");
        chart.getStyler().setLegendVisible(false);
        // Where the ends fit the steps of the data, XChart labels data points instead of round numbers.
        chart.getStyler().setXAxisMin(0.0);
        chart.getStyler()
                .setXAxisMax(MARGIN
                        * trajectories.stream()
                                .mapToInt(Trajectory::steps)
                                .max()
                                .orElseThrow());
        chart.getStyler().setXAxisDecimalPattern("0");
        // A linear axis of logarithms, as in the demo's curves.
        chart.setCustomYAxisTickLabelsFormatter(
                logarithm -> String.format(Locale.ROOT, "%.2g", Math.pow(10, logarithm)));
        for (Trajectory trajectory : trajectories) {
            double[] steps = IntStream.rangeClosed(0, trajectory.steps())
                    .asDoubleStream()
                    .toArray();
            double[] distances = values(trajectory.code(), point -> Math.log10(point.length()));
            line(chart, trajectory.scheme().title(), trajectory.scheme().colour(), steps, distances);
        }
        return chart;
    }

    private static XYSeries line(XYChart chart, String name, Color colour, double[] x, double[] y) {
        XYSeries series = chart.addSeries(name, x, y);
        series.setMarker(SeriesMarkers.NONE);
        series.setLineColor(colour);
        series.setLineStyle(new BasicStroke(2));
        return series;
    }

    private static double[] values(List<Trajectory.Point> points, ToDoubleFunction<Trajectory.Point> coordinate) {
        return points.stream().mapToDouble(coordinate).toArray();
    }
}
