package io.github.vq4j.examples;

import java.awt.Color;
import java.awt.Font;
import java.util.Locale;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.style.XYStyler;

/** The look that the examples' charts share. */
public final class Charts {
    /** Of lines that guide the eye and show no data. */
    public static final Color GUIDE = new Color(0xB0B0B0);

    private static final int TICK_SPACING = 80;
    private static final double LEAST_OF_LOGARITHMS = 1e-6;

    private Charts() {}

    /** A chart without data. */
    public static XYChart empty(int width, int height, String title, String xAxis, String yAxis) {
        XYChart chart = new XYChartBuilder()
                .width(width)
                .height(height)
                .title(title)
                .xAxisTitle(xAxis)
                .yAxisTitle(yAxis)
                .build();
        XYStyler styler = chart.getStyler();
        // The same picture in every country; its other numbers are written with points, too.
        styler.setLocale(Locale.ROOT);
        styler.setChartBackgroundColor(Color.WHITE);
        styler.setPlotBorderVisible(false);
        styler.setPlotGridLinesColor(new Color(0xE0E0E0));
        styler.setChartTitleBoxVisible(false);
        styler.setChartTitleFont(new Font(Font.SANS_SERIF, Font.BOLD, 16));
        styler.setLegendBorderColor(new Color(0xC0C0C0));
        styler.setXAxisTickMarkSpacingHint(TICK_SPACING);
        return chart;
    }

    /** A value's place on an axis of logarithms to base ten; 0, which has none, and what is near it are drawn as 1e-6. */
    public static double logarithm(double value) {
        return Math.log10(Math.max(value, LEAST_OF_LOGARITHMS));
    }
}
