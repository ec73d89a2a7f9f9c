package io.github.vq4j;

import io.github.vq4j.internal.Batch;
import org.jspecify.annotations.Nullable;

/**
 * What {@link LookupFreeQuant#forward} gives. Entropies are in nats. On a CUDA device the numbers wait for it when they are
 * asked for, as those of {@link Quantized} do.
 */
public final class LookupFreeQuantized implements AutoCloseable {
    private final Tensor output;
    private final Tensor codes;
    private final Weights weights;
    private final Batch.@Nullable Fetched<double[]> losses;
    private final CodeUsage usage;

    /** Of the commitment loss; of both entropies; of the batch's entropy against the sample's. */
    record Weights(double commitment, double entropy, double diversity) {}

    /** @param losses of commitment, sample entropy, batch entropy; null where no row takes part */
    LookupFreeQuantized(
            Tensor output, Tensor codes, Weights weights, Batch.@Nullable Fetched<double[]> losses, CodeUsage usage) {
        this.output = output;
        this.codes = codes;
        this.weights = weights;
        this.losses = losses;
        this.usage = usage;
    }

    /** Shape of z: +scale or -scale for every feature. */
    public Tensor output() {
        return output;
    }

    /** INT32, shape of z without the feature axis; bit d is 1 where feature d is above 0. */
    public Tensor codes() {
        return codes;
    }

    /**
     * commitmentWeight * commitmentLoss + entropyWeight * (sampleEntropy - diversityGamma * batchEntropy).
     *
     * @throws NotFiniteException if z had a NaN or an infinity
     */
    public double loss() {
        return losses == null
                ? 0
                : weights.commitment * commitmentLoss()
                        + weights.entropy * (sampleEntropy() - weights.diversity * batchEntropy());
    }

    /** mean((u - sg(output))^2), a mean over all elements. */
    public double commitmentLoss() {
        return term(0);
    }

    /** Entropy of a row's soft code, a mean over the rows: low where rows are certain of their codes. */
    public double sampleEntropy() {
        return term(1);
    }

    /** Entropy of the batch's mean soft code, bits taken as independent: high where all codes are used. */
    public double batchEntropy() {
        return term(2);
    }

    /** exp(-sum p ln p) of the batch's code histogram, between 1 and numCodes. */
    public double perplexity() {
        return usage.perplexity();
    }

    /** Codes that the batch uses. */
    public long activeCodes() {
        return usage.activeCodes();
    }

    /** Gives the memory of the two tensors back, but for an output that the caller brought. */
    @Override
    public void close() {
        output.close();
        codes.close();
    }

    private double term(int number) {
        return losses == null ? 0 : losses.get()[number];
    }
}
