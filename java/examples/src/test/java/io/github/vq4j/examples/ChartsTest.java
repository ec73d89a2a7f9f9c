package io.github.vq4j.examples;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.io.IOException;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.BitmapEncoder.BitmapFormat;
import org.knowm.xchart.XYChart;

class ChartsTest {
    /** Labels such as 0.5, which are 0,5 in some countries. */
    @Test
    void aPictureIsTheSameInEveryCountry() throws IOException {
        byte[] picture = picture(Locale.ROOT);
        assertArrayEquals(picture, picture(Locale.GERMANY));
        assertArrayEquals(picture, picture(Locale.forLanguageTag("ar-EG")));
    }

    private static byte[] picture(Locale country) throws IOException {
        Locale before = Locale.getDefault();
        Locale.setDefault(country);
        try {
            XYChart chart = Charts.empty(400, 300, "title", "x", "y");
            chart.addSeries("line", new double[] {0, 0.5, 2.5}, new double[] {0, 0.25, 1});
            return BitmapEncoder.getBitmapBytes(chart, BitmapFormat.PNG);
        } finally {
            Locale.setDefault(before);
        }
    }
}
