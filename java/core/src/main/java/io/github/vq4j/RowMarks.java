package io.github.vq4j;

/** A copy on the host of the marks of a {@link RowMask}: which rows take part is known from it without asking a device. */
record RowMarks(int[] values) {
    /** How many rows take part. */
    long count() {
        return count(0, values.length);
    }

    /** How many rows of each sample take part. */
    long[] countsOfSamples(int samples) {
        int rows = values.length / samples;
        long[] counts = new long[samples];
        for (int sample = 0; sample < samples; sample++) {
            counts[sample] = count(sample * rows, (sample + 1) * rows);
        }
        return counts;
    }

    /** The number among all rows of a row's number among those that take part. */
    long numberOf(long selected) {
        int number = -1;
        for (long left = selected; left >= 0; left--) {
            do {
                number++;
            } while (values[number] <= 0);
        }
        return number;
    }

    private long count(int begin, int end) {
        long count = 0;
        for (int n = begin; n < end; n++) {
            count += values[n] > 0 ? 1 : 0;
        }
        return count;
    }
}
