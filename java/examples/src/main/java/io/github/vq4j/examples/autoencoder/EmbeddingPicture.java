package io.github.vq4j.examples.autoencoder;

import io.github.vq4j.examples.Charts;
import java.awt.Color;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.DoubleSummaryStatistics;
import java.util.List;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.BitmapEncoder.BitmapFormat;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.XYStyler;
import org.knowm.xchart.style.markers.SeriesMarkers;

/**
 * Draws vectors and codes over a training, a row of frames for each run: P, the vectors; C, the codes; Q, those codes that
 * the vectors have. All frames of a row show the same part of the same plane, fitted to the vectors of all of them.
 */
final class EmbeddingPicture {
    private static final int SIDE = 270;
    private static final int MOST_VECTORS = 400;
    private static final double MARGIN = 0.03;
    private static final int MARKER = 4;
    private static final Color VECTORS = new Color(0xB8B8B8);
    private static final Color CODES = new Color(0x0072B2);
    private static final Color ASSIGNED = new Color(0xD55E00);

    private EmbeddingPicture() {}

    /** Writes the picture as PNG. */
    static void write(List<EmbeddingRun> runs, Path file) throws IOException {
        List<XYChart> charts = new ArrayList<>();
        runs.forEach(run -> charts.addAll(row(run)));
        charts.get(0).getStyler().setLegendVisible(true);
        BitmapEncoder.saveBitmap(charts, runs.size(), charts.size() / runs.size(), file.toString(), BitmapFormat.PNG);
    }

    private static List<XYChart> row(EmbeddingRun run) {
        List<EmbeddingHistory.Frame> frames = run.frames();
        PrincipalPlane plane = PrincipalPlane.of(
                frames.stream().flatMap(frame -> frame.vectors().stream()).toList());
        Range x = Range.of(frames, plane, PrincipalPlane.Point::x);
        Range y = Range.of(frames, plane, PrincipalPlane.Point::y);
        return frames.stream()
                .map(frame -> {
                    XYChart chart = chart(run.title() + ", iteration " + frame.iteration(), frame, plane);
                    chart.getStyler().setXAxisMin(x.from).setXAxisMax(x.to);
                    chart.getStyler().setYAxisMin(y.from).setYAxisMax(y.to);
                    return chart;
                })
                .toList();
    }

    /** What of an axis is drawn: all that frames show, and a margin. */
    private record Range(double from, double to) {
        static Range of(
                List<EmbeddingHistory.Frame> frames,
                PrincipalPlane plane,
                ToDoubleFunction<PrincipalPlane.Point> coordinate) {
            DoubleSummaryStatistics shown = frames.stream()
                    .flatMap(frame -> Stream.concat(thinned(frame.vectors()).stream(), frame.codes().stream()))
                    .map(plane::project)
                    .mapToDouble(coordinate)
                    .summaryStatistics();
            double margin = MARGIN * (shown.getMax() - shown.getMin());
            return new Range(shown.getMin() - margin, shown.getMax() + margin);
        }
    }

    private static XYChart chart(String title, EmbeddingHistory.Frame frame, PrincipalPlane plane) {
        XYChart chart = Charts.empty(SIDE, SIDE, title, "", "");
        XYStyler styler = chart.getStyler();
        styler.setChartTitleFont(styler.getChartTitleFont().deriveFont(12f));
        styler.setAxisTitlesVisible(false);
        styler.setAxisTicksVisible(false);
        styler.setMarkerSize(MARKER);
        styler.setLegendVisible(false);
        styler.setLegendPosition(LegendPosition.InsideNE);
        List<float[]> assigned =
                frame.assigned().stream().map(frame.codes()::get).toList();
        add(chart, "P: vectors", plane, thinned(frame.vectors()), VECTORS);
        add(chart, "C: codes", plane, frame.codes(), CODES);
        add(chart, "Q: assigned codes", plane, assigned, ASSIGNED);
        return chart;
    }

    private static void add(XYChart chart, String name, PrincipalPlane plane, List<float[]> points, Color colour) {
        List<PrincipalPlane.Point> projected =
                points.stream().map(plane::project).toList();
        XYSeries series = chart.addSeries(
                name,
                projected.stream().mapToDouble(PrincipalPlane.Point::x).toArray(),
                projected.stream().mapToDouble(PrincipalPlane.Point::y).toArray());
        series.setXYSeriesRenderStyle(XYSeries.XYSeriesRenderStyle.Scatter);
        series.setMarker(SeriesMarkers.CIRCLE);
        series.setMarkerColor(colour);
    }

    /** A part of the vectors, evenly spread. */
    private static List<float[]> thinned(List<float[]> vectors) {
        int count = Math.min(vectors.size(), MOST_VECTORS);
        return IntStream.range(0, count)
                .mapToObj(i -> vectors.get((int) ((long) i * vectors.size() / count)))
                .toList();
    }
}
