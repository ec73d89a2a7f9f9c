package io.github.vq4j.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.Styler.LegendPosition;

class LegendsTest {
    private final XYChart chart = Charts.empty(600, 420, "title", "x", "y");

    @Test
    void aCurveThatFallsLeavesTheUpperRightCorner() {
        chart.addSeries("falls", new double[] {0, 1, 10}, new double[] {10, 1, 0});
        checkPlace(LegendPosition.InsideNE);
    }

    @Test
    void aCurveThatStaysHighHasTheLegendBelow() {
        chart.addSeries("falls", new double[] {0, 1, 2}, new double[] {10, 1, 0});
        chart.addSeries("stays", new double[] {0, 5, 10}, new double[] {9, 9, 9});
        checkPlace(LegendPosition.InsideSE);
    }

    /** Between its points, of which none is in the corner. */
    @Test
    void aLineThroughACornerUsesIt() {
        chart.getStyler().setXAxisMin(0.0).setXAxisMax(10.0).setYAxisMin(0.0).setYAxisMax(10.0);
        chart.addSeries("rises", new double[] {0, 20}, new double[] {0, 20});
        checkPlace(LegendPosition.InsideSE);
    }

    @Test
    void aPointIsInTheWayToo() {
        XYSeries points = chart.addSeries("points", new double[] {0, 9}, new double[] {0, 9});
        points.setXYSeriesRenderStyle(XYSeries.XYSeriesRenderStyle.Scatter);
        chart.getStyler().setXAxisMin(0.0).setXAxisMax(10.0).setYAxisMin(0.0).setYAxisMax(10.0);
        checkPlace(LegendPosition.InsideSE);
    }

    @Test
    void beyondFourCornersInUseItIsBesideThePlot() {
        chart.addSeries("rises", new double[] {0, 10}, new double[] {0, 10});
        chart.addSeries("falls", new double[] {0, 10}, new double[] {10, 0});
        checkPlace(LegendPosition.OutsideE);
    }

    @Test
    void oneValueAllOverIsDrawnInTheMiddle() {
        chart.addSeries("flat", new double[] {1, 1}, new double[] {2, 2});
        checkPlace(LegendPosition.InsideNE);
    }

    private void checkPlace(LegendPosition place) {
        Legends.place(chart);
        assertEquals(place, chart.getStyler().getLegendPosition());
    }
}
