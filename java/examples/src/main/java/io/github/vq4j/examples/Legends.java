package io.github.vq4j.examples;

import java.awt.font.FontRenderContext;
import java.util.Collection;
import java.util.List;
import java.util.function.ToDoubleFunction;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.XYStyler;

/** Where a legend hides nothing. */
public final class Legends {
    private static final List<LegendPosition> CORNERS =
            List.of(LegendPosition.InsideNE, LegendPosition.InsideSE, LegendPosition.InsideSW, LegendPosition.InsideNW);

    /** Of XChart's legends, in pixels and rounded up: what is beside and between the names. */
    private static final int BESIDE_A_NAME = 70;

    private static final int BETWEEN_NAMES = 21;
    private static final int ABOVE_AND_BELOW = 20;
    /** The least that titles and labels leave of a chart's sides for the plot. */
    private static final double PLOT = 0.8;

    private static final int POINTS_OF_A_LINE = 20;

    private Legends() {}

    /** Puts the legend of a chart into a corner that no series comes into, or beside the plot where there is none. */
    public static void place(XYChart chart) {
        chart.getStyler()
                .setLegendPosition(CORNERS.stream()
                        .filter(corner -> isFree(chart, corner))
                        .findFirst()
                        .orElse(LegendPosition.OutsideE));
    }

    private static boolean isFree(XYChart chart, LegendPosition corner) {
        boolean east = corner == LegendPosition.InsideNE || corner == LegendPosition.InsideSE;
        boolean north = corner == LegendPosition.InsideNE || corner == LegendPosition.InsideNW;
        double width = width(chart) / (PLOT * chart.getWidth());
        double height = height(chart) / (PLOT * chart.getHeight());
        Range xRange = Range.ofX(chart);
        Range yRange = Range.ofY(chart);
        for (XYSeries series : chart.getSeriesMap().values()) {
            double[] x = series.getXData();
            double[] y = series.getYData();
            for (int i = 0; i < x.length; i++) {
                int from = series.getXYSeriesRenderStyle() == XYSeries.XYSeriesRenderStyle.Scatter
                        ? i
                        : Math.max(0, i - 1);
                for (int step = 1; step <= POINTS_OF_A_LINE; step++) {
                    double share = (double) step / POINTS_OF_A_LINE;
                    double fromWest = xRange.share(x[from] + share * (x[i] - x[from]));
                    double fromSouth = yRange.share(y[from] + share * (y[i] - y[from]));
                    if ((east ? 1 - fromWest : fromWest) < width && (north ? 1 - fromSouth : fromSouth) < height) {
                        return false;
                    }
                }
            }
        }
        return true;
    }

    private static double width(XYChart chart) {
        FontRenderContext pixels = new FontRenderContext(null, true, true);
        return BESIDE_A_NAME
                + chart.getSeriesMap().keySet().stream()
                        .mapToDouble(name -> chart.getStyler()
                                .getLegendFont()
                                .getStringBounds(name, pixels)
                                .getWidth())
                        .max()
                        .orElse(0);
    }

    private static double height(XYChart chart) {
        return ABOVE_AND_BELOW + BETWEEN_NAMES * chart.getSeriesMap().size();
    }

    /** What of an axis is drawn: what the styler says, else all that the series have. */
    private record Range(double from, double to) {
        static Range ofX(XYChart chart) {
            XYStyler styler = chart.getStyler();
            return of(chart, styler.getXAxisMin(), XYSeries::getXMin, styler.getXAxisMax(), XYSeries::getXMax);
        }

        static Range ofY(XYChart chart) {
            XYStyler styler = chart.getStyler();
            return of(chart, styler.getYAxisMin(), XYSeries::getYMin, styler.getYAxisMax(), XYSeries::getYMax);
        }

        private static Range of(
                XYChart chart,
                Double from,
                ToDoubleFunction<XYSeries> least,
                Double to,
                ToDoubleFunction<XYSeries> most) {
            Collection<XYSeries> series = chart.getSeriesMap().values();
            return new Range(
                    from != null
                            ? from
                            : series.stream().mapToDouble(least).min().orElse(0),
                    to != null ? to : series.stream().mapToDouble(most).max().orElse(0));
        }

        /** Where a value lies, from 0 at the beginning of the axis to 1 at its end. */
        double share(double value) {
            return to > from ? (value - from) / (to - from) : 0.5;
        }
    }
}
