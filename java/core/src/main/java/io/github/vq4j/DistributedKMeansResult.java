package io.github.vq4j;

import java.util.List;

/**
 * What {@link DistributedKMeans#fit} gives.
 *
 * @param codebooks one a group, K x (D / groups), row-major
 * @param objective mean over all elements of the squared error of the rows to their nearest codes
 * @param iterations moves of the codes that were made
 * @param rows how many rows there are
 */
public record DistributedKMeansResult(List<float[]> codebooks, double objective, int iterations, long rows) {}
