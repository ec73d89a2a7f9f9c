package io.github.vq4j;

import java.util.Arrays;

/** Numbers that describe a histogram. */
public final class Histogram {
    private Histogram() {}

    /**
     * Entropy in nats, {@code -sum p ln p} with p the counts divided by their sum: 0 when all is in one bin, ln K when K
     * bins hold the same; its exponential is the perplexity. Empty bins add nothing. The same result on every machine.
     *
     * @param counts none negative and some positive
     */
    public static double entropy(long... counts) {
        return entropy(Arrays.stream(counts).asDoubleStream().toArray());
    }

    /**
     * exp(entropy): how many bins that hold the same would be as even, from 1 to K. The same result on every machine.
     *
     * @param counts none negative and some positive
     */
    public static double perplexity(long... counts) {
        return StrictMath.exp(entropy(counts));
    }

    /**
     * As {@link #entropy(long...)}, for weights or probabilities.
     *
     * @param weights finite, none negative, some positive, with a finite sum
     */
    public static double entropy(double... weights) {
        double sum = 0;
        for (int i = 0; i < weights.length; i++) {
            // The name is made up only where it is needed: every forward looks at a histogram.
            if (!(weights[i] >= 0 && Double.isFinite(weights[i]))) {
                Arguments.notNegative("weight " + i, weights[i]);
            }
            sum += weights[i];
        }
        if (!(sum > 0) || Double.isInfinite(sum)) {
            throw new IllegalArgumentException("need a histogram with a positive, finite sum, got " + weights.length
                    + " bins with the sum " + sum);
        }
        double entropy = 0;
        for (double weight : weights) {
            double p = weight / sum;
            if (p > 0) {
                entropy -= p * StrictMath.log(p);
            }
        }
        return Math.max(entropy, 0);
    }
}
