package io.github.vq4j.cli;

import java.io.IOException;
import me.tongfei.progressbar.DelegatingProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/** Bars on standard error: they move on a terminal; in a log they are a line every ten seconds. */
final class Progress {
    private static final int ON_A_TERMINAL_MILLIS = 250;
    private static final int IN_A_LOG_MILLIS = 10_000;
    private static final int LOG_WIDTH = 120;

    private Progress() {}

    /** Work whose steps a bar shows. */
    interface Work<T> {
        T run(ProgressBar bar) throws IOException;
    }

    /** Runs work of a known number of steps; -1 for one that is not known. */
    static <T> T of(String task, long steps, Work<T> work) throws IOException {
        ProgressBarBuilder builder =
                new ProgressBarBuilder().setTaskName(task).setInitialMax(steps).setStyle(ProgressBarStyle.ASCII);
        if (System.console() == null) {
            builder.setUpdateIntervalMillis(IN_A_LOG_MILLIS)
                    .setConsumer(new DelegatingProgressBarConsumer(System.err::println, LOG_WIDTH));
        } else {
            builder.setUpdateIntervalMillis(ON_A_TERMINAL_MILLIS);
        }
        try (ProgressBar bar = builder.build()) {
            return work.run(bar);
        }
    }
}
