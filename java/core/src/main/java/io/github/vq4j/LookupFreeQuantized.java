package io.github.vq4j;

/**
 * What {@link LookupFreeQuant#forward} gives. Entropies are in nats.
 *
 * @param output shape of z: +scale or -scale for every feature
 * @param codes INT32, shape of z without the feature axis; bit d is 1 where feature d is above 0
 * @param loss commitmentWeight * commitmentLoss + entropyWeight * (sampleEntropy - diversityGamma * batchEntropy)
 * @param commitmentLoss mean((u - sg(output))^2), a mean over all elements
 * @param sampleEntropy entropy of a row's soft code, a mean over the rows: low where rows are certain of their codes
 * @param batchEntropy entropy of the batch's mean soft code, bits taken as independent: high where all codes are used
 * @param perplexity exp(-sum p ln p) of the batch's code histogram, between 1 and numCodes
 * @param activeCodes codes that the batch uses
 */
public record LookupFreeQuantized(
        Tensor output,
        Tensor codes,
        double loss,
        double commitmentLoss,
        double sampleEntropy,
        double batchEntropy,
        double perplexity,
        long activeCodes)
        implements AutoCloseable {
    /** Gives the memory of the two tensors back, but for an output that the caller brought. */
    @Override
    public void close() {
        output.close();
        codes.close();
    }
}
