package io.github.vq4j.benchmarks;

import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** Figures as people read them. */
final class Figures {
    private static final double MOST_MICROSECONDS = 1e-3;
    private static final double MOST_MILLISECONDS = 1;

    private Figures() {}

    /** Three digits or so, and a unit. */
    static String time(double seconds) {
        if (seconds < MOST_MICROSECONDS) {
            return digits(seconds * 1e6) + " us";
        }
        return seconds < MOST_MILLISECONDS ? digits(seconds * 1e3) + " ms" : digits(seconds) + " s";
    }

    /** Operations a second. */
    static String flops(double rate) {
        return digits(rate / 1e9) + " GFLOP/s";
    }

    /** Bytes a second. */
    static String bytesRate(double rate) {
        return digits(rate / 1e9) + " GB/s";
    }

    /** A share, in per cent. */
    static String percent(double share) {
        return String.format(Locale.ROOT, "%.0f %%", share * 100);
    }

    /** A share that should be all, in per cent with two places. */
    static String finePercent(double share) {
        return String.format(Locale.ROOT, "%.2f %%", share * 100);
    }

    /** How many times. */
    static String times(double ratio) {
        return String.format(Locale.ROOT, ratio < 10 ? "%.2f x" : "%.1f x", ratio);
    }

    /** Bytes in MiB. */
    static String mebibytes(@Nullable Long bytes) {
        return bytes == null ? "" : String.format(Locale.ROOT, "%.1f MiB", bytes / (double) (1 << 20));
    }

    private static String digits(double value) {
        String format = value < 10 ? "%.2f" : value < 100 ? "%.1f" : "%.0f";
        return String.format(Locale.ROOT, format, value);
    }
}
