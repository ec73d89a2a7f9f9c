package io.github.vq4j.torch;

import org.bytedeco.pytorch.Tensor;

/**
 * What {@link VectorQuantModule#forward} gives. Output and loss are part of the graph where gradients are recorded.
 *
 * @param output FLOAT, shape of z, contiguous: the nearest effective code of every row, bit for bit
 * @param codes LONG, shape of z without the feature axis
 * @param distances FLOAT, shape of the codes: squared distance of every (normalised) row to its code; has no gradient
 * @param loss FLOAT, a scalar: commitment loss, a mean over all elements
 * @param sampleLosses the same for each item of the leading axis; one value when that axis holds the features
 * @param perplexity exp(-sum p ln p) of the batch's code histogram, between 1 and numCodes
 * @param activeCodes codes that the batch uses
 * @param replacedCodes codes that this forward has replaced
 */
public record QuantizedTensors(
        Tensor output,
        Tensor codes,
        Tensor distances,
        Tensor loss,
        double[] sampleLosses,
        double perplexity,
        int activeCodes,
        int replacedCodes)
        implements AutoCloseable {
    /** Closes the handles of the four tensors. The graph keeps what it needs. */
    @Override
    public void close() {
        output.close();
        codes.close();
        distances.close();
        loss.close();
    }
}
