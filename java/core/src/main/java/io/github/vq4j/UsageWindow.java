package io.github.vq4j;

import java.util.Arrays;

/** How often each code was used by the last batches. */
final class UsageWindow {
    private static final double COLLAPSED_SHARE = 0.1;

    private final long[][] batches;
    private final long[] total;
    private int filled;
    private int next;

    UsageWindow(int batches, int codes) {
        this.batches = new long[batches][];
        total = new long[codes];
    }

    /** Takes a batch's histogram in, and the oldest out where the window is full. */
    void add(long[] counts) {
        long[] oldest = batches[next];
        for (int k = 0; k < total.length; k++) {
            total[k] += counts[k] - (oldest == null ? 0 : oldest[k]);
        }
        batches[next] = counts;
        next = (next + 1) % batches.length;
        filled = Math.min(filled + 1, batches.length);
    }

    /** NaN while it is empty. */
    double perplexity() {
        return filled == 0 ? Double.NaN : Quantizer.perplexity(total);
    }

    /** Codes that no batch of the window uses. */
    int unusedCodes() {
        return total.length - Quantizer.active(total);
    }

    /** As {@link CodebookReport#collapsed} says. */
    boolean collapsed() {
        if (filled < batches.length) {
            return false;
        }
        long reachable = Math.min(total.length, Arrays.stream(total).sum());
        boolean single = reachable > 1 && unusedCodes() == total.length - 1;
        return single || perplexity() < COLLAPSED_SHARE * reachable;
    }
}
