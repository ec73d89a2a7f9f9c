package io.github.vq4j.examples.autoencoder;

import java.util.Arrays;

/** What was measured in every iteration of a run. */
final class Curves {
    private static final int SUMMARY_WINDOW = 50;

    final double[] taskLoss;
    final double[] commitmentLoss;
    final double[] activePercent;
    final double[] perplexity;

    Curves(int iterations) {
        taskLoss = new double[iterations];
        commitmentLoss = new double[iterations];
        activePercent = new double[iterations];
        perplexity = new double[iterations];
    }

    /** The mean over the last 50 iterations, or over all where there are fewer. */
    static double lastMean(double[] curve) {
        return mean(curve, Math.max(0, curve.length - SUMMARY_WINDOW), curve.length);
    }

    /** Each value replaced by the mean of the last ones up to it. */
    static double[] smoothed(double[] curve, int window) {
        double[] smooth = new double[curve.length];
        Arrays.setAll(smooth, i -> mean(curve, Math.max(0, i + 1 - window), i + 1));
        return smooth;
    }

    private static double mean(double[] curve, int from, int to) {
        return Arrays.stream(curve, from, to).average().orElseThrow();
    }
}
