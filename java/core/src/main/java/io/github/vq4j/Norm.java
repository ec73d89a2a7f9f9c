package io.github.vq4j;

/** What is done to the input before it is quantized. */
public enum Norm {
    /** Nothing. */
    NONE,
    /**
     * Every row is scaled to length 1: divided by its length, or by 1e-12 where that is more, as PyTorch's {@code normalize}
     * does. A row of zeros therefore stays, and its gradient is 1e12 times that of what it became.
     */
    UNIT,
    /** Rows longer than 10 are scaled to length 10; others stay as they are. */
    MAX_NORM,
    /**
     * Batch norm: every feature is normalised over all rows of the batch, epsilon 1e-5, with a learned scale and shift;
     * running moments, momentum 0.1, unbiased variance, take the batch's place in inference.
     */
    BATCH,
    /** Group norm: 32 contiguous groups of features within each sample, epsilon 1e-6, with a learned scale and shift. */
    GROUP,
    /** Instance norm: every feature within each sample, epsilon 1e-5, nothing learned. */
    INSTANCE
}
