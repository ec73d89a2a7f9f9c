package io.github.vq4j;

/**
 * What {@link VectorQuant#forward} gives.
 *
 * @param output shape of z: the effective code of every row, bit for bit; with a lookupSize, projected back
 * @param codes INT32, shape of z without the feature axis
 * @param distances FLOAT32, shape of the codes: squared distance of every (projected, normalised) row to its code
 * @param loss commitment loss, a mean over all elements
 * @param sampleLosses the same for each item of the leading axis; one value when that axis holds the features
 * @param perplexity exp(-sum p ln p) of the batch's code histogram, between 1 and numCodes
 * @param activeCodes codes that the batch uses
 * @param replacedCodes codes that this forward has replaced
 */
public record Quantized(
        Tensor output,
        Tensor codes,
        Tensor distances,
        double loss,
        double[] sampleLosses,
        double perplexity,
        int activeCodes,
        int replacedCodes)
        implements AutoCloseable {
    /** Gives the memory of the three tensors back, but for an output that the caller brought. */
    @Override
    public void close() {
        output.close();
        codes.close();
        distances.close();
    }
}
