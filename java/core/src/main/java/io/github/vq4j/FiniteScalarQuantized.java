package io.github.vq4j;

/**
 * What {@link FiniteScalarQuant#forward} gives.
 *
 * @param output shape of z: the level of every feature, in [-1, 1]
 * @param codes INT32, shape of z without the feature axis
 * @param perplexity exp(-sum p ln p) of the batch's code histogram, between 1 and numCodes
 * @param activeCodes codes that the batch uses
 */
public record FiniteScalarQuantized(Tensor output, Tensor codes, double perplexity, long activeCodes)
        implements AutoCloseable {
    /** Gives the memory of the two tensors back, but for an output that the caller brought. */
    @Override
    public void close() {
        output.close();
        codes.close();
    }
}
