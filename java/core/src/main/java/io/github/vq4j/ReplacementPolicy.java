package io.github.vq4j;

/**
 * What becomes of a code that is replaced. Rows are those that the codebook quantized in the batch: the sub-vectors of
 * a group, the residuals of a stage. The effective code lands on the new vector, and what is remembered of the code
 * (the state of optimisers, moving averages) starts anew.
 *
 * <p>A batch with fewer rows, or used codes, to copy than codes to replace gives them out in turn; each but the first
 * copy of one has noise of a hundredth of its length.
 */
public enum ReplacementPolicy {
    /** A random row plus noise of a hundredth of its length; the rows of several codes are drawn independently. */
    RANDOM_INPUT,
    /**
     * The centroids of a k-means of the batch, with as many as there are codes to replace: seeding by k-means++ and at
     * most 10 of Lloyd's moves, on all rows. New codes go where the data lies, whatever the other codes do.
     */
    KMEANS_INPUT,
    /**
     * Copies of the codes that the batch uses most, the busiest first, as moving averages leave them, plus noise of a
     * hundredth of their length, so that the two share the rows. New codes go where codes are scarce for the rows there are.
     */
    SPLIT_BUSIEST,
    /**
     * The rows farthest from their codes, the farthest first, each once. New codes go where the error is largest; with
     * outliers in the data, onto those.
     */
    FARTHEST_INPUT
}
