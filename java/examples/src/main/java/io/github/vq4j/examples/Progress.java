package io.github.vq4j.examples;

import java.time.Duration;
import me.tongfei.progressbar.DelegatingProgressBarConsumer;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/** Bars that move on a terminal; in a log file they are a line every few seconds. */
public final class Progress {
    private static final Duration ON_A_TERMINAL = Duration.ofMillis(250);
    private static final Duration IN_A_LOG = Duration.ofSeconds(10);
    private static final int LOG_WIDTH = 120;

    private Progress() {}

    /** A bar that counts steps. */
    public static ProgressBarBuilder ofSteps(String task, long steps) {
        ProgressBarBuilder builder =
                new ProgressBarBuilder().setTaskName(task).setInitialMax(steps).setStyle(ProgressBarStyle.ASCII);
        if (System.console() == null) {
            return builder.setUpdateIntervalMillis((int) IN_A_LOG.toMillis())
                    .setConsumer(new DelegatingProgressBarConsumer(System.err::println, LOG_WIDTH));
        }
        return builder.setUpdateIntervalMillis((int) ON_A_TERMINAL.toMillis());
    }

    /** A bar that counts bytes, shown as MiB. */
    public static ProgressBarBuilder ofBytes(String task, long bytes) {
        return ofSteps(task, bytes).setUnit(" MiB", 1 << 20);
    }
}
