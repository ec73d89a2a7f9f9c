package io.github.vq4j;

/**
 * What {@link KMeans#fit} gives.
 *
 * @param codebook K x D, in the memory of the backend
 * @param objective mean over all elements of the squared error of the rows to their nearest code
 * @param iterations moves of the codes that were made, by all rows or by mini-batches
 */
public record KMeansResult(Tensor codebook, double objective, int iterations) implements AutoCloseable {
    /** Gives the codebook's memory back. */
    @Override
    public void close() {
        codebook.close();
    }
}
