package io.github.vq4j.torch;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/**
 * What {@link QuantizerModule#forward} gives. Output and loss are part of the graph where gradients are recorded.
 *
 * @param output type and shape of z, contiguous: the codes' values, bit for bit where z is FLOAT, else rounded to 16 bits;
 *     z where a mask leaves a row out
 * @param codes LONG, as the layer's forward shapes them: shape of z without the feature axis, or with the groups or stages
 *     on it; -1 where a row is left out
 * @param distances FLOAT, shape of the codes: squared distance of every (normalised) row to its code; has no gradient. Null
 *     without a codebook
 * @param loss FLOAT, a scalar: the layer's loss; 0 of FSQ, which has none
 * @param sampleLosses the same for each item of the leading axis; one value when that axis holds the features; none
 *     without a codebook
 * @param perplexity exp(-sum p ln p) of the batch's code histogram, between 1 and numCodes
 * @param activeCodes codes that the batch uses
 * @param replacedCodes codes that this forward has replaced
 */
public record QuantizedTensors(
        Tensor output,
        Tensor codes,
        @Nullable Tensor distances,
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
        if (distances != null) {
            distances.close();
        }
        loss.close();
    }

    /** The same with the output rounded to a type, in the graph. */
    QuantizedTensors withOutputOf(ScalarType type) {
        Tensor rounded = output.to(type);
        output.close();
        return new QuantizedTensors(
                rounded, codes, distances, loss, sampleLosses, perplexity, activeCodes, replacedCodes);
    }
}
