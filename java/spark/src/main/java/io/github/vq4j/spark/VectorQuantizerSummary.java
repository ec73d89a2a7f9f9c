package io.github.vq4j.spark;

import java.io.Serializable;

/**
 * How a fit went.
 *
 * @param trainingCost sum over all vectors of the squared distance to their nearest codes
 * @param meanSquaredError the same, a mean over all numbers
 * @param numIter moves of the codes that were made
 * @param rows how many vectors there were
 */
public record VectorQuantizerSummary(double trainingCost, double meanSquaredError, int numIter, long rows)
        implements Serializable {}
